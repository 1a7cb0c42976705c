#include "stack/swarm/swarm.h"

#include <algorithm>
#include <utility>

#include "stack/base/assert.h"
#include "stack/env/fault_points.h"
#include "stack/swarm/swarm_metrics.h"
#include "stack/transport/labels.h"

namespace mesocosm {

namespace {

constexpr std::uint32_t kResourceLimit = 0x1001;  // go-libp2p's connection error code for a refusal
constexpr std::size_t kMaxGoodbyes = 64;          // refused connections that are still saying why

// Connections keep the time of their opening in ticks: fine enough for how long they lived.
constexpr Duration kTick = Duration(1s) / 64;
std::uint32_t ticks(Time at) { return static_cast<std::uint32_t>(at.time_since_epoch() / kTick); }
Duration since(std::uint32_t opened, Time now) { return (ticks(now) - opened) * kTick; }

}  // namespace

struct Swarm::Impl final : ProtocolTable {
  struct Link;
  struct PeerDial;
  struct Attempt;
  struct Listen;

  Impl(Env& environment, const PeerId& self, const SwarmLimits& bounds);
  ~Impl() override;

  // ProtocolTable.
  ProtocolId find(std::string_view offered) const override;

  // Dialing.
  PeerDial* dial_of(const PeerId& peer);
  void pump();
  void start(PeerDial& dial);
  void fail_dial(PeerDial& dial, const Error& error);
  std::unique_ptr<PeerDial> take(PeerDial& dial);
  void on_dialed(PeerDial& dial, std::unique_ptr<Connection> connection);

  // Connections.
  struct Limit {
    Error error;             // ok(): none was reached
    std::string_view scope;  // for metrics
  };
  Limit over_limit(const PeerId& peer, Direction direction) const;
  void add(std::unique_ptr<Connection> connection);
  void refuse(std::unique_ptr<Connection> connection, const Limit& limit);
  void on_inbound(std::unique_ptr<Connection> connection);
  void on_stream(std::unique_ptr<Stream> stream);
  void on_closed(Link& link, const Error& error);
  void count_end(const Link& link, ErrorCode why);
  template <class Visit>
  void each_link(const PeerId& peer, Visit&& visit) const;  // oldest first
  Link* oldest(const PeerId& peer) const;                   // that is not closing
  std::size_t links_of(const PeerId& peer) const;
  Transport* transport_for(const Multiaddr& address) const;
  void bury(std::unique_ptr<Link> link);
  void bury(std::unique_ptr<PeerDial> dial);
  void empty_graveyard();
  template <class Notify>
  void tell(Notify&& notify) {  // observers may come during it; those that went are null
    for (std::size_t i = 0; i < observers.size(); ++i) {
      if (observers[i] != nullptr) notify(*observers[i]);
    }
  }

  struct Spoken {
    ProtocolId protocol;
    ProtocolHandler* handler;
  };

  Env& env;
  SwarmMetrics& metrics;
  PeerId local;
  SwarmLimits limits;
  PeerStore peers;
  std::vector<std::unique_ptr<Transport>> transports;
  std::vector<std::unique_ptr<Listen>> listens;
  std::vector<SwarmObserver*> observers;
  std::vector<Spoken> spoken;                    // in order of registration
  std::vector<std::unique_ptr<Link>> links;      // by (hash of peer, sequence)
  std::vector<std::unique_ptr<Link>> goodbyes;   // refused, until they are closed
  std::vector<std::unique_ptr<PeerDial>> dials;  // first come, first started
  std::vector<std::unique_ptr<Link>> dead_links;
  std::vector<std::unique_ptr<PeerDial>> dead_dials;
  std::uint32_t next_sequence = 0;
  std::uint32_t inbound = 0;
  std::uint32_t dials_started = 0;
  MemberTask<&Impl::pump> pump_task{*this};
  MemberTask<&Impl::empty_graveyard> graveyard_task{*this};
};

// One connection of ours.
struct Swarm::Impl::Link final : Connection::Events {
  Link(Impl& owner, std::unique_ptr<Connection> made)
      : swarm(owner), connection(std::move(made)), hash(peer().hash()) {
    connection->set_events(*this);
  }
  const PeerId& peer() const { return connection->info().peer; }
  void on_stream(std::unique_ptr<Stream> stream) override {
    if (!refused) swarm.on_stream(std::move(stream));
  }
  void on_closed(Error error) override { swarm.on_closed(*this, error); }

