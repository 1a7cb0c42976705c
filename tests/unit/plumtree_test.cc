// Plumtree: the tree's links, its repair by timers and its optimization, as the paper's algorithms 1 to 4 have them.
#include <map>
#include <string>
#include <vector>

#include <catch2/catch.hpp>

#include "sim/rounds/round_net.h"
#include "stack/protocols/plumtree/core.h"

using namespace mesocosm;
using rounds::peer_of;
using Kind = PlumtreeMessage::Kind;

namespace {

struct Solo final : PlumtreeActions {
  explicit Solo(const PlumtreeParams& params = {}) : core(params, peer_of(0), 0, *this) {
    for (rounds::NodeNumber i : {1, 2, 3}) core.neighbor_up(peer_of(i));
  }
  void send(const PeerId& to, const PlumtreeMessage& message) override {
    sent.emplace_back(rounds::node_of(to), message);
  }
  void deliver(const Broadcast& message, const PeerId&) override {
    delivered.emplace_back(message.data.text());
  }
  void duplicate(const Broadcast&, const PeerId&) override { ++duplicates; }

  static MessageId id(std::uint64_t number) { return broadcast_id(peer_of(99), number); }
  void gossip(rounds::NodeNumber from, std::uint64_t number, std::uint32_t round = 0) {
    const Broadcast message{id(number), Bytes::copy("t"), Bytes::copy("m" + std::to_string(number))};
    CHECK(core.on_message(peer_of(from), {.kind = Kind::gossip, .message = message, .round = round}, now));
  }
  void say(rounds::NodeNumber from, Kind kind, std::vector<PlumtreeAnnouncement> announcements = {}) {
    CHECK(core.on_message(peer_of(from), {.kind = kind, .announcements = std::move(announcements)}, now));
  }
  bool eager(rounds::NodeNumber node) const {
    for (const PlumtreeCore::Neighbor& neighbor : core.neighbors()) {
      if (neighbor.peer == peer_of(node)) return neighbor.eager;
    }
    return false;
  }
  // What was sent since the last time, by receiver.
  std::map<rounds::NodeNumber, Kind> take() {
    std::map<rounds::NodeNumber, Kind> kinds;
    for (const auto& [to, message] : sent) kinds[to] = message.kind;
    sent.clear();
    return kinds;
  }

  std::vector<std::pair<rounds::NodeNumber, PlumtreeMessage>> sent;
  std::vector<std::string> delivered;
  std::size_t duplicates = 0;
  Time now{1h};
  PlumtreeCore core;
};

using Kinds = std::map<rounds::NodeNumber, Kind>;

}  // namespace

TEST_CASE("a new message is delivered and pushed on, a second copy prunes its link", "[plumtree]") {
  Solo node;
  node.gossip(1, 7, 4);
  CHECK(node.delivered == std::vector<std::string>{"m7"});
  CHECK(node.sent.at(0).second.round == 5);
  CHECK(node.take() == Kinds{{2, Kind::gossip}, {3, Kind::gossip}});
  node.gossip(2, 7, 4);
  CHECK(node.duplicates == 1);
  CHECK(node.take() == Kinds{{2, Kind::prune}});
  CHECK_FALSE(node.eager(2));
  node.say(3, Kind::prune);
  CHECK_FALSE(node.eager(3));
  node.gossip(1, 8);
  CHECK(node.take() == Kinds{{2, Kind::ihave}, {3, Kind::ihave}});
  CHECK(node.core.publish("t", as_bytes("own"), node.now));
  CHECK(node.take() == Kinds{{1, Kind::gossip}, {2, Kind::ihave}, {3, Kind::ihave}});
}

TEST_CASE("who gives a message first becomes eager", "[plumtree]") {
  Solo node;
  node.say(2, Kind::prune);
  node.gossip(2, 7);
  CHECK(node.eager(2));
}

TEST_CASE("a missing message is grafted from its announcers, in their order", "[plumtree]") {
  Solo node;
  for (rounds::NodeNumber i : {2, 3}) node.say(i, Kind::prune);
  node.say(2, Kind::ihave, {{Solo::id(7), 3}});
  node.say(3, Kind::ihave, {{Solo::id(7), 2}});
  CHECK(node.core.next_timer() == node.now + node.core.params().ihave_timeout);
  node.now = node.core.next_timer();
  node.core.on_timer(node.now);
  REQUIRE(node.sent.size() == 1);
  CHECK(node.sent[0].second.announcements.at(0).id == Solo::id(7));
  CHECK(node.take() == Kinds{{2, Kind::graft}});
  CHECK(node.eager(2));
  CHECK(node.core.next_timer() == node.now + node.core.params().graft_timeout);
  node.now = node.core.next_timer();
  node.core.on_timer(node.now);
  CHECK(node.take() == Kinds{{3, Kind::graft}});
  node.now = node.core.next_timer();
  node.core.on_timer(node.now);  // nobody is left
  CHECK(node.take().empty());
  CHECK(node.core.missing() == 0);
  CHECK(node.core.next_timer() == kNever);
}

