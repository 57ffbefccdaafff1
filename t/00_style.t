#!/usr/bin/perl

# The mechanical part of nginx's style.

use warnings;
use strict;

use FindBin qw($Bin);
use lib "$Bin/tools";
use StaticCheck;

StaticCheck::run('check-style.sh');
