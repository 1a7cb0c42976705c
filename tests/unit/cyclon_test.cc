// Cyclon: the steps of an exchange, joins, and what of it is refused.
#include <algorithm>
#include <set>
#include <vector>

#include <catch2/catch.hpp>

#include "sim/rounds/cyclon_rounds.h"
#include "stack/protocols/cyclon/core.h"

using namespace mesocosm;
using rounds::node_of;
using rounds::peer_of;
using Kind = CyclonMessage::Kind;

namespace {

struct Solo final : CyclonActions {
  explicit Solo(const CyclonParams& params) : core(params, peer_of(0), Rng(1), *this) {}
  void send(const PeerId& to, const CyclonMessage& message) override { sent.emplace_back(to, message); }
  std::set<rounds::NodeNumber> view() const {
    std::set<rounds::NodeNumber> nodes;
    for (const CyclonEntry& entry : core.view()) nodes.insert(node_of(entry.peer));
    return nodes;
  }
  std::vector<std::pair<PeerId, CyclonMessage>> sent;
  CyclonCore core;
};

CyclonParams small() {
  CyclonParams params;
  params.view = 4;
  params.shuffle = 3;
  return params;
}

}  // namespace

TEST_CASE("a shuffle goes to the oldest, with our own address and others of the view", "[cyclon]") {
  Solo node(small());
  node.core.introduce(peer_of(1));
  node.core.on_period();  // to 1, which leaves the view
  CHECK(node.view().empty());
  for (rounds::NodeNumber i : {2, 3, 4}) node.core.introduce(peer_of(i));
  CHECK(node.core.on_message(peer_of(1), {.kind = Kind::reply, .entries = {{peer_of(5), 9}}}));
  node.sent.clear();
  node.core.on_period();
  REQUIRE(node.sent.size() == 1);
  CHECK(node.sent[0].first == peer_of(5));
  const CyclonMessage& request = node.sent[0].second;
  CHECK(request.kind == Kind::shuffle);
  REQUIRE(request.entries.size() == 3);
  CHECK(request.entries[0].peer == peer_of(0));
  CHECK(request.entries[0].age == 0);
  CHECK(request.entries[1].age == 1);
  CHECK(node.view() == std::set<rounds::NodeNumber>{2, 3, 4});
}

TEST_CASE("received entries fill empty places, then take the places of those that were sent", "[cyclon]") {
  Solo node(small());
  for (rounds::NodeNumber i : {1, 2, 3, 4}) node.core.introduce(peer_of(i));
  node.core.on_period();
  const rounds::NodeNumber partner = node_of(node.sent[0].first);
  std::set<rounds::NodeNumber> told;
  for (const CyclonEntry& entry : node.sent[0].second.entries) told.insert(node_of(entry.peer));
  std::set<rounds::NodeNumber> kept = node.view();  // not told of
  for (const rounds::NodeNumber i : told) kept.erase(i);
  REQUIRE(kept.size() == 1);
  // Ourselves and one that is known are left out.
  const CyclonMessage reply{.kind = Kind::reply,
                            .entries = {{peer_of(0), 1}, {peer_of(*kept.begin()), 1}, {peer_of(7), 2}}};
  CHECK(node.core.on_message(peer_of(partner), reply));
  CHECK(node.view().size() == 4);
  CHECK(node.view().contains(7));
  CHECK(node.view().contains(*kept.begin()));
  CHECK_FALSE(node.view().contains(partner));
  // A second answer, or anybody else's, changes nothing.
  CHECK(node.core.on_message(peer_of(partner), {.kind = Kind::reply, .entries = {{peer_of(8), 0}}}));
  CHECK_FALSE(node.view().contains(8));
}

TEST_CASE("who is asked answers with as many of its own, and takes what it got", "[cyclon]") {
  Solo node(small());
  for (rounds::NodeNumber i : {1, 2, 3, 4}) node.core.introduce(peer_of(i));
  const std::set<rounds::NodeNumber> before = node.view();
  const CyclonMessage request{.kind = Kind::shuffle,
                              .entries = {{peer_of(9), 0}, {peer_of(8), 3}, {peer_of(7), 2}}};
  CHECK(node.core.on_message(peer_of(9), request));
  REQUIRE(node.sent.size() == 1);
  CHECK(node.sent[0].second.kind == Kind::reply);
  REQUIRE(node.sent[0].second.entries.size() == 3);
  for (const CyclonEntry& entry : node.sent[0].second.entries) {
    CHECK(before.contains(node_of(entry.peer)));
    CHECK_FALSE(node.view().contains(node_of(entry.peer)));  // swapped
  }
  for (rounds::NodeNumber i : {7, 8, 9}) CHECK(node.view().contains(i));
}

