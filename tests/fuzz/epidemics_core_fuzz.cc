// The epidemic baselines' cores among liars: whatever they are told, their views and lists stay within their bounds.
#include <array>
#include <cstdint>
#include <set>

#include "stack/base/assert.h"
#include "stack/protocols/cyclon/core.h"
#include "stack/protocols/hyparview/core.h"
#include "stack/protocols/plumtree/core.h"
#include "stack/protocols/rumors/core.h"
#include "tests/fuzz/fuzz_input.h"

namespace {

using namespace mesocosm;

PeerId peer_id(std::uint8_t number) { return PeerId::from_public_key(std::array{number}); }

struct Host final : RumorsActions, CyclonActions, HyParViewActions, PlumtreeActions {
  void send(const PeerId& to, const RumorsMessage&) override { MC_ASSERT(!to.empty()); }
  void send(const PeerId& to, const CyclonMessage&) override { MC_ASSERT(!to.empty() && to != self); }
  void send(const PeerId& to, const HyParViewMessage&) override { MC_ASSERT(!to.empty() && to != self); }
  void send(const PeerId& to, const PlumtreeMessage&) override { MC_ASSERT(!to.empty()); }
  void deliver(const Broadcast&, const PeerId&) override {}
  void duplicate(const Broadcast&, const PeerId&) override {}
  void neighbor_up(const PeerId& peer) override {
    MC_ASSERT(peer != self && up.insert(peer).second);
    plumtree->neighbor_up(peer);
  }
  void neighbor_down(const PeerId& peer) override {
    MC_ASSERT(up.erase(peer) == 1);
    plumtree->neighbor_down(peer);
  }

  PeerId self = peer_id(0);
  std::set<PeerId> up;
  PlumtreeCore* plumtree = nullptr;
};

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  FuzzInput input(data, size);
  Host host;
  RumorsParams rumors_params;
  rumors_params.max_hot = 4;
  rumors_params.limits.max_seen = 8;
  CyclonParams cyclon_params;
  cyclon_params.view = 5;
  cyclon_params.shuffle = 3;
  HyParViewParams hyparview_params;
  hyparview_params.active = 3;
  hyparview_params.passive = 5;
  PlumtreeParams plumtree_params;
  plumtree_params.max_missing = 4;
  plumtree_params.optimize = (input.byte() & 1) != 0;
  plumtree_params.limits.max_seen = 8;
  RumorsCore rumors(rumors_params, host.self, 0, Rng(1), host);
  CyclonCore cyclon(cyclon_params, host.self, Rng(2), host);
  PlumtreeCore plumtree(plumtree_params, host.self, 0, host);
  host.plumtree = &plumtree;
  HyParViewCore hyparview(hyparview_params, host.self, Rng(3), host);
  Time now{};
  while (!input.empty()) {
    const std::uint8_t op = input.byte();
    // Nobody but ourselves has our id: connections are authenticated.
    const PeerId from = peer_id(static_cast<std::uint8_t>(1 + input.below(12)));
    const Bytes said = input.bytes(input.below(96));
    now += std::chrono::milliseconds(op * 10);
    switch (op % 12) {
      case 0:
        if (const auto m = decode_rumors(said)) static_cast<void>(rumors.on_message(from, *m, now));
        break;
      case 1:
        if (const auto m = decode_cyclon(said)) static_cast<void>(cyclon.on_message(from, m->message));
        break;
      case 2:
        if (const auto m = decode_hyparview(said)) static_cast<void>(hyparview.on_message(from, m->message));
        break;
      case 3:
        if (const auto m = decode_plumtree(said)) static_cast<void>(plumtree.on_message(from, *m, now));
        break;
      case 4:
        rumors.on_cycle(from, now);
        cyclon.on_period();
        hyparview.on_period();
        break;
      case 5:
        cyclon.on_failure(from);
        hyparview.on_failure(from);
        break;
      case 6:
        cyclon.introduce(from);
        break;
      case 7:
        hyparview.join(from);
        break;
      case 8:
        static_cast<void>(rumors.publish("t", said, now));
        static_cast<void>(plumtree.publish("t", said, now));
        break;
      case 9:
        plumtree.on_timer(now);
        break;
      case 10: {
        const auto kind = static_cast<HyParViewMessage::Kind>(input.below(7));
        HyParViewMessage message{
            .kind = kind, .ttl = op & 7U, .flag = (op & 16) != 0, .subject = peer_id(op & 15)};
        for (const std::uint8_t octet : said) message.peers.push_back(peer_id(octet & 15));
        static_cast<void>(hyparview.on_message(from, message));
        break;
      }
      case 11: {
        const auto kind = static_cast<CyclonMessage::Kind>(input.below(5));
        CyclonMessage message{.kind = kind, .ttl = op & 7U, .origin = peer_id(op & 15)};
        for (const std::uint8_t octet : said) message.entries.push_back({peer_id(octet & 15), octet});
        static_cast<void>(cyclon.on_message(from, message));
        break;
      }
    }
    MC_ASSERT(rumors.hot() <= 2 * rumors_params.max_hot);
    MC_ASSERT(cyclon.view().size() <= cyclon_params.view);
    MC_ASSERT(hyparview.active().size() <= hyparview_params.active);
    MC_ASSERT(hyparview.passive().size() <= hyparview_params.passive);
    MC_ASSERT(plumtree.missing() <= plumtree_params.max_missing);
    MC_ASSERT(plumtree.neighbors().size() == host.up.size());
  }
  return 0;
}
