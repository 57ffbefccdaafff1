<?php
// The application's own word on whose session a cookie is; see channels.conf.

const SESSIONS = ['ann-session' => 'ann', 'bob-session' => 'bob'];

header('X-User: ' . (SESSIONS[$_COOKIE['session'] ?? ''] ?? ''));
