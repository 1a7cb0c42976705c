// The middlebox core, by RFC 4787's and RFC 5382's terms.
//
//   X 10.0.0.1 ──┐                       ┌── A 198.51.100.1
//                ├── NAT (203.0.113.1) ──┤
//   Y 10.0.0.2 ──┘                       └── B 198.51.100.2
#include "sim/net/nat.h"

#include <set>
#include <string>
#include <vector>

#include <catch2/catch.hpp>

using namespace mesocosm;

namespace {

constexpr std::array kScopes{NatScope::endpoint_independent, NatScope::address_dependent,
                             NatScope::address_and_port_dependent};

Endpoint at(const char* text) { return *Endpoint::parse(text); }

const IpAddress kExternal = *IpAddress::parse("203.0.113.1");
const Endpoint kX = at("10.0.0.1:5000");
const Endpoint kY = at("10.0.0.2:5000");
const Endpoint kA1 = at("198.51.100.1:1001");
const Endpoint kA2 = at("198.51.100.1:1002");
const Endpoint kB1 = at("198.51.100.2:1001");

struct Box {
  explicit Box(const NatConfig& config = {}, std::uint64_t seed = 1) : nat(config, kExternal, Rng(seed)) {
    REQUIRE(config.validate());
  }
  NatDecision out(const Endpoint& from, const Endpoint& to, IpProtocol protocol = IpProtocol::udp) {
    return nat.outbound(now, packet(from, to, protocol));
  }
  NatDecision in(const Endpoint& from, const Endpoint& to, IpProtocol protocol = IpProtocol::udp) {
    return nat.inbound(now, packet(from, to, protocol));
  }
  // The first packet of a session: for TCP a SYN.
  static NatPacket packet(const Endpoint& from, const Endpoint& to, IpProtocol protocol) {
    NatPacket made{protocol, from, to};
    made.syn = protocol == IpProtocol::tcp;
    return made;
  }
  bool open(const Endpoint& remote, const Endpoint& external, IpProtocol protocol = IpProtocol::udp) const {
    return nat.judge(now, packet(remote, external, protocol)).action == NatAction::forward;
  }
  // A segment by its flags: "s" SYN, "sa" SYN-ACK, "a", "fa", "r".
  NatDecision segment(bool outward, const Endpoint& from, const Endpoint& to, const std::string& flags) {
    NatPacket made{IpProtocol::tcp, from, to};
    made.syn = flags.find('s') != std::string::npos;
    made.ack = flags.find('a') != std::string::npos;
    made.fin = flags.find('f') != std::string::npos;
    made.rst = flags.find('r') != std::string::npos;
    return outward ? nat.outbound(now, made) : nat.inbound(now, made);
  }
  void establish(const Endpoint& inside, const Endpoint& remote) {
    const Endpoint external = segment(true, inside, remote, "s").source;
    segment(false, remote, external, "sa");
    segment(true, inside, remote, "a");
  }
  void pass(Duration time) { now += time; }

  Nat nat;
  Time now{};
};

NatConfig behaving(NatScope mapping, NatScope filtering) {
  NatConfig config;
  config.mapping = mapping;
  config.filtering = filtering;
  return config;
}

NatConfig assigning(PortAssignment ports) {
  NatConfig config;
  config.ports = ports;
  return config;
}

bool dropped(const NatDecision& decision, NatReason reason) {
  return decision.action == NatAction::drop && decision.reason == reason;
}

}  // namespace

TEST_CASE("mapping: which remote endpoints see the same external endpoint", "[nat]") {
  struct Row {
    NatScope mapping;
    bool other_port;     // as for A:1001, to A:1002
    bool other_address;  // to B:1001
  };
  const auto row =
      GENERATE(Row{NatScope::endpoint_independent, true, true}, Row{NatScope::address_dependent, true, false},
               Row{NatScope::address_and_port_dependent, false, false});
  const auto filtering = GENERATE(from_range(kScopes));
  const auto protocol = GENERATE(IpProtocol::udp, IpProtocol::tcp);
  Box box(behaving(row.mapping, filtering));
  const Endpoint first = box.out(kX, kA1, protocol).source;
  CHECK(first.ip == kExternal);
  CHECK((box.out(kX, kA2, protocol).source == first) == row.other_port);
  CHECK((box.out(kX, kB1, protocol).source == first) == row.other_address);
  CHECK(box.out(kX, kA1, protocol).source == first);
  CHECK(box.out(kY, kA1, protocol).source != first);  // nobody else's (REQ-3)
}

