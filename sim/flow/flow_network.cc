#include "sim/flow/flow_network.h"

#include <algorithm>

#include "sim/capture/ip_packet.h"
#include "sim/flow/segments.h"
#include "stack/base/assert.h"

namespace mesocosm {
namespace flow {
namespace {

constexpr std::uint16_t kFirstEphemeral = 49152;  // RFC 6335
constexpr std::size_t kLargestDatagram = 65'507;

std::uint64_t socket_key(HostIndex host, std::uint16_t port, bool v6) {
  return std::uint64_t{host} << 17 | std::uint64_t{v6} << 16 | port;
}

// One end of a connection, as the stack sees it.
class Stream final : public ByteStream {
 public:
  Stream(FlowNetwork& network, Connection& connection, int side, Events& events)
      : network_(network), connection_(connection), side_(side) {
    connection.attach(side, events);
  }
  ~Stream() override { connection_.detach(side_); }
  void set_events(Events& events) override { connection_.set_events(side_, events); }

  Bytes read(std::size_t max) override {
    Chunk chunk;
    return max > 0 && connection_.read(side_, max, chunk) ? std::move(chunk.data) : Bytes();
  }
  bool ended() const override { return connection_.ended(side_); }
  std::size_t writable() const override { return connection_.writable(side_); }
  void write(Bytes bytes) override { connection_.write(side_, std::move(bytes)); }
  void finish() override { connection_.finish(side_); }
  Endpoint local() const override { return network_.local(connection_, side_); }
  Endpoint remote() const override { return network_.remote(connection_, side_); }

 private:
  FlowNetwork& network_;
  Connection& connection_;
  int side_;
};

// A socket's set of user's callbacks before it has one.
struct Deaf final : ByteStream::Events {
  void on_readable() override {}
  void on_writable() override {}
  void on_closed(Error) override {}
};

class StreamListener final : public Listener, private Acceptor {
 public:
  StreamListener(FlowNetwork& network, HostIndex host, const Endpoint& at, Events& events)
      : network_(network), host_(host), at_(at), events_(events) {
    listening_ = network.tcp().listen(host, at.port, !at.ip.is_v4(), *this);
  }
  ~StreamListener() override {
    if (listening_) network_.tcp().unlisten(host_, at_.port, !at_.ip.is_v4());
  }
  bool listening() const { return listening_; }
  Endpoint local() const override { return at_; }

 private:
  void on_accept(Connection& connection) override {
    static Deaf deaf;  // without state: until the user has set its own
    events_.on_accept(std::make_unique<Stream>(network_, connection, 1, deaf));
  }
  FlowNetwork& network_;
  HostIndex host_;
  Endpoint at_;
  Events& events_;
  bool listening_ = false;
};

NatPacket packet(const Burst& burst, const Endpoint& from, const Endpoint& to) {
  return {IpProtocol::tcp, from, to, burst.syn != 0, burst.ack != 0, burst.fin != 0, burst.rst != 0};
}

}  // namespace

// A datagram on its way. Its fragments, if any, share their fate.
struct Parcel final : Timer {
  void on_timer() override;
  void send();
  bool passes(bool in);
  void capture(HostIndex host, capture::PacketDirection direction) const;

  Parcel* next = nullptr;
  FlowNetwork* network = nullptr;
  Endpoint from, to;
  HostIndex from_host = 0, to_host = 0;
  Bytes payload;
  std::uint32_t wire = 0, packets = 0;
  Time last_in{};
  bool landing = false;
  bool gated = false;  // there are middleboxes on its way

 private:
  void done() {
    payload = Bytes();
    landing = false;
    network->parcels_->give(this);
  }
};

class DatagramSocket final : public Datagrams {
 public:
  DatagramSocket(FlowNetwork& network, HostIndex host, const Endpoint& at, Events& events)
      : network_(network), host_(host), at_(at), events_(events) {
    network.sockets_.emplace(socket_key(host, at.port, !at.ip.is_v4()), this);
  }
  ~DatagramSocket() override { network_.sockets_.erase(socket_key(host_, at_.port, !at_.ip.is_v4())); }
  void send(const Endpoint& to, Bytes payload) override;
  Endpoint local() const override { return at_; }
  void take(const Endpoint& from, Bytes payload) { events_.on_datagram(from, std::move(payload)); }

