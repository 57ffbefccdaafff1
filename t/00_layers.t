#!/usr/bin/perl

# A layer of src/ includes only what is below it.

use warnings;
use strict;

use FindBin qw($Bin);
use lib "$Bin/tools";
use StaticCheck;

StaticCheck::run('check-layers.sh');
