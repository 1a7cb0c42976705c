// Packets through the middleboxes of sim/hosts: headers read and rewritten. Included by this folder's .cc files only,
// after ns3.h.
#pragma once

#include <cstdint>
#include <map>
#include <tuple>

#include <ns3/packet.h>

#include "sim/hosts/middleboxes.h"

namespace mesocosm::packet {

class Gates {
 public:
  using Passage = hosts::Middleboxes::Passage;

  explicit Gates(hosts::Middleboxes& boxes) : boxes_(boxes) {}

  // Whether the packet goes on, and to whom; it is replaced by a translated one then.
  bool leave(Time now, HostIndex from, ns3::Ptr<ns3::Packet>& packet, HostIndex& to);
  bool arrive(Time now, HostIndex from, ns3::Ptr<ns3::Packet>& packet, HostIndex& to);

  // The last packet that left, as it was before, and what became of it.
  const NatPacket& last() const { return last_; }
  const Passage& last_passage() const { return last_passage_; }

 private:
  // A datagram's later fragments have no ports: they share the fate of the first.
  using Fragment = std::tuple<HostIndex, std::uint32_t, std::uint32_t, std::uint16_t>;

  template <class Pass>
  bool pass(const Pass& through, HostIndex at, ns3::Ptr<ns3::Packet>& packet, HostIndex& to);

  hosts::Middleboxes& boxes_;
  NatPacket last_;
  Passage last_passage_;
  std::map<Fragment, Passage> fragments_;
};

}  // namespace mesocosm::packet
