#!/usr/bin/perl

# What of src none of these reports of llvm-cov has reached:
#
#   coverage.pl [--table] FILE.lcov ...
#
# Prints the functions, and then the lines; with --table how many there are of
# each file, and the share that any of the reports has reached.  (Branches have
# no names there by which those of two programs could be told to be the same.)

use v5.36;

my $table = @ARGV && $ARGV[0] eq '--table' && shift;
my (%lines, %functions);

for my $report (@ARGV) {
    my ($file, %at);
    open my $f, '<', $report or die "$report: $!\n";

    while (<$f>) {
        if (m{^SF:.*?\b(src/.*)}) {
            $file = $1;
            %at = ();

        } elsif (/^FN:(\d+),(.*)/) {
            $at{$2} = $1;

        } elsif (/^FNDA:(\d+),(.*)/) {
            my ($count, $name) = ($1, $2);
            my $at = $at{$name};
            $functions{$file}{$at . ' ' . $name =~ s/.*://r} += $count;

        } elsif (/^DA:(\d+),(\d+)/) {
            $lines{$file}{$1} += $2;
        }
    }
}

my @files = sort keys %lines;

sub share ($h) {
    my $reached = grep { $_ } values %$h;
    return sprintf '%6d %6.1f%%', scalar keys %$h,
        %$h ? 100 * $reached / keys %$h : 100;
}

sub row ($name, $lines, $functions) {
    printf "%-50s %s  %s\n", $name, share($lines), share($functions // {});
}

# All files as one.
sub total ($h) {
    return { map { my $f = $_;
        map { ("$f $_" => $h->{$f}{$_}) } keys %{$h->{$f} // {}} } @files };
}

if ($table) {
    printf "%-50s %14s  %14s\n", 'Filename', 'Lines', 'Functions';
    row($_ =~ s{^src/}{}r, $lines{$_}, $functions{$_}) for @files;
    row('TOTAL', total(\%lines), total(\%functions));
    exit 0;
}

for my $file (@files) {
    my $h = $functions{$file} // {};
    my @missed = map { [split] } grep { !$h->{$_} } keys %$h;
    say "$file:$_->[0]: $_->[1]()" for sort { $a->[0] <=> $b->[0] } @missed;
}

for my $file (@files) {
    open my $s, '<', $file or die "$file: $!\n";
    while (my $line = <$s>) {
        print "$file:$.: $line" if ($lines{$file}{$.} // 1) == 0;
    }
}
