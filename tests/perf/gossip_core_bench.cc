// GossipSub's core and codec alone, without a network: what one received copy of a message costs.
#include <array>
#include <chrono>
#include <cstdio>
#include <string>
#include <vector>

#include "stack/crypto/keys.h"
#include "stack/protocols/gossipsub/core.h"

namespace {

using namespace mesocosm;

struct Sink final : GossipSubActions {
  void send(PeerIndex, const RpcPart&) override { ++sent; }
  void deliver(TopicIndex, const Message&, const MessageId&, PeerIndex) override {}
  void connect(const PeerId&, const Bytes&) override {}
  Bytes signed_record(const PeerId&) override { return {}; }
  void note(const GossipSubEvent&) override {}
  std::uint64_t sent = 0;
};

PeerId peer_id(std::uint8_t number) {
  std::vector<std::uint8_t> key = {0x08, 0x01, 0x12, 0x20};
  key.resize(36, number);
  return PeerId::from_public_key(key);
}

// Each message arrives from all 8 mesh peers: one new copy, seven duplicates. Prints ns per copy.
void run(const char* name, GossipSubParams params, std::size_t size, bool signed_ids) {
  params.signature_policy = signed_ids ? SignaturePolicy::strict_sign : SignaturePolicy::strict_no_sign;
  params.message_id = signed_ids ? MessageIdKind::from_seqno : MessageIdKind::content_hash;
  struct NoVerify final : MessageChecks {
    SharedMessageChecks shared;
    MessageId id(const Message& message, MessageIdKind kind) override { return shared.id(message, kind); }
    bool verify(const Message&) override { return true; }
  } checks;
  Sink sink;
  std::array<std::uint8_t, 32> seed{};
  const KeyPair key = KeyPair::from_seed(seed);
  GossipSubCore core(params, {.peer = key.peer_id(), .key = &key}, Rng(1), sink, checks);
  Time now{1h};
  const TopicIndex topic = core.subscribe("blocks", now);
  std::vector<PeerIndex> peers;
  for (std::uint8_t i = 1; i <= 8; ++i) {
    peers.push_back(core.on_peer_added(peer_id(i), PeerKind::gossipsub_11, false, now));
    const RpcPart hello[] = {make_subscription(true, core.topic(topic).name),
                             make_graft(core.topic(topic).name)};
    static_cast<void>(core.on_rpc(peers.back(), hello, now));
  }
  constexpr std::size_t kMessages = 2000;
  std::vector<Bytes> frames;
  std::string payload(size, 'x');
  for (std::size_t i = 0; i < kMessages; ++i) {
    const std::string number = std::to_string(i);
    payload.replace(0, number.size(), number);
    ByteWriter seqno;
    seqno.put_u64_be(i);
    ByteWriter body;
    ProtoWriter out(body);
    if (signed_ids) {
      out.bytes(1, peer_id(77).bytes());
      out.bytes(3, seqno.view());
      out.bytes(5, seqno.view());
    }
    out.bytes(2, as_bytes(payload));
    out.bytes(4, core.topic(topic).name);
    frames.push_back(frame_message({body.view()}).bytes);
  }
  std::vector<RpcPart> parts;
  std::chrono::nanoseconds fresh{0}, again{0};
  using Watch = std::chrono::steady_clock;
  for (std::size_t round = 0; round < 20; ++round) {
    for (std::size_t begin = 0; begin < kMessages; begin += 100) {
      for (std::size_t copy = 0; copy < peers.size(); ++copy) {
        const auto start = Watch::now();
        for (std::size_t i = begin; i < begin + 100; ++i) {
          std::size_t prefix = 1;
          while (frames[i][prefix - 1] >= 0x80) ++prefix;
          static_cast<void>(decode_frame(frames[i], prefix, parts));
          static_cast<void>(core.on_rpc(peers[copy], parts, now));
        }
        (copy == 0 ? fresh : again) += Watch::now() - start;
      }
      now += params.heartbeat;
      core.on_heartbeat(now);
    }
    now += params.seen_ttl;
    core.on_heartbeat(now);
  }
  const double messages = 20.0 * kMessages;
  std::printf("%-34s new %7.0f ns  duplicate %6.0f ns  mean of 8 copies %6.0f ns = %5.2f M/s\n", name,
              static_cast<double>(fresh.count()) / messages,
              static_cast<double>(again.count()) / messages / 7,
              static_cast<double>((fresh + again).count()) / messages / 8,
              messages * 8e3 / static_cast<double>((fresh + again).count()));
}

}  // namespace

int main() {
  GossipSubParams params = GossipSubParams::libp2p();
  run("200 B, from+seqno ids", params, 200, true);
  run("200 B, content ids, shared buffers", params, 200, false);
  run("16 KiB, content ids, shared buffers", params, 16384, false);
}