 private:
  FlowNetwork& network_;
  HostIndex host_;
  Endpoint at_;
  Events& events_;
};

void DatagramSocket::send(const Endpoint& to, Bytes payload) {
  const bool v6 = !at_.ip.is_v4();
  const HostIndex host = network_.reach(host_, to.ip);
  if (host == FlowNetwork::kNoHost || to.ip.is_v4() == v6 || payload.size() > kLargestDatagram) return;
  Parcel& parcel = *network_.parcels_->take();
  parcel.network = &network_;
  parcel.from = at_;
  if (to.ip.is_loopback()) {
    parcel.from.ip = to.ip;
  } else if (at_.ip.is_unspecified() || at_.ip.is_loopback()) {
    parcel.from.ip = v6 ? network_.address_v6(host_) : network_.address_v4(host_);
  }
  parcel.to = to;
  parcel.from_host = host_;
  parcel.to_host = host;
  const std::uint32_t header = v6 ? 40 : 20;
  const auto size = static_cast<std::uint32_t>(payload.size()) + 8;
  parcel.packets = (size + Links::kPacket - header - 1) / (Links::kPacket - header);
  parcel.wire = size + parcel.packets * header;
  parcel.payload = std::move(payload);
  parcel.send();
}

void Parcel::send() {
  Links& links = network->links_;
  gated = network->middleboxes_.crosses(from_host, to_host, to.ip);
  if (network->captures_ != nullptr) capture(from_host, capture::PacketDirection::out);
  if (gated && !passes(false)) return done();
  Time fifo{};
  const Departure departure =
      links.depart(from_host, to_host, wire, packets, links.model().path(from_host, to_host), fifo);
  if (departure.lost > 0) return done();
  last_in = departure.last_in;
  links.kernel().arm(*this, departure.first_in);
}

void Parcel::on_timer() {
  Links& links = network->links_;
  if (!landing) {
    landing = true;
    const Landing place = links.land(from_host, to_host, wire, packets, last_in);
    if (place.lost > 0 || (gated && !passes(true))) return done();
    return links.kernel().arm(*this, place.at);
  }
  links.kernel().absorb(std::uint64_t{to_host} << 32 | wire);
  if (network->captures_ != nullptr) capture(to_host, capture::PacketDirection::in);
  const auto found = network->sockets_.find(socket_key(to_host, to.port, !to.ip.is_v4()));
  DatagramSocket* const socket = found != network->sockets_.end() ? found->second : nullptr;
  Bytes taken = std::move(payload);
  const Endpoint sender = from;
  done();
  if (socket != nullptr) socket->take(sender, std::move(taken));
}

// Takes it through the middleboxes on the sender's side or the receiver's.
bool Parcel::passes(bool in) {
  hosts::Middleboxes& boxes = network->middleboxes_;
  const NatPacket packet{IpProtocol::udp, from, to};
  const Time now = network->kernel().now();
  const auto passage =
      in ? boxes.arrive(now, from_host, to_host, packet) : boxes.leave(now, from_host, packet);
  if (passage.action != NatAction::forward) return false;
  from = passage.packet.source;
  to = passage.packet.destination;
  to_host = passage.host;
  return true;
}

void Parcel::capture(HostIndex host, capture::PacketDirection direction) const {
  if (from_host == to_host || !network->captures_->wants(host)) return;
  network->captures_->packet(host, network->kernel().now(), direction,
                             capture::udp_packet(from, to, payload));
}

class HostNetwork final : public Network {
 public:
  HostNetwork(FlowNetwork& network, HostIndex host) : network_(network), host_(host) {}

  std::unique_ptr<ByteStream> connect(const Endpoint& to, ByteStream::Events& events,
                                      const Endpoint& from) override {
    const HostIndex host = network_.reach(host_, to.ip);
    const bool v6 = !to.ip.is_v4();
    if (host == FlowNetwork::kNoHost) {
      const Endpoint local{v6 ? network_.address_v6(host_) : network_.address_v4(host_), from.port};
      return hosts::unreachable_stream(network_.kernel(), local, to, events);
    }
    const std::uint16_t port = from.port != 0 ? from.port : network_.free_port(host_, v6);
    return std::make_unique<Stream>(network_, network_.connect(host_, port, host, to), 0, events);
  }

  Result<std::unique_ptr<Listener>> listen(const Endpoint& at, Listener::Events& events) override {
    Endpoint chosen = at;
    if (!network_.owns(host_, at.ip))
      return fail(ErrorCode::io, "not an address of this host: " + at.ip.to_string());
    if (at.port == 0) chosen.port = network_.free_port(host_, !at.ip.is_v4());
    auto listener = std::make_unique<StreamListener>(network_, host_, chosen, events);
    if (!listener->listening()) return fail(ErrorCode::address_in_use, chosen.to_string());
    return listener;
  }

  Result<std::unique_ptr<Datagrams>> bind(const Endpoint& at, Datagrams::Events& events) override {
    Endpoint chosen = at;
    const bool v6 = !at.ip.is_v4();
    if (!network_.owns(host_, at.ip))
      return fail(ErrorCode::io, "not an address of this host: " + at.ip.to_string());
    const auto taken = [&](std::uint16_t port) {
      return network_.sockets_.contains(socket_key(host_, port, v6));
    };
    if (at.port == 0) {
      do chosen.port = network_.free_port(host_, v6);
      while (taken(chosen.port));
    }
    if (taken(chosen.port)) return fail(ErrorCode::address_in_use, chosen.to_string());
    return std::make_unique<DatagramSocket>(network_, host_, chosen, events);
  }

