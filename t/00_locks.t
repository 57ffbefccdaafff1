#!/usr/bin/perl

# The lock of the zone is held where it must be, given back on every path, and
# nothing that takes time happens under it.

use warnings;
use strict;

use FindBin qw($Bin);
use lib "$Bin/tools";
use StaticCheck;

StaticCheck::run('check-locks.pl');