TEST_CASE("filtering: which remote endpoints may send to a mapping", "[nat]") {
  struct Row {
    NatScope filtering;
    bool other_port;
    bool other_address;
  };
  const auto row =
      GENERATE(Row{NatScope::endpoint_independent, true, true}, Row{NatScope::address_dependent, true, false},
               Row{NatScope::address_and_port_dependent, false, false});
  const auto mapping = GENERATE(from_range(kScopes));
  const auto protocol = GENERATE(IpProtocol::udp, IpProtocol::tcp);
  Box box(behaving(mapping, row.filtering));
  const Endpoint external = box.out(kX, kA1, protocol).source;
  CHECK(box.open(kA1, external, protocol));
  CHECK(box.open(kA2, external, protocol) == row.other_port);
  CHECK(box.open(kB1, external, protocol) == row.other_address);
  // What may come in reaches the internal endpoint, from where it came.
  const NatDecision in = box.in(kA1, external, protocol);
  CHECK(in.action == NatAction::forward);
  CHECK(in.source == kA1);
  CHECK(in.destination == kX);
  const NatDecision other = box.in(kB1, external, protocol);
  CHECK((row.other_address ? other.destination == kX : dropped(other, NatReason::filtered)));
  // Where there is no mapping, nobody may.
  const Endpoint unused{kExternal, static_cast<std::uint16_t>(external.port + 1)};
  CHECK(dropped(box.in(kA1, unused, protocol), NatReason::no_mapping));
  // The two protocols have nothing to do with each other.
  CHECK_FALSE(box.open(kA1, external, protocol == IpProtocol::udp ? IpProtocol::tcp : IpProtocol::udp));
}

TEST_CASE("a datagram that came in does not open the mapping to its sender", "[nat]") {
  Box box(behaving(NatScope::endpoint_independent, NatScope::address_dependent));
  const Endpoint external = box.out(kX, kA1).source;
  CHECK(box.in(kA2, external).action == NatAction::forward);
  box.pass(299s);
  box.out(kX, kB1);  // keeps the mapping, not what A may
  box.pass(1s);
  CHECK(dropped(box.in(kA2, external), NatReason::filtered));
}

TEST_CASE("filtering as libp2p meets it: hole punching", "[nat]") {
  // Both sides send to what a third one sees of the other; the second packet gets through if the mapping is the same
  // towards the third one and the other.
  const auto protocol = GENERATE(IpProtocol::udp, IpProtocol::tcp);
  const auto mapping = GENERATE(from_range(kScopes));
  const IpAddress far_address = *IpAddress::parse("203.0.113.2");
  Box near(behaving(mapping, NatScope::address_and_port_dependent));
  Nat far(behaving(NatScope::endpoint_independent, NatScope::address_and_port_dependent), far_address,
          Rng(2));
  const Endpoint inside_far = at("10.0.0.9:6000");
  const Endpoint near_seen = near.out(kX, kB1, protocol).source;
  const Endpoint far_seen = far.outbound({}, Box::packet(inside_far, kB1, protocol)).source;
  const NatPacket first = Box::packet(near.out(kX, far_seen, protocol).source, far_seen, protocol);
  CHECK(far.inbound({}, first).reason == NatReason::filtered);
  const NatPacket second =
      Box::packet(far.outbound({}, Box::packet(inside_far, near_seen, protocol)).source, near_seen, protocol);
  const bool through = near.nat.inbound({}, second).action == NatAction::forward;
  CHECK(through == (mapping == NatScope::endpoint_independent));
}

TEST_CASE("hairpinning: with the external source, through the same filter", "[nat]") {
  const auto protocol = GENERATE(IpProtocol::udp, IpProtocol::tcp);
  const auto filtering = GENERATE(from_range(kScopes));
  Box box(behaving(NatScope::endpoint_independent, filtering));
  const Endpoint x = box.out(kX, kA1, protocol).source;
  const Endpoint y = box.out(kY, kA1, protocol).source;
  const NatDecision first = box.out(kX, y, protocol);
  CHECK(first.hairpinned);
  if (filtering == NatScope::endpoint_independent) {
    CHECK(first.source == x);  // REQ-9a
    CHECK(first.destination == kY);
  } else {
    CHECK(dropped(first, NatReason::filtered));
  }
  const NatDecision back = box.out(kY, x, protocol);
  CHECK(back.action == NatAction::forward);
  CHECK(back.source == y);
  CHECK(back.destination == kX);
  CHECK(box.out(kX, y, protocol).action == NatAction::forward);
}

