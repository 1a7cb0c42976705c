// Three PartialMessages cores and a liar, driven by a list of operations: nothing is kept that was not accepted, what is
// kept stays within its bounds, and honest cores fall silent.
#include <array>
#include <cstdint>
#include <deque>
#include <string>
#include <vector>

#include "stack/base/assert.h"
#include "stack/protocols/gossipsub/partial.h"

namespace {

using namespace mesocosm;

constexpr std::uint16_t kParts = 11;
constexpr PeerIndex kLiar = 3;
constexpr PartialLimits kLimits = {.groups = 6, .groups_per_peer = 3, .heartbeats = 3};

std::string truth(std::size_t part) { return std::string(1 + part % 3, static_cast<char>('a' + part)); }

struct Flight {
  PeerIndex from;
  PeerIndex to;
  Bytes body;
};

struct Node final : PartialActions {
  Node(PeerIndex index, std::deque<Flight>& out) : number(index), wire(out), core(*this, kLimits) {}
  void send_partial(PeerIndex to, const RpcPart& part) override {
    MC_ASSERT(to != number);
    if (to != kLiar) wire.push_back({number, to, part.bytes});
  }
  bool accept_part(TopicIndex, ByteView, std::size_t part, ByteView data) override {
    MC_ASSERT(part < kParts);
    return as_text(data) == truth(part);
  }
  void complete(TopicIndex, ByteView, const std::vector<Bytes>& parts) override {
    MC_ASSERT(parts.size() == kParts);
    for (std::size_t i = 0; i < parts.size(); ++i) MC_ASSERT(parts[i].text() == truth(i));
  }

  PeerIndex number;
  std::deque<Flight>& wire;
  PartialMessages core;
  PeerSet mesh;
};

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  std::size_t at = 0;
  const auto next = [&]() -> std::uint8_t { return at < size ? data[at++] : 0; };
  std::deque<Flight> wire;
  std::array<Node, 3> nodes = {Node(0, wire), Node(1, wire), Node(2, wire)};
  const std::uint8_t how = next();
  for (Node& node : nodes) {
    const bool requests = (how >> node.number & 1) == 0;
    node.core.enable(0, as_bytes("t"),
                     {.parts = kParts, .max_part = 4, .requests = requests, .eager = (how & 8) != 0});
    for (Node& other : nodes) {
      if (other.number == node.number) continue;
      other.core.on_subscription(node.number, 0, requests, true);
      other.mesh.insert(node.number);
    }
    node.core.on_subscription(kLiar, 0, true, true);
    node.mesh.insert(kLiar);
  }
  const auto arrive = [&] {
    const Flight flight = wire.front();
    wire.pop_front();
    const auto rpc = decode_partial(flight.body);
    MC_ASSERT(rpc.has_value());
    MC_ASSERT(nodes[flight.to].core.on_partial(flight.from, 0, *rpc, nodes[flight.to].mesh).has_value());
  };

  while (at < size) {
    const std::uint8_t op = next();
    Node& node = nodes[op % 3];
    const std::string group(1, static_cast<char>('g' + next() % 8));
    switch (op / 3 % 6) {
      case 0: {
        std::vector<Bytes> parts(kParts);
        const std::size_t bits = next() | std::size_t{next()} << 8;
        for (std::size_t i = 0; i < kParts; ++i) {
          if (bits >> i & 1) parts[i] = Bytes::copy(truth(i));
        }
        node.core.publish(0, as_bytes(group), parts, node.mesh);
        break;
      }
      case 1:
        for (unsigned count = next() % 16; count > 0 && !wire.empty(); --count) arrive();
        break;
      case 2:
        node.core.on_heartbeat();
        break;
      case 3: {
        const PeerIndex all[] = {0, 1, 2, kLiar};
        std::vector<PeerIndex> others;
        for (PeerIndex peer : all) {
          if (peer != node.number) others.push_back(peer);
        }
        node.core.gossip(0, others);
        break;
      }
      case 4: {  // the liar says something
        const std::size_t length = next() % 32;
        const ByteView raw = ByteView(data + at, std::min(length, size - at));
        at += raw.size();
        const std::size_t cut = std::min<std::size_t>(next() % 32, raw.size());
        const PartialRpc rpc{.topic = as_bytes("t"),
                             .group = as_bytes(group),
                             .message = raw.first(cut),
                             .metadata = raw.subspan(cut)};
        static_cast<void>(node.core.on_partial(kLiar, 0, rpc, node.mesh));
        break;
      }
      default:
        node.core.on_peer_removed(kLiar);
        node.core.on_subscription(kLiar, 0, (next() & 1) != 0, true);
    }
    for (const Node& each : nodes) {
      MC_ASSERT(each.core.groups(0) <= 8);
      MC_ASSERT(each.core.counters().parts_duplicate + each.core.counters().parts_refused <=
                each.core.counters().parts_received);
    }
  }
  // They finish: bounded, for nobody repeats what was said.
  for (std::size_t flights = 0; !wire.empty(); ++flights) {
    MC_ASSERT(flights < 100000);
    arrive();
  }
  return 0;
}
