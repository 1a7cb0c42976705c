// An adversary among peers that say anything, driven by a list of operations: whatever they send, its core keeps its
// bounds and speaks only to who is there.
#include <array>
#include <cstdint>
#include <memory>
#include <vector>

#include "attacks/censor/censor.h"
#include "attacks/degrade/degrade.h"
#include "attacks/gossip/adversary_core.h"
#include "attacks/graft_flood/graft_flood.h"
#include "attacks/ihave_spam/ihave_spam.h"
#include "attacks/invalid_flood/invalid_flood.h"
#include "attacks/iwant_spam/iwant_spam.h"
#include "attacks/slow_validation/slow_validation.h"
#include "stack/base/assert.h"

namespace {

using namespace mesocosm;
using namespace mesocosm::attacks;

constexpr std::size_t kPeers = 4;

PeerId peer_id(std::uint8_t number) {
  std::vector<std::uint8_t> key = {0x08, 0x01, 0x12, 0x20};
  key.resize(36, number);
  return PeerId::from_public_key(key);
}

std::shared_ptr<Mischief> mischief(std::uint8_t which) {
  switch (which % 8) {
    case 0:
      return std::make_shared<Degrade>(0.5);
    case 1:
      return std::make_shared<Censor>(std::vector{peer_id(0)});
    case 2:
      return std::make_shared<SlowValidation>(2s);
    case 3:
      return std::make_shared<IHaveSpam>(3, 1s);
    case 4:
      return std::make_shared<IWantSpam>(3, 1s);
    case 5:
      return std::make_shared<SlowValidation>(2s, 2, 40, 1s);
    case 6:
      return std::make_shared<InvalidFlood>(Invalidity::application, 2, 40, 1s);
    default:
      return std::make_shared<GraftFlood>(2, 1s);
  }
}

struct Ears final : AdversaryActions {
  void send(PeerIndex to, std::vector<RpcPart> parts) override {
    MC_ASSERT(!core->peer(to).empty());
    for (const RpcPart& part : parts) MC_ASSERT(part.kind != PartKind::message);
  }
  void send_message(std::span<const PeerIndex> to, const RpcPart& message) override {
    MC_ASSERT(message.kind == PartKind::message);
    for (PeerIndex peer : to) MC_ASSERT(!core->peer(peer).empty());
  }
  const AdversaryCore* core = nullptr;
};

void check(const AdversaryCore& core) {
  MC_ASSERT(core.topics().size() <= AdversaryCore::kMaxTopics);
  for (const AdversaryCore::Topic& topic : core.topics()) {
    for (PeerIndex peer : topic.members) MC_ASSERT(!core.peer(peer).empty());
    for (PeerIndex peer : topic.mesh) MC_ASSERT(!core.peer(peer).empty());
  }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  std::size_t at = 0;
  const auto next = [&]() -> std::uint8_t { return at < size ? data[at++] : 0; };
  const std::uint8_t which = next();
  AdversaryParams params;
  params.mesh = which >> 6;
  params.seen_ttl = 5s;
  params.regraft_backoff = 3s;
  params.regraft_jitter = 1s;
  Mind mind(std::move(params), [which] { return mischief(which); });
  Ears ears;
  AdversaryCore core(peer_id(99), mind, mind.mischief(), Rng(which), ears);
  ears.core = &core;
  std::array<PeerIndex, kPeers> peers;
  peers.fill(kNoPeer);
  Time now{1h};

  while (at < size) {
    const std::uint8_t op = next();
    PeerIndex& peer = peers[(op >> 4) % kPeers];
    switch (op % 4) {
      case 0:  // comes or goes
        if (peer == kNoPeer) {
          peer = core.on_peer_added(peer_id(static_cast<std::uint8_t>((op >> 4) % kPeers)));
        } else {
          core.on_peer_removed(peer);
          peer = kNoPeer;
        }
        break;
      case 1: {  // says something
        const std::size_t length = std::min<std::size_t>(next(), size - at);
        std::vector<RpcPart> parts;
        const bool decoded = decode_rpc(Bytes::copy(ByteView(data + at, length)), parts).has_value();
        at += length;
        if (decoded && peer != kNoPeer) core.on_rpc(peer, parts, now);
        break;
      }
      case 2: {  // says what has a meaning
        const std::string_view text = op & 64 ? "a" : "b";
        const std::array<std::uint8_t, 1> payload = {next()};
        const std::array<RpcPart, 4> parts = {
            make_subscription(true, as_bytes(text)), make_message(as_bytes(text), payload),
            make_prune(as_bytes(text), payload[0], {}), make_subscription(false, as_bytes(text))};
        if (peer != kNoPeer) core.on_rpc(peer, {&parts[payload[0] % 4], 1}, now);
        break;
      }
      default:  // time passes, or the attack begins and ends
        if (op & 64) {
          mind.enter(static_cast<Phase>(next() % 3));
          core.on_phase(now);
        }
        now += std::chrono::milliseconds(next() * 20);
        if (core.deadline() <= now) core.on_deadline(now);
        break;
    }
    check(core);
  }
  return 0;
}
