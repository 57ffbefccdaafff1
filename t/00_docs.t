#!/usr/bin/perl

# README.md documents every directive and every variable.

use warnings;
use strict;

use FindBin qw($Bin);
use lib "$Bin/tools";
use StaticCheck;

StaticCheck::run('check-docs.sh');
