#include "stack/transport/tcp_transport.h"

#include <algorithm>
#include <charconv>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "stack/transport/crowd_control.h"

namespace mesocosm {
namespace {

// A name and a port: /dns4/example.org/tcp/4001 with nothing but /p2p behind.
struct NamedEndpoint {
  std::string name;
  RecordType type = RecordType::address;
  std::uint16_t port = 0;
};

std::string_view next_part(std::string_view& text) {  // "/a/b" gives "a" and leaves "/b"
  if (text.empty() || text.front() != '/') return {};
  text.remove_prefix(1);
  const std::string_view part = text.substr(0, text.find('/'));
  text.remove_prefix(part.size());
  return part;
}

std::optional<NamedEndpoint> named_endpoint(const Multiaddr& address) {
  const std::string whole = address.without_peer().to_string();
  std::string_view text = whole;
  NamedEndpoint named;
  const std::string_view kind = next_part(text);
  if (kind == "dns4") {
    named.type = RecordType::address_v4;
  } else if (kind == "dns6") {
    named.type = RecordType::address_v6;
  } else if (kind != "dns") {
    return std::nullopt;
  }
  named.name = next_part(text);
  if (named.name.empty() || next_part(text) != "tcp") return std::nullopt;
  const std::string_view port = next_part(text);
  const auto parsed = std::from_chars(port.data(), port.data() + port.size(), named.port);
  if (port.empty() || parsed.ec != std::errc() || parsed.ptr != port.data() + port.size() || !text.empty()) {
    return std::nullopt;
  }
  return named;
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
    if (const auto endpoint = address.tcp_endpoint()) {
      endpoints_.push_back(*endpoint);
      try_next();
    } else if (const auto named = named_endpoint(address)) {
      port_ = named->port;
      resolution_ = transport_.env_.network.resolve(named->name, named->type, *this);
    } else {
      fail_later({ErrorCode::unsupported, "not a TCP address: " + address.to_string()});
    }
  }

 private:
  void try_next() {
    const Endpoint endpoint = endpoints_[tried_++];
    connection_ = std::make_unique<UpgradedConnection>(transport_.context_, Direction::outbound,
                                                       peer_.empty() ? nullptr : &peer_, address_, *this);
    connection_->attach(transport_.env_.network.connect(endpoint, connection_->stream_events()));
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
    for (const IpAddress& ip : addresses) endpoints_.push_back({ip, port_});
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
  PeerId peer_;  // empty: anybody
  std::unique_ptr<Resolution> resolution_;
  std::vector<Endpoint> endpoints_;
  std::size_t tried_ = 0;
  std::uint16_t port_ = 0;
  std::unique_ptr<UpgradedConnection> connection_;
  Error error_;
  MemberTimer<&TcpDial::on_failure> failure_{*this};
};

class TcpTransport::TcpListening final : public Listening,
                                         private Listener::Events,
                                         public UpgradedConnection::Observer {
 public:
  TcpListening(TcpTransport& transport, Listening::Events& events) : transport_(transport), events_(events) {}

  Result<void> start(const Endpoint& at) {
    auto listener = transport_.env_.network.listen(at, *this);
    if (!listener) return tl::unexpected<Error>(std::move(listener.error()));
    listener_ = std::move(*listener);
    return {};
  }

  Multiaddr address() const override { return Multiaddr::tcp(listener_->local()); }

 private:
  struct Pending {
    IpAddress source;
    std::unique_ptr<UpgradedConnection> connection;
  };

  void on_accept(std::unique_ptr<ByteStream> stream) override {
    const IpAddress source = stream->remote().ip;
    auto& handshake = pending_.emplace_back(
        Pending{source, std::make_unique<UpgradedConnection>(transport_.context_, Direction::inbound, nullptr,
                                                             Multiaddr{}, *this)});
    handshake.connection->attach(std::move(stream));
    if (pending_.size() > transport_.max_pending_inbound_) drop_one();
  }

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
};

TcpTransport::TcpTransport(Env& env, const KeyPair& identity, const ProtocolTable& protocols,
                           TcpOptions options, TrafficCounters* traffic)
    : env_(env),
      context_(env, identity, protocols, traffic == nullptr ? own_traffic_ : *traffic,
               std::move(options.upgrade)),
      max_pending_inbound_(options.max_pending_inbound) {}

bool TcpTransport::can_dial(const Multiaddr& address) const {
  return address.tcp_endpoint().has_value() || named_endpoint(address).has_value();
}

std::unique_ptr<Dial> TcpTransport::dial(const Multiaddr& address, const PeerId* peer, Dial::Events& events) {
  return std::make_unique<TcpDial>(*this, address, peer, events);
}

Result<std::unique_ptr<Listening>> TcpTransport::listen(const Multiaddr& address, Listening::Events& events) {
  const auto endpoint = address.tcp_endpoint();
  if (!endpoint) return fail(ErrorCode::unsupported, "not a TCP address: " + address.to_string());
  auto listening = std::make_unique<TcpListening>(*this, events);
  if (auto started = listening->start(*endpoint); !started) {
    return tl::unexpected<Error>(std::move(started.error()));
  }
  return listening;
}

}  // namespace mesocosm
