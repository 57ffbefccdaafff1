<?php
// Public, private and presence channels, as Laravel's Echo has them.  A channel
// is a room; who a socket belongs to whoami.php has said, see channels.conf.

const ORDERS = ['1' => 'ann', '2' => 'bob'];

function allowed(?string $user, string $channel): bool {
    return match (true) {
        str_starts_with($channel, 'public-') => true,
        str_starts_with($channel, 'presence-') => $user !== null,
        str_starts_with($channel, 'private-orders.') => $user && (ORDERS[substr($channel, 15)] ?? 0) === $user,
        default => false,           // rooms such as user:ann are nobody's to join
    };
}

function presence(string $what, array $channels, ?string $user, string $sid): array {
    $rooms = array_values(array_filter($channels, fn ($c) => str_starts_with($c, 'presence-')));
    return array_map(fn ($room) => ['room' => $room, 'except' => $sid, 'event' => $what, 'args' => [$room, $user]], $rooms);
}

function commands(object $e): array {
    $user = $e->data->user ?? null;
    $channel = is_string($e->args[0]->channel ?? null) ? $e->args[0]->channel : '';
    $ack = fn (bool $ok) => ['op' => 'ack', 'args' => [$ok]];

    if ($e->type === 'connect') {
        $user = $e->handshake->headers->{'x-user'} ?? '';
        return [$user === '' ? ['op' => 'accept'] : ['op' => 'accept', 'data' => ['user' => $user], 'rooms' => ["user:$user"]]];
    }
    if ($e->type === 'disconnect') return presence('left', $e->rooms, $user, $e->sid);
    if (!allowed($user, $channel)) return [$ack(false)];
    return match ($e->event) {
        'subscribe' => [['op' => 'join', 'room' => $channel], ...presence('joined', [$channel], $user, $e->sid), $ack(true)],
        'unsubscribe' => [['op' => 'leave', 'room' => $channel], ...presence('left', [$channel], $user, $e->sid), $ack(true)],
        default => [],
    };
}

foreach (array_slice(explode("\n", file_get_contents('php://input')), 1, -1) as $line) {
    $e = json_decode(rtrim($line, ','));        // null if PHP cannot read it: nobody is let in by that
    foreach ($e ? commands($e) : [['op' => 'failed']] as $c) echo json_encode(['id' => $e->id ?? ''] + $c), "\n";
}