TEST_CASE("without hairpinning the external address cannot be reached from the inside", "[nat]") {
  NatConfig config = behaving(NatScope::endpoint_independent, NatScope::endpoint_independent);
  config.hairpinning = false;
  Box box(config);
  const Endpoint y = box.out(kY, kA1).source;
  CHECK(dropped(box.out(kX, y), NatReason::no_hairpin));
}

TEST_CASE("mapping refresh: outbound always, inbound as configured", "[nat]") {
  NatConfig config;
  config.udp_timeout = config.udp_unanswered_timeout = 120s;
  config.inbound_refresh = GENERATE(false, true);
  Box box(config);
  const Endpoint external = box.out(kX, kA1).source;
  box.pass(119s);
  CHECK(box.open(kA1, external));
  box.out(kX, kA1);
  box.pass(119s);
  CHECK(box.in(kA1, external).action == NatAction::forward);  // at 238 s: the outbound one at 119 s kept it
  box.pass(1s);
  CHECK(box.open(kA1, external) == config.inbound_refresh);
  box.pass(118s);
  CHECK(box.open(kA1, external) == config.inbound_refresh);
  box.pass(1s);
  CHECK(dropped(box.in(kA1, external), NatReason::no_mapping));
}

TEST_CASE("a mapping lives as long as one session, a filter as long as its own", "[nat]") {
  Box box;
  const Endpoint external = box.out(kX, kA1).source;
  box.pass(200s);
  CHECK(box.out(kX, kB1).source == external);
  box.pass(100s);
  CHECK(dropped(box.in(kA1, external), NatReason::filtered));
  CHECK(box.open(kB1, external));
  box.pass(200s);
  CHECK(dropped(box.in(kB1, external), NatReason::no_mapping));
}

TEST_CASE("datagrams without an answer may have a shorter timer", "[nat]") {
  NatConfig config;
  config.udp_unanswered_timeout = 30s;
  config.udp_timeout = 120s;
  Box box(config);
  const Endpoint external = box.out(kX, kA1).source;
  box.pass(29s);
  CHECK(box.in(kA1, external).action == NatAction::forward);
  box.out(kX, kA1);
  box.pass(119s);
  CHECK(box.open(kA1, external));
  box.pass(1s);
  CHECK_FALSE(box.open(kA1, external));
  box.out(kX, kA1);  // anew
  box.pass(30s);
  CHECK_FALSE(box.open(kA1, external));
}

TEST_CASE("port preservation, and what happens when the port is taken", "[nat]") {
  Box box;
  CHECK(box.out(kX, kA1).source.port == 5000);
  CHECK(box.out(kY, kA1).source.port == 5001);
  CHECK(box.out(at("10.0.0.1:5001"), kA1).source.port == 5002);
  CHECK(box.out(kX, kA1, IpProtocol::tcp).source.port == 5000);  // TCP's ports are others
  box.pass(300s);
  CHECK(box.out(kY, kA1).source.port == 5000);  // free again
}

TEST_CASE("port contiguity: neighbours stay neighbours", "[nat]") {
  for (const PortAssignment ports : {PortAssignment::preservation, PortAssignment::sequential}) {
    Box box(assigning(ports));
    const std::uint16_t rtp = box.out(at("10.0.0.1:30000"), kA1).source.port;
    CHECK(box.out(at("10.0.0.1:30001"), kA1).source.port == rtp + 1);
  }
}

TEST_CASE("ports below 1024 and above stay on their side", "[nat]") {
  const auto ports = GENERATE(PortAssignment::preservation, PortAssignment::overloading,
                              PortAssignment::sequential, PortAssignment::random);
  Box box(assigning(ports));
  for (int host = 1; host <= 40; ++host) {
    const std::string ip = "10.0.1." + std::to_string(host);
    const std::uint16_t low = box.out(at((ip + ":500").c_str()), kA1).source.port;
    CHECK(low >= 1);
    CHECK(low < 1024);
    CHECK(box.out(at((ip + ":1024").c_str()), kA1).source.port >= 1024);
  }
}

TEST_CASE("port parity is kept where it is asked for", "[nat]") {
  NatConfig config =
      assigning(GENERATE(PortAssignment::preservation, PortAssignment::sequential, PortAssignment::random));
  config.keep_parity = true;
  Box box(config);
  for (int host = 1; host <= 40; ++host) {
    for (int port : {6000, 6001}) {
      const std::string from = "10.0.1." + std::to_string(host) + ":" + std::to_string(port);
      CHECK(box.out(at(from.c_str()), kA1).source.port % 2 == port % 2);
    }
  }
}

