// CUBIC as Linux has it, for ns-3's TCP: ns-3's own lacks the region in which it is no slower than Reno. Included by this
// folder's .cc files only, after ns3.h.
#pragma once

#include <ns3/tcp-congestion-ops.h>

#include "sim/hosts/cubic.h"

namespace mesocosm::packet {

class LinuxCubic final : public ns3::TcpCongestionOps {
 public:
  static ns3::TypeId GetTypeId();

  std::string GetName() const override { return "LinuxCubic"; }
  std::uint32_t GetSsThresh(ns3::Ptr<const ns3::TcpSocketState> state, std::uint32_t) override;
  void IncreaseWindow(ns3::Ptr<ns3::TcpSocketState> state, std::uint32_t segments) override;
  void PktsAcked(ns3::Ptr<ns3::TcpSocketState> state, std::uint32_t segments, const ns3::Time& rtt) override;
  void CongestionStateSet(ns3::Ptr<ns3::TcpSocketState> state,
                          ns3::TcpSocketState::TcpCongState_t next) override;
  void CwndEvent(ns3::Ptr<ns3::TcpSocketState> state, ns3::TcpSocketState::TcpCAEvent_t event) override;
  ns3::Ptr<ns3::TcpCongestionOps> Fork() override;

 private:
  hosts::Cubic cubic_;
  Time last_acknowledgement_{};
};

}  // namespace mesocosm::packet
