// What faults do to connections, alike on both simulated networks.
//
//   host 0 ──up 100 Mbit/s──▶ 20 ms ──▶ down 100 Mbit/s── host 1          (and back, alike)
#include <algorithm>
#include <cmath>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include <catch2/catch.hpp>

#include "sim/flow/flow_network.h"
#ifdef MESOCOSM_NS3
#include "sim/packet/packet_network.h"
#endif
#include "tests/simulation/cut.h"
#include "tests/simulation/uniform_paths.h"

using namespace mesocosm;

namespace {

constexpr Duration kOneWay = 20ms;
constexpr Duration kSlack = 1ms;  // the networks' headers differ, and each link takes its time to send

bool about(Duration value, Duration expected) { return value >= expected && value < expected + kSlack; }

struct End final : ByteStream::Events {
  explicit End(const Kernel& owner) : kernel(owner) {}
  void on_readable() override {
    for (Bytes bytes; !(bytes = stream->read(SIZE_MAX)).empty();) {
      received.append(bytes.begin(), bytes.end());
      last = kernel.now();
    }
  }
  void on_writable() override {
    if (connected == kNever) connected = kernel.now();
  }
  void on_closed(Error error) override {
    closed = error.code;
    closed_at = kernel.now();
  }
  void write(const std::string& text) { stream->write(Bytes::copy(text)); }

  const Kernel& kernel;
  std::unique_ptr<ByteStream> stream;
  std::string received;
  Time connected = kNever, last{}, closed_at{};
  std::optional<ErrorCode> closed;
};

template <class Network>
struct Net : Listener::Events {
  Net() : network(kernel, paths, Rng(1)) {
    for (HostIndex host = 0; host < paths.count; ++host) {
      listeners.push_back(std::move(*network.attach(host).listen({address(host), 4001}, *this)));
    }
  }
  IpAddress address(HostIndex host) { return network.directory().address_v4(host); }
  void on_accept(std::unique_ptr<ByteStream> stream) override {
    servers.push_back(std::make_unique<End>(kernel));
    servers.back()->stream = std::move(stream);
    servers.back()->stream->set_events(*servers.back());
  }
  End& connect(HostIndex from, HostIndex to, std::uint16_t port = 4001) {
    clients.push_back(std::make_unique<End>(kernel));
    clients.back()->stream = network.attach(from).connect({address(to), port}, *clients.back());
    return *clients.back();
  }
  void run(Duration until) { kernel.run_until(Time(until)); }
  Faults& faults() { return network.faults(); }

  UniformPaths paths;
  Kernel kernel;
  Network network;
  std::vector<std::unique_ptr<Listener>> listeners;
  std::vector<std::unique_ptr<End>> clients, servers;
};

Fault slower(Duration delay, bool both_ways = true) {
  Fault fault = cut({0}, {1}, FaultEffect::delay, both_ways);
  fault.delay = delay;
  return fault;
}

}  // namespace

#ifdef MESOCOSM_NS3
#define NETWORKS FlowNetwork, PacketNetwork
#else
#define NETWORKS FlowNetwork
#endif

TEMPLATE_TEST_CASE("into a black hole nothing connects, and SYN is tried again", "[faults]", NETWORKS) {
  Net<TestType> net;
  const Faults::Id hole = net.faults().add(cut({0}, {1}));
  const End& late = net.connect(0, 1);
  net.run(2s);
  CHECK(late.connected == kNever);
  net.faults().heal(hole);
  net.run(5s);
  CHECK(about(late.connected - Time(3s), 2 * kOneWay));  // SYN at 0, 1, 3 s

  net.faults().add(cut({0}, {1}));
  const End& never = net.connect(1, 0);
  net.run(80s);
  CHECK(never.closed == ErrorCode::timeout);
  CHECK(about(never.closed_at - Time(5s), 63s));
}

TEMPLATE_TEST_CASE("what is written into a black hole comes after it is healed", "[faults]", NETWORKS) {
  Net<TestType> net;
  End& client = net.connect(0, 1);
  net.run(1s);
  const Faults::Id hole = net.faults().add(cut({0}, {1}));
  client.write("to and");
  net.servers.at(0)->write("fro");
  net.run(10s);
  CHECK(net.servers[0]->received.empty());
  CHECK(client.received.empty());
  net.faults().heal(hole);
  net.run(25s);  // RTO doubles: the try after 10 s comes before 20 s
  CHECK(net.servers[0]->received == "to and");
  CHECK(client.received == "fro");
  CHECK(!client.closed);
  CHECK(!net.servers[0]->closed);
}

