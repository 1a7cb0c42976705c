// The promises of stack/env/network.h about listening, ports, datagrams and names.
#include "tests/conformance/probes.h"

namespace mesocosm::conformance {
namespace {

// --- Listening and ports ---

TEST_CASE("where nobody listens, connecting is refused", "[conformance][network]") {
  each_backend([](ConformanceBackend& env) {
    StreamProbe client(env, 1, 2);
    client.connect(0, free_endpoint(env, 1));
    wait_for(env, [&] { return client.closed.has_value(); });
    CHECK(client.closed->code == ErrorCode::refused);
    CHECK(client.closed->detail.find(client.stream->remote().to_string()) != std::string::npos);
    CHECK(client.writables == 0);
    CHECK(client.readables == 0);
    CHECK(client.writable() == 0);
    wait_quietly(env);
  });
}

TEST_CASE("a refused stream may be destroyed in on_closed", "[conformance][network]") {
  each_backend([](ConformanceBackend& env) {
    StreamProbe client(env, 1, 2);
    client.was_closed = [&] { client.destroy(); };
    client.connect(0, free_endpoint(env, 1));
    wait_for(env, [&] { return client.stream == nullptr; });
    wait_quietly(env);
  });
}

TEST_CASE("port 0 gives a free port, another each time", "[conformance][network]") {
  each_backend([](ConformanceBackend& env) {
    ListenerProbe first(env), second(env);
    first.listen([](std::unique_ptr<ByteStream>) {});
    second.listen([](std::unique_ptr<ByteStream>) {});
    CHECK(first.endpoint().ip == env.address(1));
    CHECK(first.endpoint().port != 0);
    CHECK(second.endpoint().port != 0);
    CHECK(first.endpoint().port != second.endpoint().port);
  });
}

TEST_CASE("a taken port is in use, and free again after its listener", "[conformance][network]") {
  each_backend([](ConformanceBackend& env) {
    ListenerProbe first(env), second(env);
    first.listen([](std::unique_ptr<ByteStream>) {});
    const Endpoint taken = first.endpoint();
    const auto refused = call([&] { return env.network(1).listen(taken, second); });
    REQUIRE_FALSE(refused.has_value());
    CHECK(refused.error().code == ErrorCode::address_in_use);
    CHECK(refused.error().detail.find(taken.to_string()) != std::string::npos);
    first.destroy();
    second.listen([](std::unique_ptr<ByteStream>) {}, taken.port);
    CHECK(second.endpoint() == taken);
  });
}

TEST_CASE("a destroyed listener refuses, and what it accepted lives on", "[conformance][network]") {
  each_backend([](ConformanceBackend& env) {
    Pair pair(env);
    pair.connect();
    const Endpoint endpoint = pair.listener.endpoint();
    pair.listener.destroy();
    StreamProbe late(env, 1, 2);
    late.connect(0, endpoint);
    wait_for(env, [&] { return late.closed.has_value(); });
    CHECK(late.closed->code == ErrorCode::refused);
    pair.client.send(1000, true);
    pair.server.send(1000, true);
    wait_for(env, [&] { return pair.client.closed && pair.server.closed; });
    CHECK(pair.client.closed->ok());
    CHECK(pair.client.received == 1000);
    CHECK(pair.server.received == 1000);
  });
}

TEST_CASE("a listener may be destroyed in on_accept", "[conformance][network]") {
  each_backend([](ConformanceBackend& env) {
    ListenerProbe listener(env);
    StreamProbe server(env, 2, 1);
    listener.listen([&](std::unique_ptr<ByteStream> stream) {
      server.adopt(std::move(stream));
      listener.destroy();
    });
    const Endpoint endpoint = listener.endpoint();
    StreamProbe first(env, 1, 2), second(env, 1, 2), third(env, 1, 2);
    for (StreamProbe* client : {&first, &second, &third}) client->connect(0, endpoint);
    wait_for(env, [&] { return listener.accepted > 0; });
    server.write(100);
    const auto received = [&] { return first.received + second.received + third.received; };
    wait_for(env, [&] { return received() == 100; });
    wait_quietly(env);
    CHECK(listener.accepted == 1);
    CHECK(received() == 100);
  });
}

TEST_CASE("a stream that on_accept drops is reset", "[conformance][network]") {
  each_backend([](ConformanceBackend& env) {
    ListenerProbe listener(env);
    listener.listen([](std::unique_ptr<ByteStream> stream) { call([&] { stream.reset(); }); });
    StreamProbe client(env, 1, 2);
    client.connect(0, listener.endpoint());
    wait_for(env, [&] { return client.closed.has_value(); });
    CHECK(client.closed->code == ErrorCode::reset);
  });
}

TEST_CASE("a stream leaves from the port that was asked for", "[conformance][network]") {
  each_backend([](ConformanceBackend& env) {
    Pair pair(env);
    const Endpoint from{env.address(0), free_endpoint(env, 0).port};
    pair.client.connect(0, pair.listener.endpoint(), from);
    wait_for(env, [&] { return pair.client.writables > 0 && pair.server.stream != nullptr; });
    CHECK(pair.client.stream->local() == from);
    CHECK(pair.server.stream->remote() == from);
    pair.client.send(100'000, true);
    wait_for(env, [&] { return pair.server.ended(); });
    CHECK(pair.server.received == 100'000);
  });
}

TEST_CASE("a stream may leave from the port that its host listens on", "[conformance][network]") {
  each_backend([](ConformanceBackend& env) {
    ListenerProbe own(env, 0);
    int accepted_at_own = 0;
    own.listen([&](std::unique_ptr<ByteStream>) { ++accepted_at_own; });
    Pair pair(env);
    pair.client.connect(0, pair.listener.endpoint(), own.endpoint());
    wait_for(env, [&] { return pair.client.writables > 0 && pair.server.stream != nullptr; });
    CHECK(pair.server.stream->remote() == own.endpoint());
    StreamProbe back(env, 1, 2);
    back.connect(1, own.endpoint());
    wait_for(env, [&] { return accepted_at_own == 1; });
  });
}

TEST_CASE("a host connects to itself", "[conformance][network]") {
  each_backend([](ConformanceBackend& env) {
    Pair pair(env);
    pair.client.connect(1, pair.listener.endpoint());
    pair.client.send(1000, true);
    wait_for(env, [&] { return pair.server.stream != nullptr && pair.server.ended(); });
    CHECK(pair.server.received == 1000);
    CHECK(pair.server.stream->remote().ip == env.address(1));
  });
}

TEST_CASE("a node's addresses include the one that others reach it at", "[conformance][network]") {
  each_backend([](ConformanceBackend& env) {
    for (const int host : {0, 1}) {
      const std::vector<IpAddress> own = env.network(host).local_addresses();
      CHECK(std::find(own.begin(), own.end(), env.address(host)) != own.end());
    }
  });
}

// --- Datagrams ---

class DatagramProbe final : public Datagrams::Events {
 public:
  struct Received {
    Endpoint from;
    Bytes payload;
  };

  DatagramProbe(ConformanceBackend& env, int host) : env_(env) {
    auto made = call([&] { return env.network(host).bind({env.address(host), 0}, *this); });
    REQUIRE(made.has_value());
    socket = std::move(*made);
  }
  void send(const Endpoint& to, Bytes payload) {
    call([&] { socket->send(to, std::move(payload)); });
  }
  void destroy() {
    call([&] { socket.reset(); });
  }

  std::unique_ptr<Datagrams> socket;
  std::vector<Received> received;
  std::function<void(const Endpoint&)> on_each;

 private:
  void on_datagram(const Endpoint& from, Bytes payload) override {
    CallbackScope scope(env_.clock());
    if (socket == nullptr) FAIL_CHECK("a callback after destruction");
    received.push_back({from, std::move(payload)});
    if (const auto hook = on_each) hook(from);
  }

  ConformanceBackend& env_;
};

TEST_CASE("datagrams arrive as they were, with their source", "[conformance][datagrams]") {
  each_backend_keeping_datagrams([](ConformanceBackend& env) {
    DatagramProbe a(env, 0), b(env, 1);
    CHECK(a.socket->local().ip == env.address(0));
    CHECK(b.socket->local().port != 0);
    const Pattern pattern(5);
    const std::size_t sizes[] = {0, 1, 1200, 1472, 9000, 65507};
    for (const std::size_t size : sizes) {
      const std::size_t before = b.received.size();
      a.send(b.socket->local(), pattern.at(size, size));
      wait_for(env, [&] { return b.received.size() > before; });
      CHECK(b.received.back().from == a.socket->local());
      CHECK(b.received.back().payload.size() == size);
      CHECK(pattern.matches(size, b.received.back().payload));
    }
    wait_quietly(env);
    CHECK(b.received.size() == std::size(sizes));
    CHECK(a.received.empty());
  });
}

TEST_CASE("datagrams of one turn arrive, and answers to their source too", "[conformance][datagrams]") {
  each_backend_keeping_datagrams([](ConformanceBackend& env) {
    DatagramProbe a(env, 0), b(env, 1);
    const Pattern pattern(6);
    b.on_each = [&](const Endpoint& from) { b.send(from, pattern.at(0, 10)); };
    FunctionTimer timer(env.clock(), [&] {
      for (std::size_t i = 0; i < 50; ++i) a.send(b.socket->local(), pattern.at(i, 100 + i));
    });
    env.clock().arm_after(timer, 0us);
    wait_for(env, [&] { return a.received.size() == 50; });
    REQUIRE(b.received.size() == 50);
    for (const auto& answer : a.received) CHECK(answer.from == b.socket->local());
  });
}

TEST_CASE("an oversized datagram is lost, and nothing else", "[conformance][datagrams]") {
  each_backend_keeping_datagrams([](ConformanceBackend& env) {
    DatagramProbe a(env, 0), b(env, 1);
    const Pattern pattern(7);
    a.send(b.socket->local(), pattern.at(0, 10));
    a.send(b.socket->local(), pattern.at(0, 65508));
    a.send(b.socket->local(), pattern.at(0, 20));
    wait_for(env, [&] { return b.received.size() == 2; });
    wait_quietly(env);
    REQUIRE(b.received.size() == 2);
    CHECK(b.received[0].payload.size() + b.received[1].payload.size() == 30);
  });
}

TEST_CASE("datagram sockets keep apart, and those to nobody are lost", "[conformance][datagrams]") {
  each_backend_keeping_datagrams([](ConformanceBackend& env) {
    DatagramProbe a(env, 0), b(env, 1), c(env, 1);
    CHECK(b.socket->local() != c.socket->local());
    const Endpoint gone = c.socket->local();
    DatagramProbe unused(env, 1);
    const auto taken = call([&] { return env.network(1).bind(b.socket->local(), unused); });
    REQUIRE_FALSE(taken.has_value());
    CHECK(taken.error().code == ErrorCode::address_in_use);

    a.send(b.socket->local(), Bytes::copy("to b"));
    a.send(c.socket->local(), Bytes::copy("to c"));
    wait_for(env, [&] { return b.received.size() == 1 && c.received.size() == 1; });
    CHECK(b.received[0].payload == Bytes::copy("to b"));
    CHECK(c.received[0].payload == Bytes::copy("to c"));
    c.destroy();
    a.send(gone, Bytes::copy("to nobody"));
    a.send(b.socket->local(), Bytes::copy("still there"));
    wait_for(env, [&] { return b.received.size() == 2; });
    wait_quietly(env);
    a.send(b.socket->local(), Bytes::copy("and again"));
    wait_for(env, [&] { return b.received.size() == 3; });
  });
}

TEST_CASE("a datagram socket may be destroyed when it is called", "[conformance][datagrams]") {
  each_backend_keeping_datagrams([](ConformanceBackend& env) {
    DatagramProbe a(env, 0), b(env, 1);
    b.on_each = [&](const Endpoint&) { b.destroy(); };
    for (int i = 0; i < 10; ++i) a.send(b.socket->local(), Bytes::copy("x"));
    wait_for(env, [&] { return b.socket == nullptr; });
    wait_quietly(env);
    CHECK(b.received.size() == 1);
  });
}

TEST_CASE("a port of streams is not a port of datagrams", "[conformance][datagrams]") {
  each_backend_keeping_datagrams([](ConformanceBackend& env) {
    DatagramProbe probe(env, 1);
    ListenerProbe listener(env);
    listener.listen([](std::unique_ptr<ByteStream>) {}, probe.socket->local().port);
    CHECK(listener.endpoint() == probe.socket->local());
  });
}

// --- Names ---

class ResolutionProbe final : public Resolution::Events {
 public:
  ResolutionProbe(ConformanceBackend& env, const std::string& name, RecordType type = RecordType::address)
      : env_(env) {
    resolution = call([&] { return env.network(0).resolve(name, type, *this); });
  }
  void destroy() {
    call([&] { resolution.reset(); });
  }
  bool done() const { return answers > 0; }

  std::unique_ptr<Resolution> resolution;
  int answers = 0;
  std::vector<IpAddress> addresses;
  Error error;
  bool destroys_itself = false;

 private:
  void on_resolved(std::vector<IpAddress> found) override {
    addresses = std::move(found);
    answered();
  }
  void on_text(std::vector<std::string>) override { answered(); }
  void on_failed(Error why) override {
    error = std::move(why);
    answered();
  }
  void answered() {
    CallbackScope scope(env_.clock());
    if (resolution == nullptr) FAIL_CHECK("a callback after destruction");
    ++answers;
    if (destroys_itself) destroy();
  }

  ConformanceBackend& env_;
};

TEST_CASE("a name resolves to its addresses, of the version that was asked for", "[conformance][names]") {
  each_backend([](ConformanceBackend& env) {
    if (env.known_name().empty()) return;
    const bool v4 = env.address(1).is_v4();
    ResolutionProbe any(env, env.known_name());
    ResolutionProbe same(env, env.known_name(), v4 ? RecordType::address_v4 : RecordType::address_v6);
    wait_for(env, [&] { return any.done() && same.done(); });
    CHECK(std::find(any.addresses.begin(), any.addresses.end(), env.address(1)) != any.addresses.end());
    CHECK(std::find(same.addresses.begin(), same.addresses.end(), env.address(1)) != same.addresses.end());
    for (const IpAddress& address : same.addresses) CHECK(address.is_v4() == v4);
    wait_quietly(env);
    CHECK(any.answers == 1);
    CHECK(same.answers == 1);
  });
}

TEST_CASE("an address as a name is itself, or not found in the other version", "[conformance][names]") {
  each_backend([](ConformanceBackend& env) {
    const IpAddress address = env.address(1);
    const RecordType other = address.is_v4() ? RecordType::address_v6 : RecordType::address_v4;
    ResolutionProbe itself(env, address.to_string());
    ResolutionProbe none(env, address.to_string(), other);
    wait_for(env, [&] { return itself.done() && none.done(); });
    CHECK(itself.addresses == std::vector<IpAddress>{address});
    CHECK(none.addresses.empty());
    CHECK(none.error.code == ErrorCode::not_found);
  });
}

TEST_CASE("a name that does not exist is not found", "[conformance][names]") {
  each_backend([](ConformanceBackend& env) {
    if (env.unknown_name().empty()) return;
    ResolutionProbe probe(env, env.unknown_name());
    wait_for(env, [&] { return probe.done(); });
    CHECK(probe.error.code == ErrorCode::not_found);
    CHECK(probe.addresses.empty());
  });
}

TEST_CASE("a destroyed look-up calls nobody", "[conformance][names]") {
  each_backend([](ConformanceBackend& env) {
    for (const std::string& name : {env.known_name(), env.unknown_name(), env.address(1).to_string()}) {
      if (name.empty()) continue;
      ResolutionProbe cancelled(env, name);
      cancelled.destroy();
      ResolutionProbe in_callback(env, name);
      in_callback.destroys_itself = true;
      wait_for(env, [&] { return in_callback.done(); });
      wait_quietly(env);
      CHECK(cancelled.answers == 0);
      CHECK(in_callback.answers == 1);
    }
  });
}

}  // namespace
}  // namespace mesocosm::conformance
