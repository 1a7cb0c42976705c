#include "sim/packet/packet_network.h"

#include <algorithm>
#include <deque>
#include <map>
#include <optional>
#include <set>
#include <vector>

#include <ns3/boolean.h>
#include <ns3/config.h>
#include <ns3/double.h>
#include <ns3/icmpv6-l4-protocol.h>
#include <ns3/inet-socket-address.h>
#include <ns3/inet6-socket-address.h>
#include <ns3/internet-stack-helper.h>
#include <ns3/ipv4-static-routing-helper.h>
#include <ns3/ipv4-static-routing.h>
#include <ns3/ipv4.h>
#include <ns3/ipv6-static-routing-helper.h>
#include <ns3/ipv6-static-routing.h>
#include <ns3/ipv6.h>
#include <ns3/tcp-socket-factory.h>
#include <ns3/udp-socket-factory.h>
#include <ns3/uinteger.h>

#include "sim/packet/access_device.h"
#include "sim/packet/engine.h"
#include "sim/packet/linux_cubic.h"
#include "sim/packet/ns3.h"
#include "sim/packet/tcp_end.h"
#include "sim/packet/wifi.h"
#include "stack/base/assert.h"

namespace mesocosm {
namespace packet {
namespace {

constexpr std::size_t kLargestDatagram = 65'507;
constexpr std::uint32_t kSegmentV6 = 1428;  // 20 bytes less, for the longer header

// The TCP of a Linux host, as far as ns-3 has it (docs/packet-model.md gives the reasons).
void set_tcp_defaults() {
  using ns3::Config::SetDefault;
  SetDefault("ns3::TcpL4Protocol::SocketType", ns3::TypeIdValue(LinuxCubic::GetTypeId()));
  SetDefault("ns3::TcpSocket::SegmentSize", ns3::UintegerValue(1448));
  SetDefault("ns3::TcpSocket::InitialCwnd", ns3::UintegerValue(10));
  SetDefault("ns3::TcpSocket::SndBufSize", ns3::UintegerValue(4 << 20));
  SetDefault("ns3::TcpSocket::RcvBufSize", ns3::UintegerValue(3 << 20));
  SetDefault("ns3::TcpSocket::TcpNoDelay", ns3::BooleanValue(true));
  SetDefault("ns3::TcpSocket::DelAckTimeout", ns3::TimeValue(ns3::MilliSeconds(40)));
  SetDefault("ns3::TcpSocket::ConnTimeout", ns3::TimeValue(ns3::Seconds(1)));
  SetDefault("ns3::TcpSocket::ConnCount", ns3::UintegerValue(6));
  SetDefault("ns3::TcpSocket::DataRetries", ns3::UintegerValue(9));
  SetDefault("ns3::TcpSocketBase::MinRto", ns3::TimeValue(ns3::MilliSeconds(200)));
  SetDefault("ns3::TcpSocketBase::ClockGranularity", ns3::TimeValue(ns3::MilliSeconds(1)));
  SetDefault("ns3::TcpSocketBase::MaxSegLifetime", ns3::DoubleValue(1));
  SetDefault("ns3::Icmpv6L4Protocol::DAD",
             ns3::BooleanValue(false));  // addresses are unique, and at once of use
}

ns3::Ipv4Address to_ns3_v4(const IpAddress& ip) { return ns3::Ipv4Address(ip.v4_host_order()); }
ns3::Ipv6Address to_ns3_v6(const IpAddress& ip) {
  auto octets = ip.octets();
  return ns3::Ipv6Address(octets.data());
}
ns3::Address to_ns3(const Endpoint& at) {
  if (at.ip.is_v4()) return ns3::InetSocketAddress(to_ns3_v4(at.ip), at.port);
  return ns3::Inet6SocketAddress(to_ns3_v6(at.ip), at.port);
}
Endpoint from_ns3(const ns3::Address& address) {
  if (ns3::Inet6SocketAddress::IsMatchingType(address)) {
    const auto inet = ns3::Inet6SocketAddress::ConvertFrom(address);
    std::array<std::uint8_t, 16> octets{};
    inet.GetIpv6().GetBytes(octets.data());
    return {IpAddress::v6(octets), inet.GetPort()};
  }
  const auto inet = ns3::InetSocketAddress::ConvertFrom(address);
  return {IpAddress::v4(inet.GetIpv4().Get()), inet.GetPort()};
}
Endpoint local_of(const ns3::Socket& socket) {
  ns3::Address address;
  socket.GetSockName(address);
  return from_ns3(address);
}

IpAddress unspecified(bool v4) { return v4 ? IpAddress() : IpAddress::v6({}); }
IpAddress loopback(bool v4) {
  return v4 ? IpAddress::v4(0x7f000001) : IpAddress::v6({0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1});
}

// A stream's callbacks before its user has set any.
struct Deaf final : ByteStream::Events {
  void on_readable() override {}
  void on_writable() override {}
  void on_closed(Error) override {}
};

}  // namespace

class HostListener;
class HostNetwork;

}  // namespace packet

struct PacketNetwork::Impl final : packet::TcpEnd::Owner {
  Impl(Kernel& kernel, const PathModel& model, Rng rng, const std::vector<hosts::Behind>& behind,
       hosts::Border* border, bool ipv6);
  ~Impl();

