#include "sim/net/nat.h"

#include <algorithm>
#include <array>
#include <string>
#include <vector>

namespace mesocosm {
namespace {

constexpr std::uint16_t kWellKnown = 1024;  // ports below it stay below it (RFC 4787, REQ-3a)
constexpr std::uint16_t kLastPort = 65535;
constexpr Duration kSweep = 1min;  // what nobody asks for any more is forgotten so often
constexpr Duration kSweepWhenFull = 1s;

// As much of the remote endpoint as a behaviour depends on.
Endpoint within(NatScope scope, const Endpoint& remote) {
  switch (scope) {
    case NatScope::endpoint_independent:
      return {};
    case NatScope::address_dependent:
      return {remote.ip, 0};
    case NatScope::address_and_port_dependent:
      return remote;
  }
  return remote;
}

}  // namespace

std::string_view to_string(NatReason reason) {
  static constexpr std::array<std::string_view, kNatReasons> kNames = {
      "none", "no mapping", "filtered", "no session", "no hairpin", "no port", "table full"};
  return kNames[static_cast<std::size_t>(reason)];
}

Result<> NatConfig::validate() const {
  const auto wrong = [](const char* what) { return fail(ErrorCode::limit, std::string("NAT: ") + what); };
  if (std::min({udp_timeout, udp_unanswered_timeout, tcp_established_timeout, tcp_transitory_timeout}) <=
      Duration::zero()) {
    return wrong("timeouts must be longer than zero");
  }
  if (first_port < kWellKnown || first_port > last_port) {
    return wrong("external ports must be a range from 1024 to 65535");
  }
  if (max_sessions == 0) return wrong("the table must have room for a session");
  if (ports == PortAssignment::overloading &&
      (mapping != NatScope::endpoint_independent || filtering != NatScope::address_and_port_dependent)) {
    return wrong(
        "port overloading needs endpoint-independent mapping and address-and-port-dependent filtering");
  }
  return {};
}

Nat::Nat(const NatConfig& config, const IpAddress& external, const Rng& rng)
    : config_(config), external_(external), rng_(rng), next_port_(config.first_port) {}

NatDecision Nat::outbound(Time now, const NatPacket& packet) {
  if (now >= next_sweep_) sweep(now);
  const bool hairpin = translates(packet) && packet.destination.ip == external_;
  if (hairpin && !config_.hairpinning) return {NatAction::drop, NatReason::no_hairpin, {}, {}};
  Use use = find_use(now, packet);
  if (use.session == nullptr) {
    if (const NatReason reason = begin(now, packet, use); reason != NatReason::none) {
      return {NatAction::drop, reason, {}, {}};
    }
  }
  touch(now, *use.mapping, *use.session, packet, true);
  if (!hairpin) return {NatAction::forward, NatReason::none, use.mapping->external, packet.destination};
  // Comes back in from our external endpoint (REQ-9a), and is filtered like anybody's.
  NatPacket back = packet;
  back.source = use.mapping->external;
  NatDecision decision = inbound(now, back);
  decision.hairpinned = true;
  return decision;
}

// Makes the session for an outbound packet that has none, or says why not.
NatReason Nat::begin(Time now, const NatPacket& packet, Use& use) {
  if (packet.protocol == IpProtocol::tcp && !packet.opens()) return NatReason::no_session;
  if (!has_room(now)) return NatReason::table_full;
  use.mapping = find_internal(now, packet);
  if (use.mapping == nullptr) use.mapping = make_mapping(now, packet);
  if (use.mapping == nullptr) return NatReason::no_port;
  use.session = &make_session(*use.mapping, packet.destination);
  return NatReason::none;
}

NatDecision Nat::inbound(Time now, const NatPacket& packet) {
  NatDecision decision = judge(now, packet);
  if (decision.action != NatAction::forward) return decision;
  Mapping& mapping = *by_external_.at(external_key(packet.protocol, packet.destination, packet.source));
  Session* session = find_session(now, mapping, packet.source);
  if (session == nullptr) {
    if (packet.protocol == IpProtocol::udp) {
      admit_datagram(now, mapping, packet.source);
      return decision;
    }
    if (!has_room(now)) return {NatAction::drop, NatReason::table_full, {}, {}};
    session = &make_session(mapping, packet.source);
  }
  touch(now, mapping, *session, packet, false);
  return decision;
}

NatDecision Nat::judge(Time now, const NatPacket& packet) const {
  const Mapping* const mapping = find_external(now, packet);
  if (mapping == nullptr) return rejected(packet, NatReason::no_mapping);
  if (find_session(now, *mapping, packet.source) == nullptr) {
    if (packet.protocol == IpProtocol::tcp && !packet.opens()) return rejected(packet, NatReason::no_session);
    if (!admits(now, *mapping, packet.source)) return rejected(packet, NatReason::filtered);
  }
  return {NatAction::forward, NatReason::none, packet.source, mapping->internal};
}

NatDecision Nat::rejected(const NatPacket& packet, NatReason reason) const {
  const bool refused = config_.refuses && packet.protocol == IpProtocol::tcp && packet.opens();
  return {refused ? NatAction::refuse : NatAction::drop, reason, {}, {}};
}

// --- Finding

Nat::Key Nat::internal_key(const NatPacket& outbound) const {
  const NatScope scope = !translates(outbound)                          ? NatScope::endpoint_independent
                         : config_.ports == PortAssignment::overloading ? NatScope::address_and_port_dependent
                                                                        : config_.mapping;
  return {outbound.protocol, outbound.source, within(scope, outbound.destination)};
}

Nat::Key Nat::external_key(IpProtocol protocol, const Endpoint& external, const Endpoint& remote) const {
  const bool shared =
      config_.translates && external.ip.is_v4() && config_.ports == PortAssignment::overloading;
  return {protocol, external, shared ? remote : Endpoint{}};
}

Nat::Mapping* Nat::find_internal(Time now, const NatPacket& outbound) {
  const auto found = by_internal_.find(internal_key(outbound));
  if (found == by_internal_.end()) return nullptr;
  if (found->second.deadline > now) return &found->second;
  forget(found->second);
  return nullptr;
}

// The session that an outbound packet belongs to. A connection that was taken from the outside goes on from the
// mapping where it was, although a new one to the same remote endpoint might get another.
Nat::Use Nat::find_use(Time now, const NatPacket& outbound) {
  Mapping* const usual = find_internal(now, outbound);
  Session* const session = usual != nullptr ? find_session(now, *usual, outbound.destination) : nullptr;
  if (session != nullptr || outbound.protocol != IpProtocol::tcp) return {usual, session};
  if (config_.mapping == NatScope::endpoint_independent) return {usual, nullptr};
  for (auto at = by_internal_.lower_bound({outbound.protocol, outbound.source, {}});
       at != by_internal_.end() && at->first.protocol == outbound.protocol &&
       at->first.own == outbound.source;
       ++at) {
    if (Session* const taken = find_session(now, at->second, outbound.destination))
      return {&at->second, taken};
  }
  return {usual, nullptr};
}

const Nat::Mapping* Nat::find_external(Time now, const NatPacket& inbound) const {
  const auto found = by_external_.find(external_key(inbound.protocol, inbound.destination, inbound.source));
  return found != by_external_.end() && found->second->deadline > now ? found->second : nullptr;
}

const Nat::Session* Nat::find_session(Time now, const Mapping& mapping, const Endpoint& remote) {
  const auto found = mapping.sessions.find(remote);
  return found != mapping.sessions.end() && found->second.deadline > now ? &found->second : nullptr;
}

Nat::Session* Nat::find_session(Time now, Mapping& mapping, const Endpoint& remote) {
  const auto found = mapping.sessions.find(remote);
  return found != mapping.sessions.end() && found->second.deadline > now ? &found->second : nullptr;
}

// Whether a remote endpoint without a session may send to the mapping (RFC 4787, section 5).
bool Nat::admits(Time now, const Mapping& mapping, const Endpoint& remote) const {
  if (config_.filtering == NatScope::endpoint_independent) return true;
  if (config_.filtering == NatScope::address_and_port_dependent) return false;
  for (auto at = mapping.sessions.lower_bound({remote.ip, 0});
       at != mapping.sessions.end() && at->first.ip == remote.ip; ++at) {
    if (at->second.deadline > now) return true;
  }
  return false;
}

// --- Making and forgetting

Nat::Mapping* Nat::make_mapping(Time now, const NatPacket& outbound) {
  Endpoint external = outbound.source;
  if (translates(outbound)) {
    const auto port = choose_port(now, outbound);
    if (!port) return nullptr;
    external = {external_, *port};
  }
  Mapping& mapping = by_internal_[internal_key(outbound)];
  mapping.protocol = outbound.protocol;
  mapping.internal = outbound.source;
  mapping.external = external;
  mapping.first_remote = outbound.destination;
  mapping.order = mappings_made_++;
  by_external_[external_key(outbound.protocol, external, outbound.destination)] = &mapping;
  return &mapping;
}

Nat::Session& Nat::make_session(Mapping& mapping, const Endpoint& remote) {
  const auto [at, made] = mapping.sessions.try_emplace(remote);  // an expired one may be in its place
  if (made) ++session_count_;
  return at->second;
}

void Nat::forget(Mapping& mapping) {
  session_count_ -= mapping.sessions.size();
  by_external_.erase(external_key(mapping.protocol, mapping.external, mapping.first_remote));
  NatPacket first;
  first.protocol = mapping.protocol;
  first.source = mapping.internal;
  first.destination = mapping.first_remote;
  by_internal_.erase(internal_key(first));
}

bool Nat::has_room(Time now) {
  if (session_count_ < config_.max_sessions) return true;
  if (now >= next_sweep_ - kSweep + kSweepWhenFull) sweep(now);
  return session_count_ < config_.max_sessions;
}

void Nat::sweep(Time now) {
  next_sweep_ = now + kSweep;
  std::vector<Mapping*> expired;
  for (auto& [key, mapping] : by_internal_) {
    if (mapping.deadline <= now) expired.push_back(&mapping);
  }
  for (Mapping* mapping : expired) forget(*mapping);
  for (auto& [key, mapping] : by_internal_) {
    session_count_ -=
        std::erase_if(mapping.sessions, [&](const auto& s) { return s.second.deadline <= now; });
  }
}

// --- Ports

std::optional<std::uint16_t> Nat::choose_port(Time now, const NatPacket& outbound) {
  const std::uint16_t own = outbound.source.port;
  const bool low = own < kWellKnown && config_.first_port == kWellKnown && config_.last_port == kLastPort;
  const std::uint32_t first = low ? 1 : config_.first_port;
  const std::uint32_t last = low ? kWellKnown - 1 : config_.last_port;
  const std::uint32_t size = last - first + 1;
  std::uint32_t start = own;
  switch (config_.ports) {
    case PortAssignment::preservation:
      break;
    case PortAssignment::overloading:
      if (const auto port = newest_port(now, outbound); port && is_free(now, outbound, *port)) return port;
      if (own >= first && own <= last && is_free(now, outbound, own)) return own;
      start = first + static_cast<std::uint32_t>(rng_.below(size));
      break;
    case PortAssignment::sequential:
      start = next_port_;
      break;
    case PortAssignment::random:
      start = first + static_cast<std::uint32_t>(rng_.below(size));
      break;
  }
  if (start < first || start > last) start = first;
  for (std::uint32_t i = 0; i < size; ++i) {
    const auto port = static_cast<std::uint16_t>(first + (start - first + i) % size);
    if (config_.keep_parity && (port & 1) != (own & 1)) continue;
    if (!is_free(now, outbound, port)) continue;
    if (!low) next_port_ = port == last ? config_.first_port : static_cast<std::uint16_t>(port + 1);
    return port;
  }
  return std::nullopt;
}

// The external port that the internal endpoint got last, with whomever.
std::optional<std::uint16_t> Nat::newest_port(Time now, const NatPacket& outbound) const {
  const Mapping* newest = nullptr;
  for (auto at = by_internal_.lower_bound({outbound.protocol, outbound.source, {}});
       at != by_internal_.end() && at->first.protocol == outbound.protocol &&
       at->first.own == outbound.source;
       ++at) {
    const Mapping& mapping = at->second;
    if (mapping.deadline > now && (newest == nullptr || mapping.order > newest->order)) newest = &mapping;
  }
  return newest != nullptr ? std::optional(newest->external.port) : std::nullopt;
}

bool Nat::is_free(Time now, const NatPacket& outbound, std::uint16_t port) {
  const auto found =
      by_external_.find(external_key(outbound.protocol, {external_, port}, outbound.destination));
  if (found == by_external_.end()) return true;
  if (found->second->deadline > now) return false;
  forget(*found->second);
  return true;
}

// --- Timers (RFC 4787, section 4.3; RFC 5382, section 5)

void Nat::touch(Time now, Mapping& mapping, Session& session, const NatPacket& packet, bool outward) {
  if (packet.protocol == IpProtocol::udp) {
    note_datagram(now, mapping, session, outward);
  } else {
    note_segment(now, mapping, session, packet, outward);
  }
}

void Nat::note_datagram(Time now, Mapping& mapping, Session& session, bool outward) {
  if (session.deadline <= now) session = {};  // an expired one in its place
  (outward ? session.went_out : session.came_in) = true;
  if (!outward && !config_.inbound_refresh) return;
  session.deadline = now + (session.both_ways() ? config_.udp_timeout : config_.udp_unanswered_timeout);
  mapping.deadline = std::max(mapping.deadline, session.deadline);
}

// A datagram from a remote endpoint that nobody inside has sent to: it leaves no session, which would open the
// mapping to it, but refreshes what let it in.
void Nat::admit_datagram(Time now, Mapping& mapping, const Endpoint& remote) {
  if (!config_.inbound_refresh) return;
  mapping.deadline = std::max(mapping.deadline, now + config_.udp_timeout);
  if (config_.filtering != NatScope::address_dependent) return;
  for (auto at = mapping.sessions.lower_bound({remote.ip, 0});
       at != mapping.sessions.end() && at->first.ip == remote.ip; ++at) {
    if (at->second.deadline > now) at->second.deadline = now + config_.udp_timeout;
  }
}

void Nat::note_segment(Time now, Mapping& mapping, Session& session, const NatPacket& packet, bool outward) {
  if (session.deadline <= now || (packet.opens() && session.closing())) session = {};  // begins anew
  if (packet.syn) (outward ? session.went_out : session.came_in) = true;
  if (packet.fin) (outward ? session.fin_out : session.fin_in) = true;
  if (packet.rst) session.reset = true;
  const bool established = session.both_ways() && !session.closing();
  const Time before = session.deadline;
  session.deadline = now + (established ? config_.tcp_established_timeout : config_.tcp_transitory_timeout);
  mapping.deadline = std::max(mapping.deadline, session.deadline);
  if (session.deadline >= before || before < mapping.deadline) return;
  mapping.deadline = session.deadline;  // this one had kept it open the longest
  for (const auto& [remote, other] : mapping.sessions) {
    mapping.deadline = std::max(mapping.deadline, other.deadline);
  }
}

}  // namespace mesocosm
