#!/usr/bin/perl

# Extern symbols have the prefix of their layer: nginx loads modules RTLD_GLOBAL.

use warnings;
use strict;

use FindBin qw($Bin);
use lib "$Bin/tools";
use StaticCheck;

StaticCheck::run('check-symbols.sh', StaticCheck::modules());
