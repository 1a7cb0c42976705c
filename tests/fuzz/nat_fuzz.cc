// Lists of packets through the middlebox core: what goes out can be answered, and comes to who sent it; a port is
// nobody else's; the table keeps its size.
#include <string>

#include "sim/net/nat.h"
#include "stack/base/assert.h"
#include "tests/fuzz/fuzz_input.h"

using namespace mesocosm;

namespace {

const IpAddress kExternal = IpAddress::v4(0xcb007101);

NatConfig config_from(FuzzInput& input) {
  NatConfig config;
  config.mapping = static_cast<NatScope>(input.below(3));
  config.filtering = static_cast<NatScope>(input.below(3));
  config.ports = static_cast<PortAssignment>(input.below(4));
  const std::uint8_t flags = input.byte();
  config.translates = (flags & 1) == 0;
  config.keep_parity = (flags & 2) != 0;
  config.hairpinning = (flags & 4) != 0;
  config.refuses = (flags & 8) != 0;
  config.inbound_refresh = (flags & 16) != 0;
  config.udp_unanswered_timeout = 30s;
  config.last_port = static_cast<std::uint16_t>(config.first_port + input.byte());
  config.max_sessions = input.byte() + 1u;
  return config;
}

NatPacket packet_from(FuzzInput& input, bool outward) {
  NatPacket packet;
  packet.protocol = static_cast<IpProtocol>(input.below(2));
  const Endpoint inside{IpAddress::v4(0x0a000001 + input.below(3)),
                        static_cast<std::uint16_t>(1020 + input.below(8))};
  const Endpoint outside{IpAddress::v4(0xc6336401 + input.below(3)),
                         static_cast<std::uint16_t>(1 + input.below(3))};
  const Endpoint external{kExternal, static_cast<std::uint16_t>(1020 + input.byte())};
  const bool by_external = input.below(2) == 1;
  packet.source = outward ? inside : outside;
  packet.destination = outward ? (by_external ? external : outside) : (by_external ? external : inside);
  const std::uint8_t flags = input.byte();
  packet.syn = (flags & 1) != 0;
  packet.ack = (flags & 2) != 0;
  packet.fin = (flags & 4) != 0;
  packet.rst = (flags & 8) != 0;
  return packet;
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  FuzzInput input(data, size);
  const NatConfig config = config_from(input);
  if (!config.validate()) return 0;
  Nat nat(config, kExternal, Rng(1));
  Time now{};
  while (!input.empty()) {
    now += Duration(1s) * input.byte() * (input.below(8) == 0 ? 60 : 1);
    const bool outward = input.below(2) == 0;
    const NatPacket packet = packet_from(input, outward);
    if (!outward) {
      const NatDecision expected = nat.judge(now, packet);
      const NatDecision decision = nat.inbound(now, packet);
      MC_ASSERT(decision.action == expected.action || decision.reason == NatReason::table_full);
      continue;
    }
    const NatDecision out = nat.outbound(now, packet);
    MC_ASSERT(nat.sessions() <= config.max_sessions);
    if (out.action != NatAction::forward || out.hairpinned) continue;
    MC_ASSERT(out.source == packet.source || (config.translates && out.source.ip == kExternal));
    NatPacket answer = packet;
    answer.source = out.destination;
    answer.destination = out.source;
    const NatDecision back = nat.judge(now, answer);
    MC_ASSERT(back.action == NatAction::forward && back.destination == packet.source);
    // Whoever else may come in there comes to the same.
    answer.source = {IpAddress::v4(0xc6336401), 9};
    answer.syn = true;
    answer.ack = answer.rst = false;
    const NatDecision other = nat.judge(now, answer);
    MC_ASSERT(other.action != NatAction::forward || other.destination == packet.source);
  }
  return 0;
}
