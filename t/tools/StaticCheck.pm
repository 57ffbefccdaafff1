package StaticCheck;

# Reports one of the scripts check-*.sh as two tests: that the tree passes,
# and that the script fails where it should (--selftest).

use warnings;
use strict;

use Test::More;
use Cwd qw(abs_path);
use File::Basename qw(dirname);

my $tools = abs_path(dirname(__FILE__));

sub modules {
    return $ENV{TEST_NGINX_MODULES} || "$tools/../../build";
}

sub run {
    my ($script, @args) = @_;

    plan(tests => 2);
    report("$script accepts the tree", "$tools/$script", @args);
    report("$script can fail", "$tools/$script", '--selftest');
}

# passes if the command succeeds; else its output tells why

sub report {
    my ($name, @command) = @_;

    open my $out, '-|', 'sh', '-c', 'exec "$@" 2>&1', 'sh', @command
        or die "$command[0]: $!\n";
    my @lines = <$out>;
    my $good = close $out;

    ok($good, $name) or diag(@lines, "exit status ", $? >> 8);

    return $good;
}

1;