TEST_CASE("a message that comes stops its timer, and announcements of it start none", "[plumtree]") {
  Solo node;
  node.say(2, Kind::ihave, {{Solo::id(7), 3}});
  node.gossip(1, 7);
  CHECK(node.core.missing() == 0);
  CHECK(node.core.next_timer() == kNever);
  node.say(3, Kind::ihave, {{Solo::id(7), 3}});
  CHECK(node.core.next_timer() == kNever);
}

TEST_CASE("a graft makes its link eager and is answered with the message", "[plumtree]") {
  Solo node;
  node.gossip(1, 7, 4);
  node.say(2, Kind::prune);
  node.take();
  node.say(2, Kind::graft, {{Solo::id(7), 5}});
  CHECK(node.eager(2));
  REQUIRE(node.sent.size() == 1);
  CHECK(node.sent[0].second.message.data.text() == "m7");
  CHECK(node.sent[0].second.round == 5);
  node.take();
  node.say(3, Kind::graft, {{Solo::id(8), 5}});  // what we do not have
  CHECK(node.take().empty());
  node.say(50, Kind::graft, {{Solo::id(7), 5}});  // no neighbor
  CHECK(node.take().empty());
}

TEST_CASE("with optimization, a shorter announced way takes the longer one's place", "[plumtree]") {
  struct Case {
    std::uint32_t announced, round;
    bool swapped;
  };
  for (const Case& c : {Case{2, 5, true}, Case{3, 5, false}, Case{6, 5, false}}) {
    PlumtreeParams params;
    params.optimize = true;
    params.threshold = 3;
    Solo node(params);
    node.say(2, Kind::prune);
    node.say(2, Kind::ihave, {{Solo::id(7), c.announced}});
    node.gossip(1, 7, c.round);
    CHECK(node.eager(2) == c.swapped);
    CHECK(node.eager(1) == !c.swapped);
    const Kinds sent = node.take();
    CHECK((sent.contains(2) && sent.at(2) == Kind::graft) == c.swapped);
    CHECK((sent.contains(1) && sent.at(1) == Kind::prune) == c.swapped);
  }
}

TEST_CASE("neighbors that go take their announcements with them", "[plumtree]") {
  Solo node;
  node.say(2, Kind::ihave, {{Solo::id(7), 3}});
  node.core.neighbor_down(peer_of(2));
  CHECK(node.core.neighbors().size() == 2);
  node.now = node.core.next_timer();
  node.core.on_timer(node.now);
  CHECK(node.take().empty());
  CHECK(node.core.missing() == 0);
}

TEST_CASE("eager only: no link is ever pruned", "[plumtree]") {
  PlumtreeParams params;
  params.eager_only = true;
  Solo node(params);
  node.gossip(1, 7);
  node.take();
  node.gossip(2, 7);
  CHECK(node.take().empty());
  node.say(3, Kind::prune);
  CHECK(node.eager(2));
  CHECK(node.eager(3));
}

TEST_CASE("no more messages are waited for than max_missing", "[plumtree]") {
  PlumtreeParams params;
  params.max_missing = 2;
  Solo node(params);
  node.say(1, Kind::ihave, {{Solo::id(1), 0}, {Solo::id(2), 0}, {Solo::id(3), 0}});
  CHECK(node.core.missing() == 2);
}

TEST_CASE("Plumtree on the wire", "[plumtree]") {
  const auto bytes_of = [](const PlumtreeMessage& message) {
    ByteWriter bytes;
    ProtoWriter out(bytes);
    write_plumtree(out, message);
    return bytes.take();
  };
  const Broadcast broadcast{Solo::id(1), Bytes::copy("t"), Bytes::copy("data")};
  const auto gossip = decode_plumtree(bytes_of({.kind = Kind::gossip, .message = broadcast, .round = 6}));
  REQUIRE(gossip);
  CHECK(gossip->message.data.text() == "data");
  CHECK(gossip->round == 6);
  const auto ihave =
      decode_plumtree(bytes_of({.kind = Kind::ihave, .announcements = {{Solo::id(1), 2}, {Solo::id(2), 0}}}));
  REQUIRE(ihave);
  REQUIRE(ihave->announcements.size() == 2);
  CHECK(ihave->announcements[0].round == 2);
  CHECK(ihave->announcements[1].id == Solo::id(2));
  CHECK(decode_plumtree(bytes_of({.kind = Kind::prune})));
  CHECK(decode_plumtree(Bytes::copy("\x08\x00")).error().code == ErrorCode::bad_encoding);  // of nothing
  CHECK(decode_plumtree(Bytes::copy("\x08\x09")).error().code == ErrorCode::bad_encoding);  // no such kind
}