  Impl& swarm;
  std::unique_ptr<Connection> connection;
  std::uint64_t hash;
  std::uint32_t opened = 0;         // when, see ticks()
  std::uint32_t sequence : 30 = 0;  // order of connecting
  bool closing : 1 = false;
  bool refused : 1 = false;
};

struct Swarm::Impl::Attempt final : Dial::Events {
  Attempt(PeerDial& owner, std::size_t which);
  ~Attempt();
  void on_connected(std::unique_ptr<Connection> connection) override;
  void on_failed(Error error) override;

  PeerDial& dial;
  std::size_t address;
  bool failed = false;
  Time begun;
  std::unique_ptr<Dial> under_way;
};

// The addresses of one peer, tried in order: the next one starts when one fails or a stagger has passed, and
// the first connection wins.
//
//   waiting --start--> under way --first connected--> add the link
//                          |------every one failed, or the time is up--> on_dial_failed
struct Swarm::Impl::PeerDial {
  PeerDial(Impl& owner, const PeerId& whom) : swarm(owner), peer(whom), hash(whom.hash()) {
    swarm.metrics.pending_dials().add();
  }
  ~PeerDial() { swarm.metrics.pending_dials().sub(); }

  void add_addresses(std::span<const Multiaddr> more);
  void try_next();
  void on_attempt_failed(Attempt& attempt, const Error& error);
  void on_deadline();

  Impl& swarm;
  PeerId peer;
  std::uint64_t hash;
  bool started = false;
  Time begun{};  // meaningful when started
  std::vector<Multiaddr> addresses;
  std::size_t next = 0;
  std::size_t active = 0;
  std::vector<std::unique_ptr<Attempt>> attempts;
  Error last{ErrorCode::unsupported, "no transport for its addresses"};
  MemberTimer<&PeerDial::try_next> stagger{*this};
  MemberTimer<&PeerDial::on_deadline> deadline{*this};
};

struct Swarm::Impl::Listen final : Listening::Events {
  explicit Listen(Impl& owner) : swarm(owner) {}
  void on_connection(std::unique_ptr<Connection> connection) override {
    swarm.on_inbound(std::move(connection));
  }
  void on_refused(const Multiaddr& remote, const Error& error) override {
    swarm.metrics.inbound_failed(remote, error.code);
    MC_LOG(swarm.env.log, swarm, debug, "inbound connection failed", {"address", remote.to_string()},
           {"error", error.message()});
    swarm.tell([&](SwarmObserver& observer) { observer.on_inbound_failed(remote, error); });
  }

