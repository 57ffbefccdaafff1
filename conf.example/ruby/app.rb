#!/usr/bin/env ruby
# app.rb [port]: a Socket.IO application behind proxy_pass.  A batch of events
# comes in, one on a line; commands go out, likewise.  A thread for each connection.

%w[json openssl webrick].each { |library| require library }

USERS = { "ann-token" => "ann", "bob-token" => "bob" }
SECRET = ENV.fetch("SIO_SECRET", "")                    # socketio_hook_secret

def genuine(header, body)
  t, *macs = header.to_s.scan(/\b(?:t|v1)=([0-9a-f]+)/).flatten
  mac = OpenSSL::HMAC.hexdigest("SHA256", SECRET, "#{t}.#{body}")
  (Time.now.to_i - t.to_i).abs <= 300 && macs.any? { |m| OpenSSL.secure_compare(mac, m) }
end

def commands(e)
  args = [e.dig("data", "user"), *e["args"]]
  say = { event: e["event"], args: args, attachments: e["attachments"] || [] }
  case [e["type"], e["event"], *e["args"]]
  in ["connect", *]
    user = USERS[e["handshake"]["auth"]["token"]]
    return [{ op: "reject", message: "not authorized" }] unless user
    [{ op: "accept", data: { user: user }, rooms: ["lobby", "user:#{user}"] }]
  in ["disconnect", *] if args[0] then [{ **say, room: "lobby", event: "left" }]
  in ["ack", *] then [{ **say, sid: e["token"], event: "answer" }]      # to "question"
  in [_, "msg", *] then [{ **say, room: "lobby", except: e["sid"] }, { op: "ack", args: ["ok"] }]
  in [_, "join", String => room, *] then [{ op: "join", room: "room:#{room}" }]
  in [_, "echo", *] then [say]
  in [_, "ask", String => who, *]
    [{ **say, room: "user:#{who}", event: "question", ack: e["sid"] }]
  else []
  end
end

def answer(line)
  e = JSON.parse(line.chomp(","))
  commands(e).map { |c| JSON.generate({ id: e["id"], **c }) + "\n" }
rescue StandardError            # costs this event only; nginx logs what is no command
  ["{\"op\":\"failed\"}\n"]
end

server = WEBrick::HTTPServer.new(BindAddress: "127.0.0.1", Port: ARGV[0], AccessLog: [])
server.mount_proc("/") do |req, res|
  body = req.body.force_encoding("UTF-8")
  ok = SECRET.empty? || genuine(req["X-Socketio-Signature"], body)
  res.status = ok ? 200 : 401
  res.body = ok ? body.lines(chomp: true)[1..-2].flat_map { |x| answer(x) }.join : ""
end
server.start
