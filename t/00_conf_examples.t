#!/usr/bin/perl

# Every conf.example/*.conf passes "nginx -t" with this module, so that none
# rots.  They load no modules, whose paths differ: -g does, it comes first.
# Configurations that must not pass show that this test can fail.
#
# Every backend has at most 40 lines, not counting blank ones and comments.

use warnings;
use strict;

use Test::More;
use Cwd qw(abs_path);
use File::Temp qw(tempdir);
use FindBin qw($Bin);

my $nginx = $ENV{TEST_NGINX_BINARY} || '/usr/sbin/nginx';
my $modules = abs_path($ENV{TEST_NGINX_MODULES} || "$Bin/../build");
my $ndk = $ENV{TEST_NDK_MODULE};

$ndk = '/usr/lib/nginx/modules/ndk_http_module.so' if !defined $ndk;

my @examples = sort glob("$Bin/../conf.example/*.conf");
my @bad = ('http { socketio_no_such_directive on; }',
           'http { socketio_zone; }');

my @backends = sort glob("$Bin/../conf.example/*/*.{js,php,py,rb}");

plan(tests => @examples + @bad + @backends + 2);

ok(scalar @examples, 'there are examples');

for my $file (@examples) {
    my ($good, $out) = check(slurp($file));

    ok($good, $file =~ s{.*/}{}r) or diag($out);
}

for my $bad (@bad) {
    my ($good, $out) = check("events {}\npid nginx.pid;\n$bad\n");

    ok(!$good && $out =~ /"socketio_/, "refused: $bad") or diag($out);
}

ok(scalar @backends, 'there are backends');

for my $file (@backends) {
    my @lines = grep { !m{^\s*((#|//).*)?$} } split /\n/, slurp($file);

    cmp_ok(scalar @lines, '<=', 40, $file =~ s{.*/conf.example/}{}r . ': lines')
        or diag('a backend is small');
}

sub slurp {
    my ($file) = @_;

    open my $fh, '<', $file or die "$file: $!\n";
    local $/;

    return <$fh>;
}

# "nginx -t" binds its ports, opens its logs and reads certificates: that must
# work for anybody, and leave the machine's own nginx alone

sub check {
    my ($conf) = @_;

    my $prefix = tempdir(CLEANUP => !$ENV{TEST_NGINX_LEAVE});

    diag("left in $prefix") if $ENV{TEST_NGINX_LEAVE};
    mkdir("$prefix/logs");
    system('cp', '-R', "$Bin/../conf.example/.", $prefix);

    $conf =~ s/^(\s*listen\s+(?:\S*:)?)(\d{1,3})(?=[\s;])/$1 . ($2 + 8000)/gme;

    if ($conf =~ s/^(\s*ssl_certificate)(_key)?\s[^;]+/
                   "$1" . ($2 || '') . " $prefix\/" . ($2 ? 'key' : 'crt')/gme)
    {
        system("openssl req -x509 -newkey rsa:2048 -nodes -subj /CN=localhost "
            . "-keyout $prefix/key -out $prefix/crt 2> $prefix/logs/openssl");
    }

    my $globals = $ndk eq '' ? '' : "load_module $ndk; ";
    $globals .= "load_module $modules/ngx_http_socketio_module.so;";
    $globals .= " pid logs/nginx.pid;" if $conf !~ /^\s*pid\s/m;

    open my $fh, '>', "$prefix/nginx.conf" or die "$prefix/nginx.conf: $!\n";
    print $fh $conf;
    close $fh;

    my $out = `'$nginx' -t -p '$prefix/' -c '$prefix/nginx.conf' \\
        -g '$globals' 2>&1`;

    return ($? == 0, $out);
}