TEMPLATE_TEST_CASE("over a one-way cut data arrives and is not acknowledged", "[faults]", NETWORKS) {
  Net<TestType> net;
  End& client = net.connect(0, 1);
  net.run(1s);
  End& server = *net.servers.at(0);
  const Faults::Id hole = net.faults().add(cut({1}, {0}, FaultEffect::blackhole, false));
  client.write("one");
  net.run(1100ms);
  CHECK(server.received == "one");
  server.write("lost for now");
  client.write("two");
  net.run(5s);
  CHECK(server.received == "onetwo");  // retransmissions are no second copy
  CHECK(client.received.empty());

  SECTION("healed, both directions go on where they were") {
    net.faults().heal(hole);
    client.write("three");
    net.run(25s);
    CHECK(server.received == "onetwothree");
    CHECK(client.received == "lost for now");
    client.stream->finish();
    server.stream->finish();
    net.run(40s);
    CHECK(client.closed == ErrorCode::none);
    CHECK(server.closed == ErrorCode::none);
  }
  SECTION("left alone, the sender gives up") {
    net.run(400s);
    CHECK(client.closed == ErrorCode::timeout);
    CHECK(client.closed_at > Time(60s));
    CHECK(server.closed.has_value());
  }
}

TEMPLATE_TEST_CASE("a one-way cut keeps both directions from connecting", "[faults]", NETWORKS) {
  Net<TestType> net;
  net.faults().add(cut({1}, {0}, FaultEffect::blackhole, false));
  const End& along = net.connect(0, 1);
  const End& against = net.connect(1, 0);
  net.run(80s);
  CHECK(along.closed == ErrorCode::timeout);
  CHECK(against.closed == ErrorCode::timeout);
  CHECK(net.servers.empty());
}

TEMPLATE_TEST_CASE("a path that refuses ends connections after one round trip", "[faults]", NETWORKS) {
  Net<TestType> net;
  End& client = net.connect(0, 1);
  net.run(1s);
  End& server = *net.servers.at(0);
  net.faults().add(cut({0}, {1}, FaultEffect::refuse));
  const End& refused = net.connect(0, 1);
  net.run(1s + 30ms);
  CHECK(!refused.closed);
  net.run(2s);
  CHECK(refused.closed == ErrorCode::refused);
  CHECK(about(refused.closed_at - Time(1s), 2 * kOneWay));
  CHECK(net.servers.size() == 1);

  CHECK(!client.closed);  // who is silent does not notice
  client.write("hello?");
  net.run(3s);
  CHECK(client.closed == ErrorCode::reset);
  CHECK(about(client.closed_at - Time(2s), 2 * kOneWay));
  CHECK(server.received.empty());
  CHECK(!server.closed);
  server.write("hello?");
  net.run(4s);
  CHECK(server.closed == ErrorCode::reset);

  net.faults().heal_all();
  const End& again = net.connect(0, 1);
  net.run(5s);
  CHECK(about(again.connected - Time(4s), 2 * kOneWay));
}

TEMPLATE_TEST_CASE("a path that refuses one way lets nobody connect", "[faults]", NETWORKS) {
  Net<TestType> net;
  const Faults::Id refusal = net.faults().add(cut({1}, {0}, FaultEffect::refuse, false));
  const End& against = net.connect(1, 0);
  const End& along = net.connect(0, 1);  // its SYN arrives, the answer does not
  net.run(20s);
  CHECK(against.closed == ErrorCode::refused);
  CHECK(!along.closed);
  net.faults().heal(refusal);
  net.run(40s);
  CHECK(about(along.connected - Time(31s), 2 * kOneWay));  // SYN at 0, 1, 3, 7, 15, 31 s
  net.servers.at(0)->write("at last");
  net.run(41s);
  CHECK(along.received == "at last");
}

