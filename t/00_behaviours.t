#!/usr/bin/perl

# Every behaviour of Engine.IO and Socket.IO is in the name of a test, or
# excused.

use warnings;
use strict;

use FindBin qw($Bin);
use lib "$Bin/tools";
use StaticCheck;

StaticCheck::run('check-behaviours.sh');
