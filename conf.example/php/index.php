<?php
/*
 * A Socket.IO chat backend behind nginx: events come in as a JSON array, the
 * answer is a JSON array of commands.  A request lives as long as a batch.
 */

declare(strict_types=1);

/* The commands that answer one event. */
function commands(object $e): iterable
{
    $args = $e->args ?? [];
    $me = $e->data ?? null;
    $token = getenv('CHAT_TOKEN') ?: 'demo';

    if ($e->type === 'connect') {
        yield ($e->handshake->auth->token ?? null) === $token
            ? ['op' => 'accept', 'rooms' => ['lobby']]
            : ['op' => 'reject', 'message' => 'wrong token',
               'data' => ['code' => 'bad_token']];
        return;
    }

    if ($e->type === 'disconnect') {
        yield ['room' => 'lobby', 'event' => 'left', 'args' => [$me]];
        return;
    }

    switch ($e->event ?? '') {

    case 'nick':
        yield ['op' => 'data', 'data' => $args];
        yield ['room' => 'lobby', 'except' => $e->sid, 'event' => 'joined',
               'args' => [$args]];
        break;

    case 'chat message':
        yield ['room' => 'lobby', 'event' => 'chat message',
               'args' => [$me, $args],
               'attachments' => $e->attachments ?? []];
        yield ['op' => 'ack', 'args' => ['delivered']];
        break;

    case 'typing':
        yield ['room' => 'lobby', 'except' => $e->sid, 'event' => 'typing',
               'args' => [$me], 'volatile' => true];
        break;

    case 'join':
        if (is_string($args[0] ?? null)) {
            yield ['op' => 'join', 'room' => 'room:' . $args[0]];
            yield ['op' => 'ack', 'args' => ['joined', $args[0]]];
        }
        break;

    case 'to':
        if (is_string($args[0] ?? null)) {
            yield ['room' => 'room:' . $args[0], 'except' => $e->sid,
                   'event' => 'from', 'args' => [$me, ...array_slice($args, 1)]];
        }
        break;
    }
}

/*
 * One object per line: an event that PHP cannot decode (half a surrogate pair)
 * costs no other.  In its place stands a command that does not exist: nginx
 * logs it, and lets in nobody without an "accept".  Objects stay objects: as
 * arrays, {} would go out as [].
 */
$lines = [];

foreach (explode("\n", file_get_contents('php://input')) as $line) {
    $line = trim($line, '[], ');

    if ($line === '') {
        continue;
    }

    try {
        $e = json_decode($line, flags: JSON_THROW_ON_ERROR);

        foreach (commands($e) as $command) {
            $lines[] = json_encode(['id' => $e->id] + $command,
                                   JSON_THROW_ON_ERROR);
        }

    } catch (Throwable $error) {
        error_log((string) $error);
        $lines[] = '{"op":"failed"}';
    }
}

header('Content-Type: application/json');
echo '[', implode(",\n", $lines), ']';