TEST_CASE("sequential and random ports", "[nat]") {
  Box sequential(assigning(PortAssignment::sequential));
  for (std::uint16_t expected = 1024; expected < 1034; ++expected) {
    CHECK(sequential.out({kX.ip, static_cast<std::uint16_t>(5000 + expected)}, kA1).source.port == expected);
  }
  const auto draw = [](std::uint64_t seed) {
    Box box(assigning(PortAssignment::random), seed);
    std::vector<std::uint16_t> drawn;
    for (std::uint16_t port = 5000; port < 5050; ++port) {
      drawn.push_back(box.out({kX.ip, port}, kA1).source.port);
    }
    return drawn;
  };
  CHECK(draw(1) == draw(1));
  CHECK(draw(1) != draw(2));
  const auto drawn = draw(1);
  CHECK(std::set<std::uint16_t>(drawn.begin(), drawn.end()).size() == drawn.size());
}

TEST_CASE("overloading: one external port for many, told apart by the remote endpoint", "[nat]") {
  Box box(assigning(PortAssignment::overloading));
  CHECK(box.out(kX, kA1).source.port == 5000);
  CHECK(box.out(kX, kB1).source.port == 5000);
  CHECK(box.out(kY, kA2).source.port == 5000);  // X does not talk to A:1002
  const Endpoint external{kExternal, 5000};
  CHECK(box.in(kA1, external).destination == kX);
  CHECK(box.in(kA2, external).destination == kY);
  const Endpoint other = box.out(kY, kA1).source;  // X does talk to A:1001
  CHECK(other.port != 5000);
  CHECK(other.port >= 1024);
  CHECK(box.in(kA1, other).destination == kY);
  CHECK(box.out(kY, at("198.51.100.3:1")).source == other);  // its newest port
}

TEST_CASE("ports and sessions can run out, and come back", "[nat]") {
  NatConfig config = assigning(GENERATE(PortAssignment::preservation, PortAssignment::random));
  config.first_port = 40000;
  config.last_port = 40002;
  config.max_sessions = 5;
  Box box(config);
  for (std::uint16_t port : {1024, 2000, 3000}) {
    const Endpoint external = box.out({kX.ip, port}, kA1).source;
    CHECK(external.port >= 40000);
    CHECK(external.port <= 40002);
  }
  CHECK(dropped(box.out({kX.ip, 4000}, kA1), NatReason::no_port));
  box.out({kX.ip, 1024}, kA2);
  box.out({kX.ip, 1024}, kB1);
  CHECK(dropped(box.out({kX.ip, 2000}, kA2), NatReason::table_full));
  CHECK(box.out({kX.ip, 2000}, kA1).action == NatAction::forward);  // what is there goes on
  CHECK(box.nat.sessions() == 5);
  box.pass(300s);
  CHECK(box.out({kX.ip, 4000}, kA1).action == NatAction::forward);
  CHECK(box.nat.sessions() == 1);
}

TEST_CASE("TCP: timers of opening, established and closed connections", "[nat]") {
  Box box;
  const Endpoint external{kExternal, kX.port};
  SECTION("a SYN without an answer") {
    box.segment(true, kX, kA1, "s");
    box.pass(239s);
    CHECK(box.open(kA1, external, IpProtocol::tcp));
    box.pass(1s);
    CHECK(dropped(box.segment(false, kA1, external, "sa"), NatReason::no_mapping));
  }
  SECTION("established, and refreshed from either side") {
    box.establish(kX, kA1);
    box.pass(124min - 1s);
    CHECK(box.segment(false, kA1, external, "a").destination == kX);
    box.pass(124min - 1s);
    CHECK(box.segment(true, kX, kA1, "a").source == external);
    box.pass(124min);
    CHECK(dropped(box.segment(true, kX, kA1, "a"), NatReason::no_session));
    CHECK(dropped(box.segment(false, kA1, external, "a"), NatReason::no_mapping));
  }
  SECTION("a half-closed connection goes on, a closed one does not") {
    box.establish(kX, kA1);
    box.segment(true, kX, kA1, "fa");
    box.pass(1h);
    CHECK(box.segment(false, kA1, external, "fa").action == NatAction::forward);
    box.pass(239s);
    CHECK(box.segment(true, kX, kA1, "a").action == NatAction::forward);
    box.pass(240s);
    CHECK(dropped(box.segment(true, kX, kA1, "a"), NatReason::no_session));
  }
  SECTION("a reset ends it, a SYN begins it anew") {
    box.establish(kX, kA1);
    box.segment(false, kA1, external, "r");
    box.pass(200s);
    CHECK(box.segment(true, kX, kA1, "s").source == external);
    box.segment(false, kA1, external, "sa");
    box.pass(2h);
    CHECK(box.segment(true, kX, kA1, "a").action == NatAction::forward);
  }
  SECTION("one connection's end is not the mapping's") {
    box.establish(kX, kA1);
    box.establish(kX, kB1);
    box.segment(true, kX, kA1, "r");
    box.pass(1h);
    CHECK(dropped(box.segment(false, kA1, external, "a"), NatReason::no_session));
    CHECK(box.segment(false, kB1, external, "a").action == NatAction::forward);
  }
}