  void on_unused(packet::TcpEnd& end) override {
    const auto at =
        std::find_if(ends.begin(), ends.end(), [&](const auto& own) { return own.get() == &end; });
    MC_ASSERT(at != ends.end());
    std::swap(*at, ends.back());
    ends.pop_back();
  }
  packet::TcpEnd& add(ns3::Ptr<ns3::Socket> socket, const Endpoint& local, const Endpoint& remote,
                      bool connected) {
    return *ends.emplace_back(
        std::make_unique<packet::TcpEnd>(kernel, *this, socket, local, remote, connected));
  }
  // A host listens on a port, on all its addresses of a version.
  struct Port {
    HostIndex host;
    std::uint16_t port;
    bool v4;
    auto operator<=>(const Port&) const = default;
  };
  bool listening(const Port& at) const {
    return listeners.contains(at) || abroad.contains({at.host, at.port});
  }
  void begin_listening(const Port& at, packet::HostListener& listener) {
    listeners[at] = &listener;
    if (border != nullptr) border->tell({at.host, at.port, true});
  }
  void end_listening(const Port& at) {
    listeners.erase(at);
    if (border != nullptr) border->tell({at.host, at.port, false});
  }
  IpAddress address(HostIndex host, bool v4) const {
    return v4 ? directory.address_v4(host) : directory.address_v6(host);
  }
  HostIndex reach(HostIndex from, const IpAddress& address) const {
    return middleboxes.any() ? middleboxes.host_of(from, address) : directory.host_of(address);
  }

  hosts::Border* border;  // null: this process runs all hosts
  Kernel& kernel;
  const PathModel& model;
  bool ipv6;
  Faults faults;
  hosts::Directory directory;
  hosts::Middleboxes middleboxes;
  hosts::Links links;
  Ns3Engine engine;
  packet::Gates gates;
  packet::Fabric fabric;
  std::optional<packet::WifiGround> wifi;  // in place of the fabric
  std::map<Port, packet::HostListener*> listeners;
  std::set<std::pair<HostIndex, std::uint16_t>> abroad;  // where hosts of other processes listen
  std::vector<std::unique_ptr<packet::TcpEnd>> ends;
  std::vector<std::unique_ptr<packet::HostNetwork>> networks;
};

namespace packet {

class HostListener final : public Listener {
 public:
  HostListener(PacketNetwork::Impl& network, HostIndex host, ns3::Ptr<ns3::Socket> socket, const Endpoint& at,
               Events& events)
      : network_(network), host_(host), socket_(socket), at_(at), events_(events) {
    network_.begin_listening({host_, at_.port, at_.ip.is_v4()}, *this);
    socket_->Listen();
  }
  ~HostListener() override {
    network_.end_listening({host_, at_.port, at_.ip.is_v4()});
    for (TcpEnd* end : new_) end->abandon();
    socket_->Close();
  }
  Endpoint local() const override { return at_; }
  void take(TcpEnd& end) {
    new_.push_back(&end);
    network_.kernel.defer(accept_);
  }

 private:
  void accept() {
    static Deaf deaf;  // without state
    TcpEnd& end = *new_.front();
    new_.pop_front();
    if (!new_.empty()) network_.kernel.defer(accept_);
    events_.on_accept(end.stream(deaf));  // may destroy this
  }

