#include "stack/transport/tcp_transport.h"

#include <algorithm>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "stack/env/fault_points.h"
#include "stack/transport/crowd_control.h"

namespace mesocosm {
namespace {

// /ip4|ip6/... or /dns|dns4|dns6/..., /tcp/..., perhaps /ws, perhaps /p2p.
struct TcpAddress {
  std::optional<IpAddress> ip;  // none: `name` has to be resolved
  std::string name;
  RecordType type = RecordType::address;
  std::uint16_t port = 0;
  bool websocket = false;

  std::string host() const {
    return ip ? Endpoint{*ip, port}.to_string() : name + ":" + std::to_string(port);
  }
};

std::optional<TcpAddress> tcp_address(const Multiaddr& whole) {
  const Multiaddr address = whole.without_peer();
  MultiaddrReader part(address);
  TcpAddress found;
  if (!part.next()) return std::nullopt;
  switch (part.code()) {
    case AddressCode::ip4:
    case AddressCode::ip6:
      found.ip = part.ip();
      break;
    case AddressCode::dns:
      break;
    case AddressCode::dns4:
      found.type = RecordType::address_v4;
      break;
    case AddressCode::dns6:
      found.type = RecordType::address_v6;
      break;
    default:
      return std::nullopt;
  }
  if (!found.ip) found.name = part.text();
  if (!part.next() || part.code() != AddressCode::tcp) return std::nullopt;
  found.port = part.port();
  if (!part.next()) return found;
  found.websocket = true;
  if (part.code() != AddressCode::ws || part.next()) return std::nullopt;
  return found;
}

Error not_tcp(const Multiaddr& address) {
  return {ErrorCode::unsupported, "not a TCP or WebSocket address: " + address.to_string()};
}

}  // namespace

// resolving (names only) ──▶ trying one endpoint after the other ──▶ connected, or the last one's error
class TcpTransport::TcpDial final : public Dial,
                                    public UpgradedConnection::Observer,
                                    private Resolution::Events {
 public:
  TcpDial(TcpTransport& transport, const Multiaddr& address, const PeerId* peer, Dial::Events& events)
      : transport_(transport), events_(events), address_(address.without_peer()) {
    const std::optional<PeerId> named_peer = address.peer();
    if (peer != nullptr) peer_ = *peer;
    if (peer != nullptr && named_peer && *named_peer != *peer) {
      fail_later({ErrorCode::peer_mismatch, "the address names another peer"});
      return;
    }
    if (named_peer) peer_ = *named_peer;
    const auto target = tcp_address(address);
    if (!target) {
      fail_later(not_tcp(address));
      return;
    }
    target_ = *target;
    if (target_.ip) {
      endpoints_.push_back({*target_.ip, target_.port});
      try_next();
    } else {
      resolution_ = transport_.env_.network.resolve(target_.name, target_.type, *this);
    }
  }

 private:
  void try_next() {
    const Endpoint endpoint = endpoints_[tried_++];
    connection_ = std::make_unique<UpgradedConnection>(transport_.context_, Direction::outbound,
                                                       peer_.empty() ? nullptr : &peer_, address_, *this);
    connection_->attach(connect(endpoint, connection_->stream_events()));
  }

  std::unique_ptr<ByteStream> connect(const Endpoint& endpoint, ByteStream::Events& events) {
    Env& env = transport_.env_;
    if (!target_.websocket) return env.network.connect(endpoint, events);
    return WebSocketStream::connect(env, endpoint, target_.host(), events, transport_.overhead());
  }

  void on_upgraded(UpgradedConnection&) override { events_.on_connected(std::move(connection_)); }

  void on_upgrade_failed(UpgradedConnection&, Error error) override {
    if (tried_ < endpoints_.size()) {
      try_next();
    } else {
      events_.on_failed(std::move(error));
    }
  }

  void on_resolved(std::vector<IpAddress> addresses) override {
    for (const IpAddress& ip : addresses) endpoints_.push_back({ip, target_.port});
    try_next();
  }
  void on_text(std::vector<std::string>) override { on_failed({ErrorCode::not_found, "no addresses"}); }
  void on_failed(Error error) override { events_.on_failed(std::move(error)); }

  void fail_later(Error error) {
    error_ = std::move(error);
    transport_.env_.clock.arm(failure_, transport_.env_.clock.now());
  }
  void on_failure() { events_.on_failed(std::move(error_)); }

  TcpTransport& transport_;
  Dial::Events& events_;
  Multiaddr address_;
  TcpAddress target_;
  PeerId peer_;  // empty: anybody
  std::unique_ptr<Resolution> resolution_;
  std::vector<Endpoint> endpoints_;
  std::size_t tried_ = 0;
  std::unique_ptr<UpgradedConnection> connection_;
  Error error_;
  MemberTimer<&TcpDial::on_failure> failure_{*this};
};

class TcpTransport::TcpListening final : public Listening,
                                         private Listener::Events,
                                         public UpgradedConnection::Observer {
 public:
  TcpListening(TcpTransport& transport, bool websocket, Listening::Events& events)
      : transport_(transport), events_(events), websocket_(websocket) {}

  Result<void> start(const Endpoint& at) {
    auto listener = transport_.env_.network.listen(at, *this);
    if (!listener) return tl::unexpected<Error>(std::move(listener.error()));
    listener_ = std::move(*listener);
    return {};
  }

  Multiaddr address() const override { return address_of(listener_->local()); }

 private:
  struct Pending {
    IpAddress source;
    std::unique_ptr<UpgradedConnection> connection;
  };

  Multiaddr address_of(const Endpoint& endpoint) const {
    return websocket_ ? Multiaddr::websocket(endpoint) : Multiaddr::tcp(endpoint);
  }

  void on_accept(std::unique_ptr<ByteStream> stream) override {
    const Endpoint remote = stream->remote();
    if (MC_FAULT_POINT(transport_.env_.entropy, transport_accept)) {
      return events_.on_refused(address_of(remote), injected(ErrorCode::limit));
    }
    auto& handshake = pending_.emplace_back(
        Pending{remote.ip, std::make_unique<UpgradedConnection>(transport_.context_, Direction::inbound,
                                                                nullptr, address_of(remote), *this)});
    if (websocket_)
      stream = WebSocketStream::accept(transport_.env_, std::move(stream), transport_.overhead());
    handshake.connection->attach(std::move(stream));
    if (pending_.size() > transport_.max_pending_inbound_) drop_one();
  }

  void on_accept_failed(const Error& error) override { events_.on_refused({}, error); }

  // The peer sees a reset.
  void drop_one() {
    std::vector<IpAddress> sources;
    sources.reserve(pending_.size());
    for (const Pending& pending : pending_) sources.push_back(pending.source);
    const auto at = pending_.begin() + static_cast<std::ptrdiff_t>(crowded_out(sources));
    const auto dropped = std::move(at->connection);
    pending_.erase(at);
    events_.on_refused(dropped->info().remote, {ErrorCode::limit, "too many handshakes under way"});
  }

  void on_upgraded(UpgradedConnection& connection) override { events_.on_connection(take(connection)); }
  void on_upgrade_failed(UpgradedConnection& connection, Error error) override {
    const auto failed = take(connection);
    events_.on_refused(failed->info().remote, error);
  }

  std::unique_ptr<UpgradedConnection> take(UpgradedConnection& connection) {
    const auto at = std::find_if(pending_.begin(), pending_.end(), [&](const Pending& pending) {
      return pending.connection.get() == &connection;
    });
    auto taken = std::move(at->connection);
    pending_.erase(at);
    return taken;
  }

  TcpTransport& transport_;
  Listening::Events& events_;
  std::unique_ptr<Listener> listener_;
  std::vector<Pending> pending_;  // in order of arrival
  bool websocket_;
};

TcpTransport::TcpTransport(Env& env, const KeyPair& identity, const ProtocolTable& protocols,
                           TcpOptions options, TrafficCounters* traffic)
    : env_(env),
      context_(env, identity, protocols, traffic == nullptr ? own_traffic_ : *traffic,
               std::move(options.upgrade)),
      max_pending_inbound_(options.max_pending_inbound) {}

bool TcpTransport::can_dial(const Multiaddr& address) const { return tcp_address(address).has_value(); }

std::unique_ptr<Dial> TcpTransport::dial(const Multiaddr& address, const PeerId* peer, Dial::Events& events) {
  return std::make_unique<TcpDial>(*this, address, peer, events);
}

Result<std::unique_ptr<Listening>> TcpTransport::listen(const Multiaddr& address, Listening::Events& events) {
  const auto at = tcp_address(address);
  if (!at || !at->ip) return tl::unexpected<Error>(not_tcp(address));
  auto listening = std::make_unique<TcpListening>(*this, at->websocket, events);
  if (auto started = listening->start({*at->ip, at->port}); !started) {
    return tl::unexpected<Error>(std::move(started.error()));
  }
  return listening;
}

WebSocketOverhead TcpTransport::overhead() { return {context_.traffic.wire.in, context_.traffic.wire.out}; }

}  // namespace mesocosm