TEST_CASE("a newcomer's walks end in views, and bring it the entries that made room", "[cyclon]") {
  Solo node(small());
  for (rounds::NodeNumber i : {1, 2, 3, 4}) node.core.introduce(peer_of(i));
  CHECK(node.core.on_message(peer_of(9), {.kind = Kind::join}));
  REQUIRE(node.sent.size() == 4);
  for (const auto& [to, walk] : node.sent) {
    CHECK(walk.kind == Kind::walk);
    CHECK(walk.ttl == 5);
    CHECK(walk.origin == peer_of(9));
  }
  node.sent.clear();
  CHECK(node.core.on_message(peer_of(2), {.kind = Kind::walk, .ttl = 2, .origin = peer_of(9)}));
  REQUIRE(node.sent.size() == 1);
  CHECK(node.sent[0].second.ttl == 1);
  node.sent.clear();
  CHECK(node.core.on_message(peer_of(2), {.kind = Kind::walk, .ttl = 1, .origin = peer_of(9)}));
  REQUIRE(node.sent.size() == 1);
  CHECK(node.sent[0].first == peer_of(9));
  CHECK(node.sent[0].second.kind == Kind::welcome);
  CHECK(node.view().contains(9));
  CHECK(node.view().size() == 4);
}

TEST_CASE("more entries than a shuffle has, and longer walks, are refused", "[cyclon]") {
  Solo node(small());
  const std::vector<CyclonEntry> many(4, {peer_of(1), 0});
  CHECK(node.core.on_message(peer_of(1), {.kind = Kind::shuffle, .entries = many}).error().code ==
        ErrorCode::protocol_violation);
  CHECK(node.core.on_message(peer_of(1), {.kind = Kind::walk, .ttl = 6, .origin = peer_of(2)}).error().code ==
        ErrorCode::protocol_violation);
}

TEST_CASE("views stay full, without oneself and without repetition", "[cyclon]") {
  CyclonParams params;
  params.view = 10;
  params.shuffle = 4;
  for (const auto start : {rounds::CyclonStart::random, rounds::CyclonStart::star, rounds::CyclonStart::chain,
                           rounds::CyclonStart::join}) {
    rounds::CyclonRounds net(200, params, start, 5);
    net.run(100);
    const auto links = net.links();
    CHECK(links.size() == 200 * 10);
    CHECK(std::set(links.begin(), links.end()).size() == links.size());
    CHECK(
        std::none_of(links.begin(), links.end(), [](const auto& link) { return link.first == link.second; }));
  }
}

namespace {

struct Book final : AddressBook {
  std::vector<Multiaddr> addresses(const PeerId&) const override {
    return {*Multiaddr::parse("/ip4/10.0.0.1/tcp/4001")};
  }
};

}  // namespace

TEST_CASE("Cyclon on the wire", "[cyclon]") {
  CyclonMessage message{.kind = Kind::walk, .entries = {{peer_of(3), 7}}, .ttl = 4, .origin = peer_of(5)};
  const auto decoded = decode_cyclon(encode(message, Book()));
  REQUIRE(decoded);
  CHECK(decoded->message.kind == Kind::walk);
  REQUIRE(decoded->message.entries.size() == 1);
  CHECK(decoded->message.entries[0].peer == peer_of(3));
  CHECK(decoded->message.entries[0].age == 7);
  CHECK(decoded->message.ttl == 4);
  CHECK(decoded->message.origin == peer_of(5));
  REQUIRE(decoded->told.size() == 2);
  CHECK(decoded->told[0].addresses == Book().addresses(PeerId()));
  CHECK(decode_cyclon(Bytes::copy("\x08\x07")).error().code == ErrorCode::bad_encoding);  // no such kind
  CHECK(decode_cyclon(Bytes::copy("\x08\x03")).error().code == ErrorCode::bad_encoding);  // of nobody
}
