// The promises of stack/env/network.h about byte streams.
//
//     host 0: client --------- one stream --------- server: host 1
#include "tests/conformance/probes.h"

namespace mesocosm::conformance {
namespace {

bool both_closed(const Pair& pair) { return pair.client.closed && pair.server.closed; }

void check_clean_end(const StreamProbe& probe, std::uint64_t received) {
  CHECK(probe.received == received);
  CHECK(probe.intact);
  REQUIRE(probe.closed.has_value());
  CHECK(probe.closed->code == ErrorCode::none);
  CHECK(probe.ended());
}

TEST_CASE("connecting: on_writable comes first, and both ends know both endpoints",
          "[conformance][streams]") {
  each_backend([](ConformanceBackend& env) {
    Pair pair(env);
    pair.client.connect(0, pair.listener.endpoint());
    CHECK(pair.client.writables == 0);
    CHECK(pair.client.writable() == 0);
    CHECK(pair.client.stream->remote() == pair.listener.endpoint());
    wait_for(env, [&] { return pair.client.writables > 0 && pair.server.stream != nullptr; });
    CHECK(pair.client.writable() > 0);
    CHECK(pair.server.writable() > 0);
    wait_quietly(env);
    CHECK(pair.client.writables == 1);
    CHECK(pair.client.readables == 0);
    CHECK(pair.server.readables == 0);
    CHECK(pair.listener.accepted == 1);

    CHECK(pair.client.stream->local().ip == env.address(0));
    CHECK(pair.client.stream->local().port != 0);
    CHECK(pair.client.stream->remote() == pair.listener.endpoint());
    CHECK(pair.server.stream->local() == pair.listener.endpoint());
    CHECK(pair.server.stream->remote() == pair.client.stream->local());
  });
}

TEST_CASE("bytes arrive whole and in order, in both directions at once", "[conformance][streams]") {
  const std::size_t size = GENERATE(0, 1, 1000, 65536, 1'000'003, 10'000'000);
  each_backend([&](ConformanceBackend& env) {
    Pair pair(env);
    pair.connect();
    pair.client.send(size, env.half_closes());
    pair.server.send(size + 7, env.half_closes());
    wait_for(env, [&] { return pair.server.received == size && pair.client.received == size + 7; });
    if (!env.half_closes()) pair.client.finish();
    wait_for(env, [&] { return both_closed(pair); });
    check_clean_end(pair.client, size + 7);
    check_clean_end(pair.server, size);
    wait_quietly(env);
  });
}

TEST_CASE("write takes any size, whatever writable says", "[conformance][streams]") {
  each_backend([](ConformanceBackend& env) {
    Pair pair(env);
    pair.connect();
    pair.client.write(3'000'000);
    pair.client.write(0);
    pair.client.write(2'000'000);
    CHECK(pair.client.writable() == 0);
    wait_for(env, [&] { return pair.server.received == 5'000'000; });
    CHECK(pair.server.intact);
    wait_for(env, [&] { return pair.client.writable() > 0 && pair.client.writables == 2; });
  });
}

TEST_CASE("many small writes of one turn arrive whole", "[conformance][streams]") {
  each_backend([](ConformanceBackend& env) {
    Pair pair(env);
    pair.connect();
    std::uint64_t total = 0;
    FunctionTimer timer(env.clock(), [&] {
      for (std::size_t i = 0; i < 2000; ++i) {
        pair.client.write(i % 97);
        total += i % 97;
      }
      pair.client.finish();
    });
    env.clock().arm_after(timer, 0us);
    wait_for(env, [&] { return total > 0 && pair.server.ended(); });
    CHECK(pair.server.received == total);
    CHECK(pair.server.intact);
  });
}

TEST_CASE("what is written before the connection stands is sent when it does", "[conformance][streams]") {
  each_backend([](ConformanceBackend& env) {
    Pair pair(env);
    pair.client.connect(0, pair.listener.endpoint());
    pair.client.write(5000);
    pair.client.finish();
    wait_for(env, [&] { return pair.server.stream != nullptr && pair.server.ended(); });
    CHECK(pair.client.writables == 1);
    pair.server.finish();
    wait_for(env, [&] { return both_closed(pair); });
    check_clean_end(pair.server, 5000);
  });
}

TEST_CASE("a read gives at most what was asked for, and nothing when nothing is there",
          "[conformance][streams]") {
  each_backend([](ConformanceBackend& env) {
    Pair pair(env);
    pair.connect();
    CHECK_FALSE(pair.server.read_once(SIZE_MAX));
    pair.server.reads = 0;
    pair.client.write(1000);
    wait_for(env, [&] { return pair.server.readables == 1; });
    CHECK_FALSE(pair.server.read_once(0));
    CHECK(pair.server.received == 0);
    CHECK(pair.server.read_once(1));
    CHECK(pair.server.received == 1);
    CHECK(pair.server.read_once(99));
    CHECK(pair.server.received <= 100);
    pair.server.drain();
    CHECK_FALSE(pair.server.ended());
    wait_for(env, [&] {
      pair.server.drain();
      return pair.server.received == 1000;
    });
    CHECK(pair.server.intact);
    CHECK_FALSE(pair.server.ended());
  });
}

TEST_CASE("on_readable comes again when something is unread and more arrives", "[conformance][streams]") {
  each_backend([](ConformanceBackend& env) {
    Pair pair(env);
    pair.connect();
    pair.server.reads = 0;
    pair.client.write(100);
    wait_for(env, [&] { return pair.server.readables == 1; });
    wait_quietly(env);
    CHECK(pair.server.readables == 1);  // nothing more arrived
    pair.client.write(100);
    wait_for(env, [&] { return pair.server.readables == 2; });

    // Whoever reads, even outside on_readable, is called for what comes afterwards.
    wait_for(env, [&] {
      pair.server.drain();
      return pair.server.received == 200;
    });
    const int before = pair.server.readables;
    pair.server.reads = SIZE_MAX;
    pair.client.write(100);
    wait_for(env, [&] { return pair.server.received == 300; });
    CHECK(pair.server.readables > before);
    CHECK(pair.server.intact);
  });
}

TEST_CASE("a reader that takes little at a time loses nothing", "[conformance][streams]") {
  each_backend([](ConformanceBackend& env) {
    Pair pair(env);
    pair.connect();
    pair.server.reads = 700;
    pair.server.reads_once = true;
    pair.client.send(300'000, true);
    // Reading from elsewhere too: a level-triggered reader owes nobody a callback.
    FunctionTimer reader(env.clock(), [&] {
      for (int i = 0; i < 20; ++i) pair.server.read_once(700);
      if (!pair.server.ended()) env.clock().arm_after(reader, 50us);
    });
    env.clock().arm_after(reader, 50us);
    wait_for(env, [&] { return pair.server.ended(); });
    CHECK(pair.server.received == 300'000);
    CHECK(pair.server.intact);
  });
}

TEST_CASE("a reader that does not read stops the writer, and starts it again", "[conformance][streams]") {
  each_backend([](ConformanceBackend& env) {
    constexpr std::uint64_t kMuch = 200'000'000;  // more than any chain of buffers
    Pair pair(env);
    pair.connect();
    pair.server.reads = 0;
    pair.client.piece = 256 * 1024;
    pair.client.send(kMuch);
    std::uint64_t before;
    do {
      wait_for(env, [&] { return pair.client.writable() == 0; });
      before = pair.client.sent;
      wait_quietly(env);
    } while (pair.client.sent != before);
    CHECK(pair.client.writable() == 0);
    CHECK(before < kMuch);
    CHECK(pair.server.received == 0);

    const int writables = pair.client.writables;
    pair.server.reads = SIZE_MAX;
    FunctionTimer reader(env.clock(), [&] { pair.server.drain(); });
    env.clock().arm_after(reader, 0us);
    wait_for(env, [&] { return pair.server.received > before; });
    CHECK(pair.client.writables > writables);
    CHECK(pair.server.intact);
  });
}

TEST_CASE("each direction ends by itself, in either order", "[conformance][streams]") {
  const bool client_first = GENERATE(true, false);
  each_backend_half_closing([&](ConformanceBackend& env) {
    Pair pair(env);
    pair.connect();
    StreamProbe& first = client_first ? pair.client : pair.server;
    StreamProbe& second = client_first ? pair.server : pair.client;
    first.send(1000, true);
    wait_for(env, [&] { return second.ended(); });
    CHECK(second.received == 1000);
    CHECK(first.writable() == 0);
    wait_quietly(env);
    CHECK_FALSE(first.closed.has_value());
    CHECK_FALSE(second.closed.has_value());
    CHECK_FALSE(first.ended());

    second.send(1'000'000, true);  // the other direction still goes
    wait_for(env, [&] { return both_closed(pair); });
    check_clean_end(first, 1'000'000);
    check_clean_end(second, 1000);
  });
}

TEST_CASE("the end of the stream is told by on_readable, after everything was read",
          "[conformance][streams]") {
  each_backend_half_closing([](ConformanceBackend& env) {
    Pair pair(env);
    pair.connect();
    pair.client.finish();
    bool ended_in_callback = false;
    pair.server.readable = [&] { ended_in_callback = pair.server.ended(); };
    wait_for(env, [&] { return pair.server.readables > 0; });
    CHECK(ended_in_callback);  // without data: at once

    pair.client.reads = 0;
    pair.server.send(1000, true);
    wait_for(env, [&] { return pair.client.readables > 0; });
    wait_quietly(env);
    CHECK_FALSE(pair.client.ended());
    CHECK_FALSE(pair.client.closed.has_value());
    pair.client.reads = SIZE_MAX;
    FunctionTimer reader(env.clock(), [&] { pair.client.drain(); });
    env.clock().arm_after(reader, 0us);
    wait_for(env, [&] { return pair.client.closed.has_value(); });
    check_clean_end(pair.client, 1000);
  });
}

TEST_CASE("a stream may be destroyed as soon as it closed, and the other side still gets all",
          "[conformance][streams]") {
  each_backend_half_closing([](ConformanceBackend& env) {
    Pair pair(env);
    pair.connect();
    pair.client.finish();
    wait_for(env, [&] { return pair.server.ended(); });
    pair.server.was_closed = [&] { pair.server.destroy(); };
    pair.client.reads_once = true;  // slow
    pair.client.reads = 20'000;
    FunctionTimer reader(env.clock(), [&] {
      pair.client.read_once(20'000);
      env.clock().arm_after(reader, 200us);
    });
    env.clock().arm_after(reader, 1ms);
    pair.server.send(1'000'000, true);
    wait_for(env, [&] { return pair.client.closed.has_value(); });
    CHECK(pair.server.stream == nullptr);
    check_clean_end(pair.client, 1'000'000);
  });
}

TEST_CASE("what was written and finished arrives, though the stream is destroyed in the same turn",
          "[conformance][streams]") {
  each_backend([](ConformanceBackend& env) {
    Pair pair(env);
    pair.connect();
    FunctionTimer timer(env.clock(), [&] {
      pair.client.write(1000);
      pair.client.finish();
      pair.client.destroy();
    });
    env.clock().arm_after(timer, 0us);
    wait_for(env, [&] { return pair.server.ended(); });
    CHECK(pair.server.received == 1000);
    CHECK(pair.server.intact);
  });
}

TEST_CASE("after on_closed calls do nothing and nobody is called", "[conformance][streams]") {
  each_backend([](ConformanceBackend& env) {
    Pair pair(env);
    pair.connect();
    pair.client.finish();
    pair.server.finish();
    wait_for(env, [&] { return both_closed(pair); });
    pair.client.write(10);
    pair.client.finish();
    CHECK_FALSE(pair.client.read_once(10));
    CHECK(pair.client.writable() == 0);
    wait_quietly(env);
  });
}

TEST_CASE("destroying a stream resets it for the other side", "[conformance][streams]") {
  const std::string when = GENERATE("idle", "sending", "other sending");
  each_backend([&](ConformanceBackend& env) {
    Pair pair(env);
    pair.connect();
    if (when == "sending") pair.client.send(1'000'000'000);
    if (when == "other sending") pair.server.send(1'000'000'000);
    if (when != "idle") {
      wait_for(env, [&] { return pair.server.received + pair.client.received > 200'000; });
    }
    pair.client.destroy();
    wait_for(env, [&] { return pair.server.closed.has_value(); });
    CHECK(pair.server.closed->code == ErrorCode::reset);
    CHECK(pair.server.intact);
    CHECK(pair.server.writable() == 0);
    wait_quietly(env);
  });
}

TEST_CASE("a reset reaches a reader that does not read", "[conformance][streams]") {
  each_backend([](ConformanceBackend& env) {
    Pair pair(env);
    pair.connect();
    pair.server.reads = 0;
    pair.client.write(100);
    wait_for(env, [&] { return pair.server.readables == 1; });
    pair.client.write(100);
    wait_for(env, [&] { return pair.server.readables == 2; });
    pair.client.destroy();
    wait_for(env, [&] { return pair.server.closed.has_value(); });
    CHECK(pair.server.closed->code == ErrorCode::reset);
  });
}

TEST_CASE("a reset reaches a side that only writes", "[conformance][streams]") {
  each_backend_half_closing([](ConformanceBackend& env) {
    Pair pair(env);
    pair.connect();
    pair.client.finish();
    wait_for(env, [&] { return pair.server.ended(); });
    pair.server.send(1'000'000'000);
    wait_for(env, [&] { return pair.client.received > 100'000; });
    pair.client.destroy();
    wait_for(env, [&] { return pair.server.closed.has_value(); });
    CHECK(pair.server.closed->code == ErrorCode::reset);
  });
}

TEST_CASE("a stream may be destroyed in each of its callbacks", "[conformance][streams]") {
  const std::string where = GENERATE("on_writable", "later on_writable", "on_readable", "end", "on_closed");
  each_backend([&](ConformanceBackend& env) {
    Pair pair(env);
    const auto destroy = [&] { pair.client.destroy(); };
    if (where == "on_writable") {
      pair.client.became_writable = destroy;
      pair.client.connect(0, pair.listener.endpoint());
      pair.client.write(10);
    } else {
      pair.connect();
      if (where == "later on_writable") {
        pair.client.became_writable = destroy;
        pair.client.send(1'000'000'000);
      } else if (where == "on_readable") {
        pair.client.readable = destroy;
        pair.server.write(100'000);
        pair.client.write(100);
      } else if (where == "end") {
        pair.client.readable = [&] {
          if (pair.client.ended()) destroy();
        };
        pair.server.write(1000);
        pair.server.finish();
      } else {
        pair.client.was_closed = destroy;
        pair.client.write(1000);
        pair.server.destroy();
      }
    }
    wait_for(env, [&] { return pair.client.stream == nullptr; });
    wait_quietly(env);
  });
}

TEST_CASE("a stream may be destroyed by another's callback", "[conformance][streams]") {
  each_backend([](ConformanceBackend& env) {
    std::vector<std::unique_ptr<StreamProbe>> servers;
    ListenerProbe listener(env);
    listener.listen([&](std::unique_ptr<ByteStream> stream) {
      servers.push_back(std::make_unique<StreamProbe>(env, 2, 1));
      servers.back()->adopt(std::move(stream));
    });
    std::vector<std::unique_ptr<StreamProbe>> clients;
    int called = 0;
    for (int i = 0; i < 8; ++i) {
      clients.push_back(std::make_unique<StreamProbe>(env, 1, 2));
      clients.back()->connect(0, listener.endpoint());
    }
    wait_for(env, [&] { return servers.size() == 8; });
    wait_quietly(env);
    // Whoever is called first destroys all the others, for most of which something has arrived too.
    for (auto& client : clients) {
      client->readable = [&, self = client.get()] {
        ++called;
        for (auto& other : clients) {
          if (other.get() != self && other->stream != nullptr) other->destroy();
        }
      };
    }
    for (auto& server : servers) server->write(1000);
    wait_for(env, [&] { return called > 0; });
    wait_quietly(env);
    CHECK(called == 1);
  });
}

TEST_CASE("a stream that is destroyed while connecting calls nobody", "[conformance][streams]") {
  each_backend([](ConformanceBackend& env) {
    Pair pair(env);
    pair.client.connect(0, pair.listener.endpoint());
    pair.client.destroy();
    StreamProbe refused(env, 1, 2);
    refused.connect(0, free_endpoint(env, 1));
    refused.destroy();
    wait_quietly(env);
    if (pair.server.stream != nullptr && pair.server.closed)
      CHECK(pair.server.closed->code == ErrorCode::reset);
  });
}

TEST_CASE("events may be handed to another object", "[conformance][streams]") {
  each_backend([](ConformanceBackend& env) {
    Pair pair(env);
    pair.connect();
    StreamProbe heir(env, 2, 1);
    pair.server.readable = [&] {
      // As an upgraded connection does when its handshake is over: it takes the stream within a callback.
      heir.received = pair.server.received;
      heir.adopt(std::move(pair.server.stream));
      heir.drain();
    };
    pair.server.reads = 100;
    pair.server.reads_once = true;
    pair.client.write(1000);
    wait_for(env, [&] { return heir.received == 1000; });
    CHECK(heir.intact);
    pair.client.send(100'000, true);
    if (env.half_closes()) heir.finish();
    wait_for(env, [&] { return heir.closed && pair.client.closed; });
    check_clean_end(heir, 101'000);
    CHECK(pair.server.readables == 1);
    CHECK_FALSE(pair.server.closed.has_value());
  });
}

TEST_CASE("many streams at once keep apart", "[conformance][streams]") {
  each_backend([](ConformanceBackend& env) {
    constexpr int kStreams = 40;
    std::vector<std::unique_ptr<StreamProbe>> servers, clients;
    ListenerProbe listener(env);
    listener.listen([&](std::unique_ptr<ByteStream> stream) {
      servers.push_back(std::make_unique<StreamProbe>(env, 2, 1));
      servers.back()->adopt(std::move(stream));
      servers.back()->send(50'000, env.half_closes());
    });
    for (int i = 0; i < kStreams; ++i) {
      clients.push_back(std::make_unique<StreamProbe>(env, 1, 2));
      clients.back()->connect(0, listener.endpoint());
      clients.back()->send(30'000, env.half_closes());
    }
    wait_for(env, [&] {
      const auto got = [](std::uint64_t size) {
        return [size](const auto& probe) { return probe->received == size; };
      };
      return std::all_of(servers.begin(), servers.end(), got(30'000)) &&
             std::all_of(clients.begin(), clients.end(), got(50'000));
    });
    if (!env.half_closes()) {
      for (const auto& client : clients) client->finish();
    }
    wait_for(env, [&] {
      const auto done = [](const auto& probe) { return probe->closed.has_value(); };
      return servers.size() == kStreams && std::all_of(servers.begin(), servers.end(), done) &&
             std::all_of(clients.begin(), clients.end(), done);
    });
    std::vector<Endpoint> ends;
    for (const auto& server : servers) {
      check_clean_end(*server, 30'000);
      ends.push_back(server->stream->remote());
    }
    for (const auto& client : clients) check_clean_end(*client, 50'000);
    std::sort(ends.begin(), ends.end());
    CHECK(std::unique(ends.begin(), ends.end()) == ends.end());
  });
}

}  // namespace
}  // namespace mesocosm::conformance
