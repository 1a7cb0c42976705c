#include "stack/protocols/ping/ping.h"

#include <utility>

namespace mesocosm {

namespace {
constexpr std::size_t kChunk = 4096;
}

PingMetrics::PingMetrics(Metrics& metrics)
    : round_trips(metrics
                      .histogram({"libp2p_ping_rtt_seconds",
                                  "Round trips of our pings",
                                  {},
                                  exponential_bounds(0.0001, 2, 16)})
                      .with({})),
      failures(
          metrics.counter({"libp2p_ping_failures_total", "Pings of ours without an answer", {"error"}})) {}

// One ping of ours. After the pong it lives until the peer has closed its side too, or the time is up.
struct Ping::Client final : Stream::Events {
  Client(Ping& owner, const PeerId& whom, PingEvents& listener)
      : ping(owner), peer(whom), events(&listener) {}

  void send_if_possible() {
    if (sent || stream->writable() == 0) return;
    sent = true;
    PingPayload payload;
    ping.env_.entropy.fill(payload);
    stream->write(core.send(payload, ping.env_.clock.now()));
  }

  void on_writable() override { send_if_possible(); }
  void on_readable() override {
    while (true) {
      const Bytes bytes = stream->read(kChunk);
      if (bytes.empty()) break;
      const auto result = core.on_bytes(bytes, ping.env_.clock.now());
      if (!result) return end(result.error());
      if (!*result) continue;
      stream->finish();
      ping.metrics_.round_trips.observe(**result);
      MC_LOG(ping.env_.log, ping, debug, "pong", {"peer", peer.to_string()}, {"seconds", **result});
      ping.env_.trace.record(
          {TraceKind::ping, peer.hash(), 0, static_cast<std::uint64_t>((**result).count())});
      if (events != nullptr) std::exchange(events, nullptr)->on_pong(peer, **result);
    }
    if (events != nullptr && stream->ended()) end({ErrorCode::reset, "the peer ended the ping"});
  }
  void on_closed(Error error) override {
    end(error.ok() ? Error{ErrorCode::reset, "the peer ended the ping"} : std::move(error));
  }
  void on_timeout() {
    end(stream == nullptr ? Error{ErrorCode::not_found, "not connected"}
                          : Error{ErrorCode::timeout, "no answer to a ping"});
  }

  // The last act: this is destroyed here.
  void end(const Error& error) {
    const PeerId whom = peer;
    PingEvents* told = events;
    Ping& owner = ping;
    owner.clients_.remove(*this);
    if (told == nullptr) return;
    owner.metrics_.failures.with({to_string(error.code)}).add();
    MC_LOG(owner.env_.log, ping, info, "ping failed", {"peer", whom.to_string()}, {"error", error.message()});
    told->on_ping_failed(whom, error);
  }

  Ping& ping;
  PeerId peer;
  PingEvents* events;  // null when told
  std::unique_ptr<Stream> stream;
  PingCore core;
  bool sent = false;
  MemberTimer<&Client::on_timeout> timer{*this};
};

// One stream that a peer pings us on: what comes goes back, as fast as the peer takes it.
struct Ping::Server final : Stream::Events {
  Server(Ping& owner, std::unique_ptr<Stream> taken) : ping(owner), stream(std::move(taken)) {
    stream->set_events(*this);
    ping.env_.clock.arm_after(timer, kIdleTimeout);
  }

  void echo() {
    while (const std::size_t room = stream->writable()) {
      const Bytes bytes = stream->read(std::min(room, kChunk));
      if (bytes.empty()) break;
      stream->write(bytes);
      ping.env_.clock.arm_after(timer, kIdleTimeout);
    }
    if (stream->ended()) stream->finish();
  }
  void on_readable() override { echo(); }
  void on_writable() override { echo(); }
  void on_closed(Error) override { ping.servers_.remove(*this); }
  void on_timeout() { ping.servers_.remove(*this); }

  Ping& ping;
  std::unique_ptr<Stream> stream;
  MemberTimer<&Server::on_timeout> timer{*this};
};

Ping::Ping(Env& env, Swarm& swarm) : env_(env), swarm_(swarm), metrics_(env.metrics.of<PingMetrics>()) {
  swarm_.handle(kPingProtocol, *this);
}
Ping::~Ping() = default;

void Ping::ping(const PeerId& peer, PingEvents& events) {
  Client& client = clients_.add(std::make_unique<Client>(*this, peer, events));
  client.stream = swarm_.open(peer, {&kPingProtocol, 1}, client);
  if (client.stream == nullptr) return env_.clock.arm_after(client.timer, Duration{0});
  env_.clock.arm_after(client.timer, kTimeout);
  client.send_if_possible();
}

void Ping::on_stream(std::unique_ptr<Stream> stream) {
  servers_.add(std::make_unique<Server>(*this, std::move(stream)));
}

}  // namespace mesocosm