  PacketNetwork::Impl& network_;
  HostIndex host_;
  ns3::Ptr<ns3::Socket> socket_;
  Endpoint at_;
  Events& events_;
  std::deque<TcpEnd*> new_;
  MemberTask<&HostListener::accept> accept_{*this};
};

class DatagramSocket final : public Datagrams {
 public:
  DatagramSocket(Kernel& kernel, ns3::Ptr<ns3::Socket> socket, const Endpoint& at, Events& events)
      : kernel_(kernel), socket_(socket), at_(at), events_(events) {
    socket_->SetRecvCallback(ns3::MakeCallback(&DatagramSocket::on_arrival, this));
  }
  ~DatagramSocket() override {
    socket_->SetRecvCallback(ns3::MakeNullCallback<void, ns3::Ptr<ns3::Socket>>());
    socket_->Close();
  }
  void send(const Endpoint& to, Bytes payload) override {
    if (to.ip.is_v4() != at_.ip.is_v4() || payload.size() > kLargestDatagram) return;
    socket_->SendTo(ns3::Create<ns3::Packet>(payload.data(), static_cast<std::uint32_t>(payload.size())), 0,
                    to_ns3(to));
  }
  Endpoint local() const override { return at_; }

 private:
  void on_arrival(ns3::Ptr<ns3::Socket>) { kernel_.defer(tell_); }
  void tell() {
    ns3::Address from;
    const ns3::Ptr<ns3::Packet> packet = socket_->RecvFrom(from);
    if (!packet) return;
    if (socket_->GetRxAvailable() > 0) kernel_.defer(tell_);
    events_.on_datagram(from_ns3(from), Bytes::build(packet->GetSize(), [&](MutableByteView out) {
                          packet->CopyData(out.data(), static_cast<std::uint32_t>(out.size()));
                        }));  // may destroy this
  }

  Kernel& kernel_;
  ns3::Ptr<ns3::Socket> socket_;
  Endpoint at_;
  Events& events_;
  MemberTask<&DatagramSocket::tell> tell_{*this};
};

// A host: a node of ns-3 with a device.
class HostNetwork final : public Network {
 public:
  HostNetwork(PacketNetwork::Impl& network, HostIndex host)
      : network_(network), host_(host), node_(ns3::CreateObject<ns3::Node>()) {
    if (network.wifi) {
      network.wifi->join(node_, host, network.directory.address_v4(host));
    } else {
      join_fabric();
    }
  }

  std::unique_ptr<ByteStream> connect(const Endpoint& to, ByteStream::Events& events,
                                      const Endpoint& from) override {
    const bool here = to.ip.is_loopback();
    const HostIndex host = here ? host_ : network_.reach(host_, to.ip);
    const bool gated = !here && network_.middleboxes.crosses(host_, host, to.ip);
    const bool v4 = to.ip.is_v4();
    const IpAddress own = network_.address(host_, v4);
    if (host == hosts::Directory::kNoHost || !speaks(to.ip)) {
      return hosts::unreachable_stream(network_.kernel, {own, from.port}, to, events);
    }
    const auto socket = new_socket(ns3::TcpSocketFactory::GetTypeId(), v4);
    if (from.port != 0) {
      // Not on all addresses, where a listener of ours may have that port.
      socket->Bind(to_ns3({own, from.port}));
    } else if (v4) {
      socket->Bind();
    } else {
      socket->Bind6();
    }
    // To itself over the loopback device: over its own address ns-3 delivers while it is still sending, and takes
    // the acknowledgement for one of the future.
    socket->Connect(host == host_ && !gated ? to_ns3({loopback(v4), to.port}) : to_ns3(to));
    TcpEnd& end = network_.add(socket, seen(local_of(*socket)), to, false);
    if (network_.fabric.outside(host)) return end.stream(events);  // it will answer for itself
    if (gated ? refused_behind_gates(to) : refuses({host, to.port, v4})) {
      end.refuse_after(network_.links.round_trip(host_, host));
    }
    return end.stream(events);
  }

  Result<std::unique_ptr<Listener>> listen(const Endpoint& at, Listener::Events& events) override {
    auto socket = bound(at, ns3::TcpSocketFactory::GetTypeId());
    if (!socket) return tl::unexpected<Error>(std::move(socket.error()));
    (*socket)->SetAcceptCallback(ns3::MakeNullCallback<bool, ns3::Ptr<ns3::Socket>, const ns3::Address&>(),
                                 ns3::MakeCallback(&HostNetwork::on_new, this));
    const Endpoint local = {at.ip, local_of(**socket).port};
    return std::make_unique<HostListener>(network_, host_, *socket, local, events);
  }

  Result<std::unique_ptr<Datagrams>> bind(const Endpoint& at, Datagrams::Events& events) override {
    auto socket = bound(at, ns3::UdpSocketFactory::GetTypeId());
    if (!socket) return tl::unexpected<Error>(std::move(socket.error()));
    const Endpoint local = {at.ip, local_of(**socket).port};
    return std::make_unique<DatagramSocket>(network_.kernel, *socket, local, events);
  }

