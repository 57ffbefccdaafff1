<?php
// A Socket.IO application behind fastcgi_pass.  A batch of events comes in,
// one on a line; commands go out, likewise.  PHP lives as long as a batch.

const USERS = ['ann-token' => 'ann', 'bob-token' => 'bob'];
define('SECRET', (string) getenv('SIO_SECRET'));        // socketio_hook_secret

function genuine(string $header, string $body): bool {
    preg_match_all('/\b(?:t|v1)=([0-9a-f]+)/', $header, $found);
    $t = array_shift($found[1]);
    $mac = hash_hmac('sha256', "$t.$body", SECRET);
    return abs(time() - (int) $t) <= 300 && array_filter($found[1], fn ($m) => hash_equals($mac, $m));
}

function commands(object $e): array {
    $args = [$e->data->user ?? null, ...$e->args ?? []];
    $say = ['event' => $e->event ?? '', 'args' => $args, 'attachments' => $e->attachments ?? []];
    $name = is_string($args[1] ?? null) ? $args[1] : null;
    $token = $e->handshake->auth->token ?? null;
    $user = is_string($token) ? USERS[$token] ?? null : null;

    return match ([$e->type, $e->event ?? null]) {
        ['connect', null] => [$user
            ? ['op' => 'accept', 'data' => ['user' => $user], 'rooms' => ['lobby', "user:$user"]]
            : ['op' => 'reject', 'message' => 'not authorized']],
        ['disconnect', null] => $args[0] ? [['room' => 'lobby', 'event' => 'left'] + $say] : [],
        ['ack', null] => [['sid' => $e->token, 'event' => 'answer'] + $say],        // to "question"
        ['event', 'msg'] => [['room' => 'lobby', 'except' => $e->sid] + $say, ['op' => 'ack', 'args' => ['ok']]],
        ['event', 'join'] => $name ? [['op' => 'join', 'room' => "room:$name"]] : [],
        ['event', 'echo'] => [$say],
        ['event', 'ask'] => $name ? [['room' => "user:$name", 'event' => 'question', 'ack' => $e->sid] + $say] : [],
        default => [],
    };
}

function answer(string $line): void {
    try {
        $e = json_decode(rtrim($line, ','), flags: JSON_THROW_ON_ERROR);
        foreach (commands($e) as $c) echo json_encode(['id' => $e->id] + $c, JSON_THROW_ON_ERROR), "\n";
    } catch (Throwable) {       // costs this event only; nginx logs what is no command
        echo "{\"op\":\"failed\"}\n";
    }
}

$body = file_get_contents('php://input');
$ok = SECRET === '' || genuine($_SERVER['HTTP_X_SOCKETIO_SIGNATURE'] ?? '', $body);
http_response_code($ok ? 200 : 401);
array_map(answer(...), $ok ? array_slice(explode("\n", $body), 1, -1) : []);