  std::unique_ptr<Resolution> resolve(std::string_view name, RecordType type,
                                      Resolution::Events& events) override {
    return network_.directory_.resolve(network_.kernel(), name, type, events);
  }

  std::vector<IpAddress> local_addresses() const override {
    return {network_.address_v4(host_), network_.address_v6(host_)};
  }

 private:
  FlowNetwork& network_;
  HostIndex host_;
};

}  // namespace flow

FlowNetwork::FlowNetwork(Kernel& kernel, const PathModel& model, Rng rng,
                         const std::vector<hosts::Behind>& behind)
    : directory_(model),
      middleboxes_(behind, directory_, model, rng),
      links_(kernel, model, rng, faults_),
      tcp_(links_, [this](const flow::Connection& connection,
                          int side) { return remote(connection, 1 - side).to_string(); }),
      parcels_(std::make_unique<hosts::Pool<flow::Parcel>>()),
      networks_(model.hosts()),
      next_port_(model.hosts(), flow::kFirstEphemeral) {
  tcp_.set_gates(*this);
}

FlowNetwork::~FlowNetwork() = default;

Network& FlowNetwork::attach(HostIndex host) {
  MC_ASSERT(host < networks_.size());
  if (networks_[host] == nullptr) networks_[host] = std::make_unique<flow::HostNetwork>(*this, host);
  return *networks_[host];
}

std::uint16_t FlowNetwork::free_port(HostIndex host, bool v6) {
  std::uint16_t& next = next_port_[host];
  while (tcp_.listening(host, next, v6))
    next = next == 65535 ? flow::kFirstEphemeral : static_cast<std::uint16_t>(next + 1);
  const std::uint16_t port = next;
  next = next == 65535 ? flow::kFirstEphemeral : static_cast<std::uint16_t>(next + 1);
  return port;
}

HostIndex FlowNetwork::reach(HostIndex from, const IpAddress& address) const {
  if (address.is_loopback()) return from;
  return middleboxes_.any() ? middleboxes_.host_of(from, address) : directory_.host_of(address);
}

flow::Connection& FlowNetwork::connect(HostIndex from, std::uint16_t from_port, HostIndex to,
                                       const Endpoint& dialed) {
  const bool gated = !dialed.ip.is_loopback() && middleboxes_.crosses(from, to, dialed.ip);
  return tcp_.connect(from, from_port, to, dialed.port, !dialed.ip.is_v4(), gated ? &dialed : nullptr);
}

void FlowNetwork::capture(capture::Captures& captures) {
  captures_ = &captures;
  segments_ = std::make_unique<flow::Segments>(captures, *this);
  tcp_.capture(*segments_);
}

Endpoint FlowNetwork::local(const flow::Connection& connection, int side) const {
  const HostIndex host = connection.host(side);
  return {connection.v6() ? address_v6(host) : address_v4(host), connection.port(side)};
}

Endpoint FlowNetwork::remote(const flow::Connection& connection, int side) const {
  if (!connection.gated()) return local(connection, 1 - side);
  const Seen& seen = seen_.at(&connection);
  return side == 0 ? seen.listener : seen.dialer;
}

// --- Middleboxes on TCP's way

void FlowNetwork::on_connect(flow::Connection& connection, const Endpoint& dialed) {
  seen_[&connection] = {dialed, local(connection, 0)};
}

void FlowNetwork::on_gone(const flow::Connection& connection) { seen_.erase(&connection); }

NatAction FlowNetwork::leaves(flow::Connection& connection, const flow::Burst& burst) {
  const int side = burst.side;
  Seen& seen = seen_.at(&connection);
  const auto passage =
      middleboxes_.leave(kernel().now(), connection.host(side),
                         flow::packet(burst, local(connection, side), remote(connection, side)));
  if (passage.action != NatAction::forward) return passage.action;
  if (side == 0) seen.dialer = passage.packet.source;
  // Hairpinned: the far end of the box was passed too.
  if (side == 0 && passage.packet.destination != seen.listener) {
    connection.redirect(1, passage.host, passage.packet.destination.port);
  }
  return passage.action;
}

NatAction FlowNetwork::arrives(flow::Connection& connection, const flow::Burst& burst) {
  const int from = burst.side, to = 1 - from;
  const Seen& seen = seen_.at(&connection);
  const Endpoint& source = from == 0 ? seen.dialer : seen.listener;
  const Endpoint& destination = from == 0 ? seen.listener : seen.dialer;
  const auto passage = middleboxes_.arrive(kernel().now(), connection.host(from), connection.host(to),
                                           flow::packet(burst, source, destination));
  const bool opens = from == 0 && burst.syn;
  if (passage.action == NatAction::forward && opens && passage.packet.destination != destination) {
    connection.redirect(1, passage.host, passage.packet.destination.port);
  }
  return passage.action;
}

}  // namespace mesocosm
