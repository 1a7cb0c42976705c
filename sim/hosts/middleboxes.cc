#include "sim/hosts/middleboxes.h"

#include <utility>

#include "stack/base/assert.h"

namespace mesocosm::hosts {
namespace {

constexpr std::uint32_t kFirstPrivate = 0x0a000001;

}  // namespace

Middleboxes::Middleboxes(const std::vector<Behind>& behind, Directory& directory, const PathModel& model,
                         const Rng& rng)
    : directory_(directory) {
  if (behind.empty()) return;
  box_of_.assign(model.hosts(), kNone);
  for (const Behind& each : behind) {
    MC_ASSERT(!each.hosts.empty());
    const auto box = static_cast<std::uint32_t>(boxes_.size());
    const HostIndex first = each.hosts.front();
    const IpAddress external = directory.address_v4(first);
    boxes_.emplace_back(each.box, external, rng.fork("middlebox", box));
    first_host_.push_back(first);
    if (each.box.translates) by_address_[external] = box;
    for (const HostIndex host : each.hosts) {
      MC_ASSERT(box_of_[host] == kNone && model.premises(host) == model.premises(first));
      box_of_[host] = box;
      if (each.box.translates) directory.assign_address(host, IpAddress::v4(kFirstPrivate + host));
    }
  }
}

HostIndex Middleboxes::host_of(HostIndex asking, const IpAddress& address) const {
  if (const auto nat = by_address_.find(address); nat != by_address_.end()) return first_host_[nat->second];
  const HostIndex host = directory_.host_of(address);
  if (host == Directory::kNoHost || box_of(host) == kNone || box_of(host) == box_of(asking)) return host;
  const bool hidden = boxes_[box_of(host)].config().translates && address.is_v4();
  return hidden ? Directory::kNoHost : host;
}

bool Middleboxes::is_nat_address(std::uint32_t box, const IpAddress& address) const {
  return box != kNone && boxes_[box].config().translates && boxes_[box].external() == address;
}

bool Middleboxes::crosses(HostIndex from, HostIndex to, const IpAddress& address) const {
  if (!any()) return false;
  return box_of(from) != box_of(to) || is_nat_address(box_of(from), address);
}

Middleboxes::Passage Middleboxes::leave(Time now, HostIndex from, const NatPacket& packet) {
  const HostIndex towards = host_of(from, packet.destination.ip);
  if (towards == Directory::kNoHost) return {NatAction::drop, packet, towards};
  Passage out{NatAction::forward, packet, towards};
  if (box_of(from) != kNone && crosses(from, towards, packet.destination.ip)) {
    const NatDecision decision = boxes_[box_of(from)].outbound(now, packet);
    count(decision);
    out = passage(towards, packet, decision);
    if (out.action != NatAction::forward || decision.hairpinned) return out;
  }
  // The host that it will reach, so that its cuts count; who is refused is refused when the packet arrives.
  const Passage expected = judge(now, from, towards, out.packet);
  if (expected.action == NatAction::forward) out.host = expected.host;
  return out;
}

Middleboxes::Passage Middleboxes::arrive(Time now, HostIndex from, HostIndex to, const NatPacket& packet) {
  if (box_of(to) == kNone || box_of(to) == box_of(from)) return {NatAction::forward, packet, to};
  const NatDecision decision = boxes_[box_of(to)].inbound(now, packet);
  count(decision);
  return passage(to, packet, decision);
}

Middleboxes::Passage Middleboxes::judge(Time now, HostIndex from, HostIndex to,
                                        const NatPacket& packet) const {
  if (box_of(to) == kNone || box_of(to) == box_of(from)) return {NatAction::forward, packet, to};
  return passage(to, packet, boxes_[box_of(to)].judge(now, packet));
}

Middleboxes::Passage Middleboxes::passage(HostIndex to, const NatPacket& packet,
                                          const NatDecision& decision) const {
  Passage made{decision.action, packet, to};
  if (decision.action != NatAction::forward) return made;
  made.packet.source = decision.source;
  made.packet.destination = decision.destination;
  // Only a translated destination can be another host than the one that the packet was on its way to.
  if (decision.destination != packet.destination) made.host = directory_.host_of(decision.destination.ip);
  return made;
}

void Middleboxes::count(const NatDecision& decision) {
  if (decision.action != NatAction::forward) ++stopped_[static_cast<std::size_t>(decision.reason)];
}

}  // namespace mesocosm::hosts