TEMPLATE_TEST_CASE("a detour delays each way, in order, also when it ends", "[faults]", NETWORKS) {
  Net<TestType> net;
  End& client = net.connect(0, 1);
  net.run(1s);
  End& server = *net.servers.at(0);
  const Faults::Id both = net.faults().add(slower(200ms));
  client.write("a");
  net.run(2s);
  CHECK(about(server.last - Time(1s), kOneWay + 200ms));
  const End& other = net.connect(1, 0);
  net.run(3s);
  CHECK(about(other.connected - Time(2s), 2 * (kOneWay + 200ms)));

  client.write("b");
  net.run(3s + 10ms);
  net.faults().heal(both);
  client.write("c");  // on the short way again, behind what is on the long one
  net.run(3s + 219ms);
  CHECK(server.received == "a");
  net.run(4s);
  CHECK(server.received == "abc");
  CHECK(about(server.last - Time(3s), kOneWay + 200ms));

  net.faults().add(slower(100ms, false));
  client.write("d");
  net.run(5s);
  CHECK(about(server.last - Time(4s), kOneWay + 100ms));
  server.write("e");
  net.run(6s);
  CHECK(about(client.last - Time(5s), kOneWay));
}

namespace {

// Datagrams that have come to a port, and when.
struct Inbox final : Datagrams::Events {
  explicit Inbox(const Kernel& owner) : kernel(owner) {}
  void on_datagram(const Endpoint&, Bytes) override { times.push_back(kernel.now()); }
  const Kernel& kernel;
  std::vector<Time> times;
};

template <class Network>
struct Post : Net<Network> {
  Post() {
    socket = std::move(*this->network.attach(1).bind({this->address(1), 9000}, inbox));
    sender = std::move(*this->network.attach(0).bind({this->address(0), 9000}, outbox));
  }
  void send(std::size_t size) { sender->send({this->address(1), 9000}, Bytes::copy(std::string(size, 'x'))); }
  Inbox inbox{this->kernel}, outbox{this->kernel};
  std::unique_ptr<Datagrams> socket, sender;
};

}  // namespace

TEMPLATE_TEST_CASE("a share of the packets is lost, and TCP sends them again", "[faults]", NETWORKS) {
  Post<TestType> net;
  Fault lossy = cut({0}, {1}, FaultEffect::loss, false);
  lossy.share = 0.1;
  const Faults::Id loss = net.faults().add(lossy);
  for (int i = 0; i < 5000; ++i) {
    net.send(200);
    net.run(1ms * (i + 1));
  }
  net.run(6s);
  const double share = 1 - static_cast<double>(net.inbox.times.size()) / 5000;
  CAPTURE(share);
  CHECK(std::abs(share - 0.1) < 5 * 0.0042);  // five standard errors
  CHECK(net.network.traffic(0).packets_lost == 5000 - net.inbox.times.size());

  End& client = net.connect(0, 1);
  net.run(10s);
  client.write(std::string(300'000, 'y'));
  net.run(60s);
  REQUIRE(net.servers.size() == 1);
  CHECK(net.servers[0]->received.size() == 300'000);
  net.faults().heal(loss);
  const std::uint64_t lost = net.network.traffic(0).packets_lost;
  for (int i = 0; i < 100; ++i) net.send(200);
  net.run(61s);
  CHECK(net.network.traffic(0).packets_lost == lost);
}

TEMPLATE_TEST_CASE("a slow host takes packets of data in one after the other", "[faults]", NETWORKS) {
  Post<TestType> net;
  net.network.slow_down(1, 5ms);
  net.run(1s);
  for (int i = 0; i < 10; ++i) net.send(200);
  net.send(10);  // as small as an acknowledgement
  net.run(2s);
  REQUIRE(net.inbox.times.size() == 11);
  std::sort(net.inbox.times.begin(), net.inbox.times.end());
  CHECK(about(net.inbox.times[0] - Time(1s), kOneWay));  // the small one
  for (int i = 1; i <= 10; ++i) CHECK(about(net.inbox.times[i] - Time(1s), kOneWay + i * 5ms));

  const End& client = net.connect(0, 1);  // SYN and its like are small
  net.run(3s);
  CHECK(about(client.connected - Time(2s), 2 * kOneWay));
}

TEMPLATE_TEST_CASE("a host without power is silent, and after it what it had is reset", "[faults]",
                   NETWORKS) {
  Net<TestType> net;
  End& client = net.connect(0, 1);
  net.run(1s);
  net.faults().switch_off(0);
  client.stream.reset();  // no reset reaches anybody
  net.servers.at(0)->write("where are you");
  net.run(3s);
  CHECK(!net.servers[0]->closed);
  net.faults().switch_on(0);
  net.run(20s);  // the next retransmission finds nobody who knows of it
  CHECK(net.servers[0]->closed == ErrorCode::reset);
}