  Impl& swarm;
  std::unique_ptr<Listening> listening;
};

Swarm::Impl::Impl(Env& environment, const PeerId& self, const SwarmLimits& bounds)
    : env(environment), metrics(env.metrics.of<SwarmMetrics>()), local(self), limits(bounds) {}
Swarm::Impl::~Impl() {
  for (const auto& link : links) count_end(*link, ErrorCode::cancelled);
}

// ---- Protocols ----

ProtocolId Swarm::Impl::find(std::string_view offered) const {
  for (const Spoken& entry : spoken) {
    if (entry.protocol == offered) return entry.protocol;
  }
  return {};
}

void Swarm::Impl::on_stream(std::unique_ptr<Stream> stream) {
  const ProtocolId protocol = stream->protocol();
  for (const Spoken& entry : spoken) {
    if (entry.protocol == protocol) return entry.handler->on_stream(std::move(stream));
  }
  stream->reset();  // unhandled between its negotiation and now
}

// ---- Dialing ----

Swarm::Impl::PeerDial* Swarm::Impl::dial_of(const PeerId& peer) {
  const std::uint64_t hash = peer.hash();
  for (const auto& dial : dials) {
    if (dial->hash == hash && dial->peer == peer) return dial.get();
  }
  return nullptr;
}

// Starts those that wait, as far as the limit allows. At the end of the turn, so that nobody is called back
// inside dial().
void Swarm::Impl::pump() {
  for (std::size_t i = 0; i < dials.size() && dials_started < limits.pending_dials;) {
    PeerDial& dial = *dials[i];
    if (!dial.started) start(dial);
    if (i < dials.size() && dials[i].get() == &dial) ++i;
  }
}

void Swarm::Impl::start(PeerDial& dial) {
  dial.started = true;
  dial.begun = env.clock.now();
  ++dials_started;
  if (oldest(dial.peer) != nullptr) return bury(take(dial));  // it came to us while this waited
  if (dial.peer == local) return fail_dial(dial, {ErrorCode::unsupported, "this is ourselves"});
  if (links.size() >= limits.connections) {
    metrics.refused(Direction::outbound, "system");
    return fail_dial(dial, {ErrorCode::limit, "connections: " + std::to_string(limits.connections)});
  }
  dial.add_addresses(peers.addresses(dial.peer));
  if (dial.addresses.empty()) return fail_dial(dial, {ErrorCode::not_found, "no address known"});
  if (MC_FAULT_POINT(env.entropy, swarm_dial)) return fail_dial(dial, injected(ErrorCode::unreachable));
  env.clock.arm_after(dial.deadline, limits.dial_timeout);
  dial.try_next();
}

void Swarm::Impl::PeerDial::add_addresses(std::span<const Multiaddr> more) {
  for (const Multiaddr& address : more) {
    if (addresses.size() == PeerStore::kMaxAddressesPerPeer) return;
    const auto named = address.peer();
    if (named && *named != peer) continue;
    Multiaddr plain = named ? address.without_peer() : address;
    if (std::find(addresses.begin(), addresses.end(), plain) == addresses.end())
      addresses.push_back(std::move(plain));
  }
}

void Swarm::Impl::PeerDial::try_next() {
  while (next < addresses.size()) {
    const std::size_t which = next++;
    Transport* transport = swarm.transport_for(addresses[which]);
    if (transport == nullptr) continue;
    Attempt& attempt = *attempts.emplace_back(std::make_unique<Attempt>(*this, which));
    attempt.under_way = transport->dial(addresses[which], &peer, attempt);
    ++active;
    if (next < addresses.size() && active < swarm.limits.parallel_addresses) {
      swarm.env.clock.arm_after(stagger, swarm.limits.dial_stagger);
    }
    return;
  }
  if (active == 0) swarm.fail_dial(*this, last);
}

void Swarm::Impl::PeerDial::on_attempt_failed(Attempt& attempt, const Error& error) {
  --active;
  attempt.failed = true;
  swarm.metrics.address_failed(addresses[attempt.address], error.code);
  MC_LOG(swarm.env.log, swarm, debug, "address failed", {"peer", peer.to_string()},
         {"address", addresses[attempt.address].to_string()}, {"error", error.message()});
  last = error;
  last.detail = addresses[attempt.address].to_string() + (error.detail.empty() ? "" : ": " + error.detail);
  try_next();
}

void Swarm::Impl::PeerDial::on_deadline() {
  for (const auto& attempt : attempts) {
    if (!attempt->failed) swarm.metrics.address_failed(addresses[attempt->address], ErrorCode::timeout);
  }
  swarm.fail_dial(
      *this, {ErrorCode::timeout, "none of " + std::to_string(addresses.size()) + " addresses answered"});
}

Swarm::Impl::Attempt::Attempt(PeerDial& owner, std::size_t which)
    : dial(owner), address(which), begun(owner.swarm.env.clock.now()) {
  dial.swarm.metrics.attempts().add();
}
Swarm::Impl::Attempt::~Attempt() { dial.swarm.metrics.attempts().sub(); }

void Swarm::Impl::Attempt::on_connected(std::unique_ptr<Connection> connection) {
  if (connection->info().peer != dial.peer) {
    return dial.on_attempt_failed(*this, {ErrorCode::peer_mismatch, connection->info().peer.to_string()});
  }
  dial.swarm.metrics.handshake_done(connection->info(), dial.swarm.env.clock.now() - begun);
  dial.swarm.on_dialed(dial, std::move(connection));
}

void Swarm::Impl::Attempt::on_failed(Error error) { dial.on_attempt_failed(*this, error); }

std::unique_ptr<Swarm::Impl::PeerDial> Swarm::Impl::take(PeerDial& dial) {
  const auto at =
      std::find_if(dials.begin(), dials.end(), [&](const auto& other) { return other.get() == &dial; });
  MC_ASSERT(at != dials.end());
  std::unique_ptr<PeerDial> taken = std::move(*at);
  dials.erase(at);
  if (taken->started) --dials_started;
  env.clock.disarm(taken->stagger);
  env.clock.disarm(taken->deadline);
  if (!dials.empty()) env.clock.defer(pump_task);
  return taken;
}

void Swarm::Impl::fail_dial(PeerDial& dial, const Error& error) {
  const PeerId peer = dial.peer;
  metrics.dial_ended(false, dial.attempts.size(), env.clock.now() - dial.begun);
  bury(take(dial));
  env.trace.record({TraceKind::dial_failed, peer.hash(), 0, static_cast<std::uint64_t>(error.code)});
  MC_LOG(env.log, swarm, debug, "dial failed", {"peer", peer.to_string()}, {"error", error.message()});
  tell([&](SwarmObserver& observer) { observer.on_dial_failed(peer, error); });
}

void Swarm::Impl::on_dialed(PeerDial& dial, std::unique_ptr<Connection> connection) {
  const Limit limit = over_limit(dial.peer, Direction::outbound);
  if (limit.error.ok() || links_of(dial.peer) > 0) {
    metrics.dial_ended(true, dial.attempts.size(), env.clock.now() - dial.begun);
    bury(take(dial));
  } else {
    fail_dial(dial, limit.error);
  }
  if (limit.error.ok()) {
    add(std::move(connection));
  } else {
    refuse(std::move(connection), limit);
  }
}

// ---- Connections ----

Swarm::Impl::Limit Swarm::Impl::over_limit(const PeerId& peer, Direction direction) const {
  const auto full = [](const char* what, std::size_t limit, std::string_view scope) {
    return Limit{{ErrorCode::limit, std::string(what) + ": " + std::to_string(limit)}, scope};
  };
  if (links.size() >= limits.connections) return full("connections", limits.connections, "system");
  if (direction == Direction::inbound && inbound >= limits.inbound) {
    return full("inbound", limits.inbound, "system");
  }
  if (links_of(peer) >= limits.per_peer) return full("per_peer", limits.per_peer, "peer");
  return {};
}

void Swarm::Impl::on_inbound(std::unique_ptr<Connection> connection) {
  const PeerId peer = connection->info().peer;
  Limit limit = over_limit(peer, Direction::inbound);
  if (peer == local) limit = {{ErrorCode::limit, "this is ourselves"}, "peer"};
  if (limit.error.ok()) return add(std::move(connection));
  refuse(std::move(connection), limit);
  tell([&](SwarmObserver& observer) { observer.on_refused(peer, limit.error); });
}

void Swarm::Impl::refuse(std::unique_ptr<Connection> connection, const Limit& limit) {
  const ConnectionInfo& info = connection->info();
  metrics.refused(info.direction, limit.scope);
  MC_LOG(env.log, swarm, info, "connection refused", {"peer", info.peer.to_string()},
         {"dir", direction_label(info.direction)}, {"address", info.remote.to_string()},
         {"error", limit.error.message()});
  if (goodbyes.size() >= kMaxGoodbyes) return;  // dropped without a word
  auto& link = *goodbyes.emplace_back(std::make_unique<Link>(*this, std::move(connection)));
  link.refused = true;
  link.connection->close(kResourceLimit);
}

void Swarm::Impl::add(std::unique_ptr<Connection> connection) {
  static_assert(sizeof(Link) == 40);
  auto made = std::make_unique<Link>(*this, std::move(connection));
  Link& link = *made;
  link.sequence = next_sequence++;
  const PeerId peer = link.peer();
  const bool first = links_of(peer) == 0;
  const auto at = std::upper_bound(links.begin(), links.end(), link.hash,
                                   [](std::uint64_t hash, const auto& other) { return hash < other->hash; });
  links.insert(at, std::move(made));
  const ConnectionInfo& info = link.connection->info();
  if (info.direction == Direction::inbound) ++inbound;
  peers.pin(peer, true);
  link.opened = ticks(env.clock.now());
  metrics.opened(info);
  env.trace.record(
      {TraceKind::connected, link.hash, 0, info.direction == Direction::outbound ? 1u : 0u, info.security});
  MC_LOG(env.log, swarm, debug, "connection opened", {"peer", peer.to_string()},
         {"dir", direction_label(info.direction)}, {"address", info.remote.to_string()},
         {"security", info.security}, {"muxer", info.muxer});
  if (first) tell([&](SwarmObserver& observer) { observer.on_peer_connected(peer); });
  tell([&](SwarmObserver& observer) { observer.on_connection(*link.connection); });
}

void Swarm::Impl::on_closed(Link& link, const Error& error) {
  auto& home = link.refused ? goodbyes : links;
  const auto at =
      std::find_if(home.begin(), home.end(), [&](const auto& other) { return other.get() == &link; });
  MC_ASSERT(at != home.end());
  std::unique_ptr<Link> gone = std::move(*at);
  home.erase(at);
  bury(std::move(gone));  // alive to the end of the turn
  if (link.refused) return;
  if (link.connection->info().direction == Direction::inbound) --inbound;
  count_end(link, error.code);
  env.trace.record({TraceKind::disconnected, link.hash, 0, static_cast<std::uint64_t>(error.code)});
  MC_LOG(env.log, swarm, debug, "connection closed", {"peer", link.peer().to_string()},
         {"dir", direction_label(link.connection->info().direction)}, {"error", error.message()},
         {"seconds", since(link.opened, env.clock.now())});
  tell([&](SwarmObserver& observer) { observer.on_connection_closed(*link.connection, error); });
  if (links_of(link.peer()) > 0) return;
  peers.pin(link.peer(), false);
  tell([&](SwarmObserver& observer) { observer.on_peer_disconnected(link.peer()); });
}

void Swarm::Impl::count_end(const Link& link, ErrorCode why) {
  metrics.closed(link.connection->info(), since(link.opened, env.clock.now()), why);
}

template <class Visit>
void Swarm::Impl::each_link(const PeerId& peer, Visit&& visit) const {
  const std::uint64_t hash = peer.hash();
  auto at = std::lower_bound(links.begin(), links.end(), hash,
                             [](const auto& link, std::uint64_t value) { return link->hash < value; });
  for (; at != links.end() && (*at)->hash == hash; ++at) {
    if ((*at)->peer() == peer) visit(**at);
  }
}

Swarm::Impl::Link* Swarm::Impl::oldest(const PeerId& peer) const {
  Link* first = nullptr;
  each_link(peer, [&](Link& link) {
    if (first == nullptr && !link.closing) first = &link;
  });
  return first;
}

std::size_t Swarm::Impl::links_of(const PeerId& peer) const {
  std::size_t count = 0;
  each_link(peer, [&](Link&) { ++count; });
  return count;
}

Transport* Swarm::Impl::transport_for(const Multiaddr& address) const {
  for (const auto& transport : transports) {
    if (transport->can_dial(address)) return transport.get();
  }
  return nullptr;
}

// What ends inside its own callback lives to the end of the turn.
void Swarm::Impl::bury(std::unique_ptr<Link> link) {
  dead_links.push_back(std::move(link));
  env.clock.defer(graveyard_task);
}
void Swarm::Impl::bury(std::unique_ptr<PeerDial> dial) {
  dead_dials.push_back(std::move(dial));
  env.clock.defer(graveyard_task);
}
void Swarm::Impl::empty_graveyard() {
  std::exchange(dead_links, {}).clear();
  std::exchange(dead_dials, {}).clear();
  std::erase(observers, nullptr);
}

// ---- The public face ----

Swarm::Swarm(Env& env, PeerId local, SwarmLimits limits)
    : impl_(std::make_unique<Impl>(env, local, limits)) {}
Swarm::~Swarm() = default;

const PeerId& Swarm::local_peer() const { return impl_->local; }
const SwarmLimits& Swarm::limits() const { return impl_->limits; }
PeerStore& Swarm::peers() { return impl_->peers; }
const PeerStore& Swarm::peers() const { return impl_->peers; }
const ProtocolTable& Swarm::protocol_table() const { return *impl_; }

void Swarm::add_transport(std::unique_ptr<Transport> transport) {
  impl_->transports.push_back(std::move(transport));
}

Result<Multiaddr> Swarm::listen(const Multiaddr& address) {
  Error why{ErrorCode::unsupported, "no transport for " + address.to_string()};
  for (const auto& transport : impl_->transports) {
    auto listen = std::make_unique<Impl::Listen>(*impl_);
    auto listening = transport->listen(address, *listen);
    if (listening) {
      listen->listening = std::move(*listening);
      const Multiaddr bound = impl_->listens.emplace_back(std::move(listen))->listening->address();
      MC_LOG(impl_->env.log, swarm, info, "listening", {"address", bound.to_string()});
      impl_->tell([](SwarmObserver& observer) { observer.on_self_changed(); });
      return bound;
    }
    if (listening.error().code != ErrorCode::unsupported) return tl::unexpected(listening.error());
    why = listening.error();
  }
  return tl::unexpected(why);
}

std::vector<Multiaddr> Swarm::listen_addresses() const {
  std::vector<Multiaddr> addresses;
  for (const auto& listen : impl_->listens) {
    const Multiaddr address = listen->listening->address();
    MultiaddrReader first(address);
    const auto at = first.next() ? first.ip() : std::nullopt;
    if (!at || !at->is_unspecified()) {
      addresses.push_back(address);
      continue;
    }
    for (const IpAddress& ip : impl_->env.network.local_addresses()) {
      if (ip.is_v4() == at->is_v4()) addresses.push_back(address.with_ip(ip));
    }
  }
  return addresses;
}

void Swarm::dial(const PeerId& peer, std::span<const Multiaddr> addresses) {
  if (impl_->oldest(peer) != nullptr) return;
  Impl::PeerDial* dial = impl_->dial_of(peer);
  if (dial == nullptr) {
    dial = impl_->dials.emplace_back(std::make_unique<Impl::PeerDial>(*impl_, peer)).get();
    impl_->env.clock.defer(impl_->pump_task);
  }
  dial->add_addresses(addresses);
}

void Swarm::disconnect(const PeerId& peer) {
  impl_->each_link(peer, [](Impl::Link& link) {
    if (link.closing) return;
    link.closing = true;
    link.connection->close();
  });
}

bool Swarm::connected(const PeerId& peer) const { return impl_->links_of(peer) > 0; }

std::vector<PeerId> Swarm::connected_peers() const {
  std::vector<const Impl::Link*> order;
  for (const auto& link : impl_->links) {
    const bool again = std::any_of(order.rbegin(), order.rend(), [&](const Impl::Link* other) {
      return other->hash == link->hash && other->peer() == link->peer();
    });
    if (!again) order.push_back(link.get());
  }
  std::sort(order.begin(), order.end(),
            [](const auto* a, const auto* b) { return a->sequence < b->sequence; });
  std::vector<PeerId> peers;
  peers.reserve(order.size());
  for (const Impl::Link* link : order) peers.push_back(link->peer());
  return peers;
}

std::size_t Swarm::connection_count() const { return impl_->links.size(); }

Connection* Swarm::connection(const PeerId& peer) {
  const Impl::Link* link = impl_->oldest(peer);
  return link != nullptr ? link->connection.get() : nullptr;
}

std::unique_ptr<Stream> Swarm::open(const PeerId& peer, std::span<const ProtocolId> offers,
                                    Stream::Events& events) {
  Connection* through = connection(peer);
  if (through == nullptr || offers.empty()) return nullptr;
  const bool lazy = offers.size() == 1 && impl_->peers.speaks(peer, offers.front());
  return through->open(offers, lazy, events);
}

void Swarm::handle(ProtocolId protocol, ProtocolHandler& handler) {
  for (Impl::Spoken& entry : impl_->spoken) {
    if (entry.protocol == protocol) {
      entry.handler = &handler;
      return;
    }
  }
  impl_->spoken.push_back({protocol, &handler});
  impl_->tell([](SwarmObserver& observer) { observer.on_self_changed(); });
}

void Swarm::unhandle(ProtocolId protocol) {
  const auto same = [protocol](const Impl::Spoken& entry) { return entry.protocol == protocol; };
  if (std::erase_if(impl_->spoken, same) == 0) return;
  impl_->tell([](SwarmObserver& observer) { observer.on_self_changed(); });
}

std::vector<ProtocolId> Swarm::protocols() const {
  std::vector<ProtocolId> list;
  for (const Impl::Spoken& entry : impl_->spoken) list.push_back(entry.protocol);
  return list;
}

void Swarm::observe(SwarmObserver& observer) { impl_->observers.push_back(&observer); }

void Swarm::unobserve(SwarmObserver& observer) {
  std::replace(impl_->observers.begin(), impl_->observers.end(), &observer,
               static_cast<SwarmObserver*>(nullptr));
  impl_->env.clock.defer(impl_->graveyard_task);
}

void Swarm::set_peer_protocols(const PeerId& peer, const std::vector<std::string>& protocols) {
  const bool known = impl_->peers.knows_protocols(peer);
  const std::vector<std::string> before = impl_->peers.protocols(peer);
  impl_->peers.set_protocols(peer, protocols);
  if (known && impl_->peers.protocols(peer) == before) return;
  impl_->tell([&](SwarmObserver& observer) { observer.on_peer_protocols(peer); });
}

}  // namespace mesocosm