  std::unique_ptr<Resolution> resolve(std::string_view name, RecordType type,
                                      Resolution::Events& events) override {
    return network_.directory.resolve(network_.kernel, name, type, events);
  }

  std::vector<IpAddress> local_addresses() const override {
    std::vector<IpAddress> addresses = {network_.directory.address_v4(host_)};
    if (network_.ipv6) addresses.push_back(network_.directory.address_v6(host_));
    return addresses;
  }

 private:
  void join_fabric() {
    ns3::InternetStackHelper stack;
    stack.SetIpv6StackInstall(network_.ipv6);
    stack.SetRoutingHelper(ns3::Ipv4StaticRoutingHelper());
    stack.SetRoutingHelper(ns3::Ipv6StaticRoutingHelper());
    stack.Install(node_);
    const auto device = ns3::CreateObject<AccessDevice>(network_.fabric, host_);
    node_->AddDevice(device);
    network_.fabric.add(host_, *device);
    configure_v4(device);
    if (network_.ipv6) configure_v6(device);
  }
  void configure_v4(const ns3::Ptr<ns3::NetDevice>& device) {
    const auto ip = node_->GetObject<ns3::Ipv4>();
    const std::uint32_t interface = ip->AddInterface(device);
    ip->AddAddress(interface, ns3::Ipv4InterfaceAddress(to_ns3_v4(network_.directory.address_v4(host_)),
                                                        ns3::Ipv4Mask::GetOnes()));
    ip->SetUp(interface);
    ns3::Ipv4StaticRoutingHelper().GetStaticRouting(ip)->AddNetworkRouteTo(
        ns3::Ipv4Address::GetAny(), ns3::Ipv4Mask::GetZero(), interface);
  }
  void configure_v6(const ns3::Ptr<ns3::NetDevice>& device) {
    const auto ip = node_->GetObject<ns3::Ipv6>();
    const std::uint32_t interface = ip->AddInterface(device);
    ip->AddAddress(interface, ns3::Ipv6InterfaceAddress(to_ns3_v6(network_.directory.address_v6(host_)),
                                                        ns3::Ipv6Prefix::GetOnes()));
    ip->SetUp(interface);
    ns3::Ipv6StaticRoutingHelper().GetStaticRouting(ip)->AddNetworkRouteTo(
        ns3::Ipv6Address::GetAny(), ns3::Ipv6Prefix::GetZero(), interface);
  }

  Result<ns3::Ptr<ns3::Socket>> bound(const Endpoint& at, ns3::TypeId type) {
    if (!speaks(at.ip)) {
      return fail(ErrorCode::unsupported, "this packet network has no IPv6: " + at.to_string());
    }
    if (!network_.directory.owns(host_, at.ip)) {
      return fail(ErrorCode::io, "not an address of this host: " + at.ip.to_string());
    }
    const auto socket = new_socket(type, at.ip.is_v4());
    // On all of its addresses, of which loopback is one (see connect).
    if (socket->Bind(to_ns3({unspecified(at.ip.is_v4()), at.port})) != 0)
      return fail(ErrorCode::address_in_use, at.to_string());
    return socket;
  }

  // Whether the SYN that was just sent will be refused, by a middlebox or by whom it lets it through to.
  bool refused_behind_gates(const Endpoint& to) const {
    if (!network_.gates.last().opens() || network_.gates.last().destination != to)
      return false;  // it waits in a queue
    const auto& sent = network_.gates.last_passage();
    if (sent.action != NatAction::forward) return sent.action == NatAction::refuse;
    const auto there = network_.middleboxes.judge(network_.kernel.now(), host_, sent.host, sent.packet);
    if (there.action != NatAction::forward) return there.action == NatAction::refuse;
    return refuses({there.host, there.packet.destination.port, true});
  }
  // Nobody listens there, and no fault keeps that secret.
  bool refuses(const PacketNetwork::Impl::Port& at) const {
    return !network_.listening(at) && !network_.links.state(host_, at.host).lost &&
           !network_.links.state(at.host, host_).lost;
  }

  ns3::Ptr<ns3::Socket> new_socket(ns3::TypeId type, bool v4) {
    const auto socket = ns3::Socket::CreateSocket(node_, type);
    const bool tcp = type == ns3::TcpSocketFactory::GetTypeId();
    if (tcp && !v4) socket->SetAttribute("SegmentSize", ns3::UintegerValue(kSegmentV6));
    return socket;
  }
  bool speaks(const IpAddress& ip) const { return ip.is_v4() || network_.ipv6; }