TEST_CASE("TCP: only a SYN opens, from either side, at the same time too", "[nat]") {
  Box box(behaving(GENERATE(from_range(kScopes)), NatScope::endpoint_independent));
  CHECK(dropped(box.segment(true, kX, kA1, "a"), NatReason::no_session));
  CHECK(dropped(box.segment(true, kX, kA1, "sa"), NatReason::no_session));
  const Endpoint external = box.segment(true, kX, kA1, "s").source;
  CHECK(dropped(box.segment(false, kB1, external, "a"), NatReason::no_session));
  // An inbound connection, which answers from where it was reached.
  CHECK(box.segment(false, kB1, external, "s").destination == kX);
  CHECK(box.segment(true, kX, kB1, "sa").source == external);
  CHECK(box.segment(false, kB1, external, "a").destination == kX);
  // Simultaneous open (RFC 5382, REQ-2a): SYN both ways, then SYN-ACK both ways.
  CHECK(box.segment(false, kA1, external, "s").destination == kX);
  CHECK(box.segment(true, kX, kA1, "sa").source == external);
  CHECK(box.segment(false, kA1, external, "sa").destination == kX);
}

TEST_CASE("a middlebox may refuse connections instead of dropping them", "[nat]") {
  NatConfig config;
  config.refuses = true;
  Box box(config);
  const Endpoint external = box.out(kX, kA1, IpProtocol::tcp).source;
  const NatDecision refused = box.in(kB1, external, IpProtocol::tcp);
  CHECK(refused.action == NatAction::refuse);
  CHECK(refused.reason == NatReason::filtered);
  CHECK(box.in(kB1, {kExternal, 9}, IpProtocol::tcp).action == NatAction::refuse);
  CHECK(box.in(kB1, external).action == NatAction::drop);                   // a datagram
  CHECK(box.segment(false, kB1, external, "r").action == NatAction::drop);  // no resets for resets
}

TEST_CASE("a firewall filters and leaves addresses as they are", "[nat]") {
  NatConfig config;
  config.translates = false;
  config.filtering = GENERATE(from_range(kScopes));
  const bool v6 = GENERATE(false, true);
  config.translates = v6;  // a NAT does the same to IPv6
  const Endpoint inside = v6 ? at("[2001:db8::1]:5000") : at("192.0.2.1:5000");
  const Endpoint one = v6 ? at("[2001:db8::2]:1") : kA1;
  const Endpoint same_host = v6 ? at("[2001:db8::2]:2") : kA2;
  const Endpoint other = v6 ? at("[2001:db8::3]:1") : kB1;
  const auto protocol = GENERATE(IpProtocol::udp, IpProtocol::tcp);
  Box box(config);
  CHECK(dropped(box.in(one, inside, protocol), NatReason::no_mapping));
  const NatDecision out = box.out(inside, one, protocol);
  CHECK(out.source == inside);
  CHECK(out.destination == one);
  CHECK(box.in(one, inside, protocol).destination == inside);
  CHECK(box.open(same_host, inside, protocol) == (config.filtering != NatScope::address_and_port_dependent));
  CHECK(box.open(other, inside, protocol) == (config.filtering == NatScope::endpoint_independent));
}

TEST_CASE("what contradicts itself is refused", "[nat]") {
  NatConfig config;
  CHECK(config.validate());
  SECTION("timeouts") { config.tcp_transitory_timeout = 0s; }
  SECTION("ports") { config.first_port = 1; }
  SECTION("range") { config.last_port = 1023; }
  SECTION("table") { config.max_sessions = 0; }
  SECTION("overloading") {
    config.ports = PortAssignment::overloading;
    config.filtering = NatScope::endpoint_independent;
  }
  REQUIRE_FALSE(config.validate());
  CHECK(config.validate().error().detail.rfind("NAT: ", 0) == 0);
}
