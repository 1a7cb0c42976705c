// A host's network device in ns-3: its access link to the Internet model, with no router between hosts. Included by
// this folder's .cc files only, after ns3.h.
#pragma once

#include <cstdint>
#include <unordered_map>

#include <ns3/channel.h>
#include <ns3/net-device.h>
#include <ns3/node.h>
#include <ns3/packet.h>

#include "sim/hosts/links.h"
#include "sim/packet/fabric.h"
#include "sim/packet/packet_network.h"

namespace mesocosm::packet {

class AccessDevice final : public ns3::NetDevice {
 public:
  static constexpr std::uint16_t kMtu = hosts::Links::kPacket;

  AccessDevice(Fabric& fabric, HostIndex host) : fabric_(fabric), host_(host) {}

  void receive(ns3::Ptr<ns3::Packet> packet);
  void hand_over(PacketNetwork::Outside& outside) { outside_ = &outside; }
  bool outside() const { return outside_ != nullptr; }
  // Packets of one path never overtake each other: when the last one arrives.
  Time& fifo(HostIndex to) { return fifo_[to]; }
  // Of equal arrivals anywhere, those of the host with the lower index come first, in the order of sending.
  std::uint64_t next_order() { return std::uint64_t{host_} << 30 | (sent_++ & ((1u << 30) - 1)); }

  // --- NetDevice
  void SetIfIndex(const std::uint32_t index) override { index_ = index; }
  std::uint32_t GetIfIndex() const override { return index_; }
  ns3::Ptr<ns3::Channel> GetChannel() const override { return nullptr; }
  void SetAddress(ns3::Address) override {}
  ns3::Address GetAddress() const override;
  bool SetMtu(const std::uint16_t mtu) override { return mtu == kMtu; }
  std::uint16_t GetMtu() const override { return kMtu; }
  bool IsLinkUp() const override { return true; }
  void AddLinkChangeCallback(ns3::Callback<void>) override {}
  bool IsBroadcast() const override { return false; }
  ns3::Address GetBroadcast() const override { return GetAddress(); }
  bool IsMulticast() const override { return false; }
  ns3::Address GetMulticast(ns3::Ipv4Address) const override { return GetAddress(); }
  ns3::Address GetMulticast(ns3::Ipv6Address) const override { return GetAddress(); }
  bool IsBridge() const override { return false; }
  bool IsPointToPoint() const override { return true; }
  bool Send(ns3::Ptr<ns3::Packet> packet, const ns3::Address& to, std::uint16_t protocol) override;
  bool SendFrom(ns3::Ptr<ns3::Packet> packet, const ns3::Address&, const ns3::Address& to,
                std::uint16_t protocol) override {
    return Send(packet, to, protocol);
  }
  ns3::Ptr<ns3::Node> GetNode() const override { return node_; }
  void SetNode(ns3::Ptr<ns3::Node> node) override { node_ = node; }
  bool NeedsArp() const override { return false; }
  void SetReceiveCallback(ReceiveCallback callback) override { receive_ = callback; }
  void SetPromiscReceiveCallback(PromiscReceiveCallback) override {}
  bool SupportsSendFrom() const override { return false; }

 private:
  void DoDispose() override;

  Fabric& fabric_;
  HostIndex host_;
  std::uint32_t index_ = 0;
  std::uint32_t sent_ = 0;
  ns3::Ptr<ns3::Node> node_;
  PacketNetwork::Outside* outside_ = nullptr;  // null: ns-3 receives
  ReceiveCallback receive_;
  std::unordered_map<HostIndex, Time> fifo_;  // looked up, never iterated
};

}  // namespace mesocosm::packet