  // A connection of the host to itself is between its own address and its own address.
  Endpoint seen(Endpoint at) const {
    if (at.ip.is_loopback()) at.ip = network_.address(host_, at.ip.is_v4());
    return at;
  }

  // A forked socket brings this callback along from its listener, which may be gone by now.
  void on_new(ns3::Ptr<ns3::Socket> socket, const ns3::Address& from) {
    const Endpoint local = seen(local_of(*socket));
    TcpEnd& end = network_.add(socket, local, seen(from_ns3(from)), true);
    const auto listener = network_.listeners.find({host_, local.port, local.ip.is_v4()});
    if (listener != network_.listeners.end()) {
      listener->second->take(end);
    } else {
      end.abandon();
    }
  }

  PacketNetwork::Impl& network_;
  HostIndex host_;
  ns3::Ptr<ns3::Node> node_;
};

}  // namespace packet

PacketNetwork::Impl::Impl(Kernel& on, const PathModel& paths, Rng rng,
                          const std::vector<hosts::Behind>& behind, hosts::Border* at, bool with_ipv6)
    : border(at),
      kernel(on),
      model(paths),
      ipv6(with_ipv6),
      directory(paths),
      middleboxes(behind, directory, paths, rng),
      links(on, paths, rng, faults),
      engine(on, rng.fork("ns-3").next()),
      gates(middleboxes),
      fabric(
          links, border, rng.fork("queues").next(),
          [](const void* context, const IpAddress& address) {
            return static_cast<const hosts::Directory*>(context)->host_of(address);
          },
          &directory) {
  packet::set_tcp_defaults();
  if (middleboxes.any()) fabric.set_gates(gates);
  if (paths.wifi() != nullptr) wifi.emplace(*paths.wifi(), faults, rng.fork("wifi"));
}

PacketNetwork::Impl::~Impl() = default;

PacketNetwork::PacketNetwork(Kernel& kernel, const PathModel& model, Rng rng,
                             const std::vector<hosts::Behind>& behind, hosts::Border* border, bool ipv6)
    : impl_(std::make_unique<Impl>(kernel, model, rng, behind, border, ipv6)) {
  impl_->networks.resize(model.hosts());
  for (HostIndex host = 0; host < model.hosts(); ++host) {
    if (border != nullptr && !border->ours(host)) continue;
    impl_->networks[host] = std::make_unique<packet::HostNetwork>(*impl_, host);
  }
}
PacketNetwork::~PacketNetwork() = default;

Network& PacketNetwork::attach(HostIndex host) {
  MC_ASSERT(host < impl_->networks.size() && impl_->networks[host] != nullptr);
  return *impl_->networks[host];
}
void PacketNetwork::arrive(const hosts::Crossing& crossing) { impl_->fabric.arrive(crossing); }
void PacketNetwork::arrive(const hosts::Listening& at) {
  if (at.begins) {
    impl_->abroad.emplace(at.host, at.port);
  } else {
    impl_->abroad.erase({at.host, at.port});
  }
}
bool PacketNetwork::exists() { return Ns3Engine::exists(); }
const hosts::Directory& PacketNetwork::directory() const { return impl_->directory; }
const hosts::Middleboxes& PacketNetwork::middleboxes() const { return impl_->middleboxes; }
hosts::Directory& PacketNetwork::directory() { return impl_->directory; }
Faults& PacketNetwork::faults() { return impl_->faults; }
void PacketNetwork::slow_down(HostIndex host, Duration each) { impl_->links.slow_down(host, each); }
void PacketNetwork::hand_over(HostIndex host, Outside& outside) {
  impl_->fabric.device(host).hand_over(outside);
}

void PacketNetwork::inject(HostIndex host, ByteView packet) {
  constexpr std::size_t kLeast = 20, kSource = 12;
  if (packet.size() < kLeast || packet.size() > packet::AccessDevice::kMtu || packet[0] >> 4 != 4) return;
  const std::size_t size = static_cast<std::size_t>(packet[2]) << 8 | packet[3];
  const IpAddress own = impl_->directory.address_v4(host);
  if (size != packet.size() || !equal(packet.subspan(kSource, 4), ByteView(own.octets()).first(4))) return;
  impl_->fabric.inject(host, packet);
}

void PacketNetwork::capture(capture::Captures& captures) { impl_->fabric.capture(captures); }
const hosts::Traffic& PacketNetwork::traffic(HostIndex host) const { return impl_->links.traffic(host); }
std::uint64_t PacketNetwork::packets_lost() const { return impl_->links.packets_lost(); }

}  // namespace mesocosm
