#!/usr/bin/perl

# README.md says what to do about each message of the module.

use warnings;
use strict;

use FindBin qw($Bin);
use lib "$Bin/tools";
use StaticCheck;

StaticCheck::run('check-messages.sh');
