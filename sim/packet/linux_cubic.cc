#include "sim/packet/linux_cubic.h"

#include <ns3/object.h>
#include <ns3/tcp-option-ts.h>
#include <ns3/tcp-socket-state.h>

#include "sim/packet/ns3.h"

namespace mesocosm::packet {
namespace {

Time now() { return Time(Duration(ns3::Simulator::Now().GetNanoSeconds())); }

}  // namespace

ns3::TypeId LinuxCubic::GetTypeId() {
  static const ns3::TypeId kId = ns3::TypeId("mesocosm::LinuxCubic")
                                     .SetParent<ns3::TcpCongestionOps>()
                                     .SetGroupName("Internet")
                                     .AddConstructor<LinuxCubic>();
  return kId;
}

std::uint32_t LinuxCubic::GetSsThresh(ns3::Ptr<const ns3::TcpSocketState> state, std::uint32_t) {
  return cubic_.reduce(state->m_cWnd);
}

void LinuxCubic::IncreaseWindow(ns3::Ptr<ns3::TcpSocketState> state, std::uint32_t segments) {
  const std::uint32_t bytes = segments * hosts::Cubic::kSegment;
  const std::uint32_t window = state->m_cWnd;
  // A window that was not in use does not grow (RFC 7661; Linux's tcp_is_cwnd_limited).
  const auto in_flight =
      static_cast<std::uint32_t>(state->m_highTxMark.Get() - state->m_lastAckedSeq) + bytes;
  const bool slow_start = window < state->m_ssThresh;
  if (slow_start ? 2 * in_flight < window : in_flight + 2 * hosts::Cubic::kSegment <= window) return;
  state->m_cWnd = cubic_.grow(now(), bytes, window, state->m_ssThresh);
}

void LinuxCubic::PktsAcked(ns3::Ptr<ns3::TcpSocketState> state, std::uint32_t, const ns3::Time&) {
  last_acknowledgement_ = now();
  // ns-3 gives the smoothed round trip, which shows a queue too late and too long: the timestamp tells this one's, in ms.
  if (state->m_rcvTimestampEchoReply == 0) return;
  const ns3::Time rtt = ns3::TcpOptionTS::ElapsedTimeFromTsValue(state->m_rcvTimestampEchoReply);
  hosts::Cubic::Acknowledgement acknowledgement;
  acknowledgement.first = acknowledgement.last = now();
  acknowledgement.rtt = Duration(rtt.GetNanoSeconds());
  acknowledgement.acked_to = state->m_lastAckedSeq.GetValue();
  acknowledgement.sent_to = state->m_highTxMark.Get().GetValue();
  if (cubic_.ends_slow_start(acknowledgement, state->m_cWnd, state->m_ssThresh)) {
    state->m_ssThresh = state->m_cWnd.Get();
  }
}

void LinuxCubic::CongestionStateSet(ns3::Ptr<ns3::TcpSocketState>, ns3::TcpSocketState::TcpCongState_t next) {
  if (next == ns3::TcpSocketState::CA_LOSS) cubic_.forget();
}

void LinuxCubic::CwndEvent(ns3::Ptr<ns3::TcpSocketState>, ns3::TcpSocketState::TcpCAEvent_t event) {
  if (event == ns3::TcpSocketState::CA_EVENT_TX_START) cubic_.skip(now() - last_acknowledgement_);
}

ns3::Ptr<ns3::TcpCongestionOps> LinuxCubic::Fork() { return ns3::CopyObject<LinuxCubic>(this); }

}  // namespace mesocosm::packet
