#include "sim/packet/wifi.h"

#include <string>

#include <ns3/config.h>
#include <ns3/constant-position-mobility-model.h>
#include <ns3/double.h>
#include <ns3/internet-stack-helper.h>
#include <ns3/ipv4-list-routing-helper.h>
#include <ns3/ipv4-static-routing-helper.h>
#include <ns3/ipv4.h>
#include <ns3/olsr-helper.h>
#include <ns3/pointer.h>
#include <ns3/position-allocator.h>
#include <ns3/propagation-delay-model.h>
#include <ns3/propagation-loss-model.h>
#include <ns3/random-variable-stream.h>
#include <ns3/random-waypoint-mobility-model.h>
#include <ns3/string.h>
#include <ns3/uinteger.h>
#include <ns3/yans-wifi-channel.h>
#include <ns3/yans-wifi-helper.h>

#include "sim/packet/ns3.h"
#include "stack/base/assert.h"

namespace mesocosm::packet {
namespace {

// Hosts that are cut apart do not hear each other.
class CutLoss final : public ns3::PropagationLossModel {
 public:
  explicit CutLoss(const Faults& faults) : faults_(faults) {}

 private:
  static constexpr double kSilence = -1000;  // dBm

  double DoCalcRxPower(double power, ns3::Ptr<ns3::MobilityModel> from,
                       ns3::Ptr<ns3::MobilityModel> to) const override {
    return faults_.any() && faults_.path(host(*from), host(*to)).lost ? kSilence : power;
  }
  std::int64_t DoAssignStreams(std::int64_t) override { return 0; }
  static HostIndex host(const ns3::MobilityModel& at) { return at.GetObject<ns3::Node>()->GetId(); }

  const Faults& faults_;
};

// Neighbours come and go: one that did not answer is asked again soon, and a window of packets may wait for the answer.
void set_defaults() {
  using ns3::Config::SetDefault;
  SetDefault("ns3::ArpCache::DeadTimeout", ns3::TimeValue(ns3::Seconds(1)));
  SetDefault("ns3::ArpCache::PendingQueueSize", ns3::UintegerValue(64));
}

ns3::Ptr<ns3::UniformRandomVariable> uniform(double low, double high) {
  const auto variable = ns3::CreateObject<ns3::UniformRandomVariable>();
  variable->SetAttribute("Min", ns3::DoubleValue(low));
  variable->SetAttribute("Max", ns3::DoubleValue(high));
  return variable;
}

}  // namespace

struct WifiGround::Impl {
  Impl(const WifiAdhoc& what, const Faults& faults, const Rng& random);
  ns3::Ptr<ns3::MobilityModel> place(HostIndex host);
  ns3::Ptr<ns3::MobilityModel> moving();

  WifiAdhoc config;
  Rng rng;
  ns3::YansWifiPhyHelper phy;
  ns3::WifiMacHelper mac;
  ns3::WifiHelper wifi;
  ns3::InternetStackHelper stack;
  ns3::OlsrHelper olsr;
  // ns-3 numbers the streams of its generators by their order in the process; ours begin anew with each World.
  std::int64_t stream = 1 << 20;
};

WifiGround::Impl::Impl(const WifiAdhoc& what, const Faults& faults, const Rng& random)
    : config(what), rng(random) {
  set_defaults();
  const auto range = ns3::CreateObject<ns3::RangePropagationLossModel>();
  range->SetAttribute("MaxRange", ns3::DoubleValue(config.range_m));
  range->SetNext(ns3::Create<CutLoss>(faults));
  const auto channel = ns3::CreateObject<ns3::YansWifiChannel>();
  channel->SetPropagationLossModel(range);
  channel->SetPropagationDelayModel(ns3::CreateObject<ns3::ConstantSpeedPropagationDelayModel>());
  phy.SetChannel(channel);
  mac.SetType("ns3::AdhocWifiMac");
  wifi.SetStandard(ns3::WIFI_STANDARD_80211a);
  const std::string mode = "OfdmRate" + std::to_string(config.rate_mbps) + "Mbps";
  wifi.SetRemoteStationManager("ns3::ConstantRateWifiManager", "DataMode", ns3::StringValue(mode),
                               "ControlMode", ns3::StringValue("OfdmRate6Mbps"));
  ns3::Ipv4ListRoutingHelper routing;
  routing.Add(ns3::Ipv4StaticRoutingHelper(), 0);
  routing.Add(olsr, 10);
  stack.SetIpv6StackInstall(false);
  stack.SetRoutingHelper(routing);
}

ns3::Ptr<ns3::MobilityModel> WifiGround::Impl::place(HostIndex host) {
  ns3::Ptr<ns3::MobilityModel> mobility = ns3::CreateObject<ns3::ConstantPositionMobilityModel>();
  if (config.fastest_mps > 0) mobility = moving();
  Rng drawn = rng.fork("position", host);
  const double x = drawn.unit() * config.width_m, y = drawn.unit() * config.height_m;
  if (config.positions.empty()) {
    mobility->SetPosition({x, y, 0});
  } else {
    const auto& [own_x, own_y] = config.positions[host % config.positions.size()];
    mobility->SetPosition({own_x, own_y, 0});
  }
  return mobility;
}

ns3::Ptr<ns3::MobilityModel> WifiGround::Impl::moving() {
  const auto goals = ns3::CreateObject<ns3::RandomRectanglePositionAllocator>();
  goals->SetX(uniform(0, config.width_m));
  goals->SetY(uniform(0, config.height_m));
  const auto mobility = ns3::CreateObject<ns3::RandomWaypointMobilityModel>();
  mobility->SetAttribute("PositionAllocator", ns3::PointerValue(goals));
  mobility->SetAttribute("Speed", ns3::PointerValue(uniform(config.slowest_mps, config.fastest_mps)));
  const double pause = to_seconds(config.pause);
  mobility->SetAttribute("Pause", ns3::PointerValue(uniform(pause, pause)));
  stream += mobility->AssignStreams(stream);
  return mobility;
}

WifiGround::WifiGround(const WifiAdhoc& config, const Faults& faults, const Rng& rng)
    : impl_(std::make_unique<Impl>(config, faults, rng)) {}
WifiGround::~WifiGround() = default;

void WifiGround::join(const ns3::Ptr<ns3::Node>& node, HostIndex host, const IpAddress& address) {
  MC_ASSERT(node->GetId() == host);
  Impl& ground = *impl_;
  node->AggregateObject(ground.place(host));
  const ns3::NetDeviceContainer devices = ground.wifi.Install(ground.phy, ground.mac, node);
  ground.stream += ground.wifi.AssignStreams(devices, ground.stream);
  ground.stack.Install(node);
  const auto ip = node->GetObject<ns3::Ipv4>();
  const std::uint32_t interface = ip->AddInterface(devices.Get(0));
  const ns3::Ipv4Address own(address.v4_host_order());
  ip->AddAddress(interface,
                 ns3::Ipv4InterfaceAddress(own, ns3::Ipv4Mask("/8")));  // all hosts are in one network
  ip->SetUp(interface);
  ground.stream += ground.stack.AssignStreams(ns3::NodeContainer(node), ground.stream);
  ground.stream += ground.olsr.AssignStreams(ns3::NodeContainer(node), ground.stream);
}

}  // namespace mesocosm::packet
