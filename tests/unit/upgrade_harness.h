// Two hosts with TcpTransports on a network in memory, for tests of the upgraded connection.
#pragma once

#include <array>
#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "stack/transport/tcp_transport.h"
#include "tests/unit/memory_stream.h"

namespace mesocosm::testing {

inline KeyPair key_pair(std::uint8_t seed) {
  std::array<std::uint8_t, 32> bytes;
  bytes.fill(seed);
  return KeyPair::from_seed(bytes);
}

inline TcpOptions only(SecurityProtocol protocol, bool early_muxer = true) {
  TcpOptions options;
  options.upgrade.securities = {protocol};
  options.upgrade.early_muxer = early_muxer;
  return options;
}

// A stream with what it was told. `echo`: writes back what it reads, and finishes when the peer did.
struct Talker final : Stream::Events {
  std::unique_ptr<Stream> stream;
  bool echo = false;
  bool reads = true;
  std::string text;
  std::size_t received = 0;
  int readable = 0, writable = 0, closed = 0;
  bool ended = false;
  Error error;
  std::function<void(Talker&)> when_readable, when_writable, when_closed;

  void take() {
    while (true) {
      Bytes bytes = stream->read(SIZE_MAX);
      if (bytes.empty()) break;
      received += bytes.size();
      if (received <= 100'000) text += bytes.text();
      if (echo) stream->write(bytes);
    }
    if (stream->ended() && !ended) {
      ended = true;
      if (echo) stream->finish();
    }
  }
  void on_readable() override {
    ++readable;
    if (reads) take();
    if (when_readable) when_readable(*this);
  }
  void on_writable() override {
    ++writable;
    if (when_writable) when_writable(*this);
  }
  void on_closed(Error why) override {
    ++closed;
    error = std::move(why);
    if (when_closed) when_closed(*this);
  }
};

struct Table final : ProtocolTable {
  std::vector<std::string_view> names;
  ProtocolId find(std::string_view offered) const override {
    for (std::string_view name : names) {
      if (name == offered) return name;
    }
    return {};
  }
};

// A host: accepts connections and streams, echoes on streams of "/echo".
struct Host final : Connection::Events, Listening::Events, Dial::Events {
  PipeNetwork& net;
  PipeHost network;
  Rng rng;
  SeededEntropy entropy;
  NoTrace trace;
  Env env;
  KeyPair key;
  Table table;
  TrafficCounters traffic;
  TcpTransport transport;
  std::unique_ptr<Listening> listening;
  std::unique_ptr<Dial> dial;
  std::vector<std::unique_ptr<Connection>> connections;
  std::vector<std::unique_ptr<Talker>> inbound;
  std::vector<Error> dial_errors, refused, closed;
  std::function<void(Talker&)> when_stream;
  std::function<void()> when_connected;
  std::function<void(Error)> when_closed;

  Host(PipeNetwork& where, std::uint8_t number, TcpOptions options = {}, bool websocket = false)
      : net(where),
        network(where, 0x0a000000U + number),
        rng(number),
        entropy(Rng(number)),
        env{where.clock, network, rng, entropy, trace},
        key(key_pair(number)),
        table{},
        transport(env, key, table, options, &traffic) {
    table.names = {"/echo", "/sink"};
    const Endpoint any{IpAddress::v4(0), 4001};
    auto result = transport.listen(websocket ? Multiaddr::websocket(any) : Multiaddr::tcp(any), *this);
    listening = std::move(*result);
  }
  PeerId id() const { return key.peer_id(); }
  Multiaddr address() const { return listening->address(); }
  Connection& connection(std::size_t i = 0) { return *connections[i]; }

  void on_connection(std::unique_ptr<Connection> connection) override { add(std::move(connection)); }
  void on_refused(const Multiaddr&, const Error& error) override { refused.push_back(error); }
  void on_connected(std::unique_ptr<Connection> connection) override { add(std::move(connection)); }
  void add(std::unique_ptr<Connection> connection) {
    connection->set_events(*this);
    connections.push_back(std::move(connection));
    if (when_connected) when_connected();
  }
  void on_failed(Error error) override {
    dial_errors.push_back(std::move(error));
    dial.reset();
  }
  void on_stream(std::unique_ptr<Stream> stream) override {
    auto& talker = *inbound.emplace_back(std::make_unique<Talker>());
    talker.stream = std::move(stream);
    talker.stream->set_events(talker);
    talker.echo = talker.stream->protocol() == "/echo";
    if (when_stream) when_stream(talker);
  }
  void on_closed(Error error) override {
    closed.push_back(error);
    if (when_closed) when_closed(error);
  }

  // Opens a stream in a turn of its own.
  std::unique_ptr<Talker> open(std::vector<ProtocolId> offers, bool lazy, std::string_view first = {}) {
    auto talker = std::make_unique<Talker>();
    net.clock.turn([&] {
      talker->stream = connection().open(offers, lazy, *talker);
      if (!first.empty()) talker->stream->write(Bytes::copy(first));
    });
    return talker;
  }
};

// Alice dials Bob.
struct Two {
  PipeNetwork net;
  Host alice, bob;
  explicit Two(TcpOptions alices = {}, TcpOptions bobs = {}, bool websocket = false)
      : alice(net, 1, alices, websocket), bob(net, 2, bobs, websocket) {}
  void connect() {
    start();
    net.run_for(1s);
  }
  void start() {
    const PeerId bob_id = bob.id();
    net.clock.turn([&] { alice.dial = alice.transport.dial(bob.address(), &bob_id, alice); });
  }
};

}  // namespace mesocosm::testing
