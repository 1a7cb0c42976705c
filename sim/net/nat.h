// A middlebox: a NAT or a stateful firewall, as a pure core. A packet and the time in, what becomes of it out.
// The words are those of RFC 4787 (UDP) and RFC 5382 (TCP); docs/nat-model.md says what is taken from them.
#pragma once

#include <compare>
#include <cstddef>
#include <cstdint>
#include <map>
#include <optional>
#include <string_view>

#include "stack/base/ip.h"
#include "stack/base/result.h"
#include "stack/base/rng.h"
#include "stack/base/time.h"

namespace mesocosm {

// On how much of the remote endpoint a behaviour depends (RFC 4787, sections 4.1 and 5).
enum class NatScope : std::uint8_t { endpoint_independent, address_dependent, address_and_port_dependent };

// Which external port a new mapping gets (RFC 4787, section 4.2.1).
enum class PortAssignment : std::uint8_t {
  preservation,  // the internal one; if another mapping has it, the next that is free
  overloading,  // as Linux does: an external port may serve several mappings, if their remote endpoints differ
  sequential,   // one after the other
  random,
};

// The defaults keep to the RFCs' requirements.
struct NatConfig {
  bool translates = true;  // false: a firewall, which leaves addresses as they are. IPv6 is never translated
  NatScope mapping = NatScope::endpoint_independent;
  NatScope filtering = NatScope::address_and_port_dependent;
  PortAssignment ports = PortAssignment::preservation;
  bool keep_parity = false;      // even ports to even ones, odd to odd
  bool hairpinning = true;       // inside hosts reach each other at the external address
  bool refuses = false;          // answers a SYN that may not come in with a reset, instead of dropping it
  bool inbound_refresh = false;  // inbound datagrams refresh a mapping too, not only outbound ones
  Duration udp_timeout = 5min;
  Duration udp_unanswered_timeout = 5min;  // until datagrams have gone both ways
  Duration tcp_established_timeout = 124min;
  Duration tcp_transitory_timeout =
      4min;  // before SYN has gone both ways, and after FIN did, or after a reset
  std::uint16_t first_port =
      1024;  // of external ports; without a range, those below 1024 get others below 1024
  std::uint16_t last_port = 65535;
  std::uint32_t max_sessions = 65'536;

  Result<> validate() const;  // limit: what contradicts itself
};

enum class IpProtocol : std::uint8_t { udp, tcp };

struct NatPacket {
  IpProtocol protocol = IpProtocol::udp;
  Endpoint source;
  Endpoint destination;
  bool syn = false;
  bool ack = false;
  bool fin = false;
  bool rst = false;

  bool opens() const { return syn && !ack && !rst; }
};

enum class NatAction : std::uint8_t {
  forward,
  drop,
  refuse,  // drop, and reset the connection in the destination's name
};

enum class NatReason : std::uint8_t {
  none,        // it was forwarded
  no_mapping,  // nobody inside has this external endpoint
  filtered,    // the mapping is not open to this remote endpoint
  no_session,  // a TCP segment that neither opens nor belongs to a connection
  no_hairpin,  // from the inside to the external address
  no_port,     // no external port is left
  table_full,  // no session is left
};
inline constexpr std::size_t kNatReasons = 7;
std::string_view to_string(NatReason reason);

struct NatDecision {
  NatAction action = NatAction::forward;
  NatReason reason = NatReason::none;
  Endpoint source;  // translated
  Endpoint destination;
  bool hairpinned = false;  // it came from the inside, and goes back there
};

// Time must not run backwards. Nothing happens between calls: what has expired is forgotten when it is looked at.
class Nat {
 public:
  // `config` is valid. A firewall has no use for `external`.
  Nat(const NatConfig& config, const IpAddress& external, const Rng& rng);

  NatDecision outbound(Time now,
                       const NatPacket& packet);           // from the inside, to the outside or to `external`
  NatDecision inbound(Time now, const NatPacket& packet);  // from the outside
  NatDecision judge(Time now, const NatPacket& packet) const;  // what inbound() would say

  const IpAddress& external() const { return external_; }
  const NatConfig& config() const { return config_; }
  std::size_t sessions() const { return session_count_; }  // with those that expired since the last sweep

 private:
  struct Session {
    Time deadline{};
    bool went_out = false;  // a packet did; TCP: a SYN
    bool came_in = false;
    bool fin_out = false;
    bool fin_in = false;
    bool reset = false;

    bool both_ways() const { return went_out && came_in; }
    bool closing() const { return reset || (fin_out && fin_in); }
  };
  // An external endpoint of an internal one, and with whom it is in use.
  struct Mapping {
    IpProtocol protocol;
    Endpoint internal;
    Endpoint external;
    Endpoint first_remote;  // whose packet it was made for
    Time deadline{};        // not before that of any session
    std::uint64_t order = 0;
    std::map<Endpoint, Session> sessions;  // by remote endpoint
  };
  struct Use {
    Mapping* mapping;
    Session* session;
  };
  struct Key {
    IpProtocol protocol;
    Endpoint own;
    Endpoint remote;  // as much of it as matters
    auto operator<=>(const Key&) const = default;
  };

  bool translates(const NatPacket& packet) const { return config_.translates && packet.source.ip.is_v4(); }
  Key internal_key(const NatPacket& outbound) const;
  Key external_key(IpProtocol protocol, const Endpoint& external, const Endpoint& remote) const;

  Use find_use(Time now, const NatPacket& outbound);
  NatReason begin(Time now, const NatPacket& outbound, Use& use);
  Mapping* find_internal(Time now, const NatPacket& outbound);
  const Mapping* find_external(Time now, const NatPacket& inbound) const;
  static Session* find_session(Time now, Mapping& mapping, const Endpoint& remote);
  static const Session* find_session(Time now, const Mapping& mapping, const Endpoint& remote);
  bool admits(Time now, const Mapping& mapping, const Endpoint& remote) const;

  Mapping* make_mapping(Time now, const NatPacket& outbound);
  Session& make_session(Mapping& mapping, const Endpoint& remote);
  void forget(Mapping& mapping);
  bool has_room(Time now);
  void sweep(Time now);

  std::optional<std::uint16_t> choose_port(Time now, const NatPacket& outbound);
  std::optional<std::uint16_t> newest_port(Time now, const NatPacket& outbound) const;
  bool is_free(Time now, const NatPacket& outbound, std::uint16_t port);

  void touch(Time now, Mapping& mapping, Session& session, const NatPacket& packet, bool outward);
  void note_datagram(Time now, Mapping& mapping, Session& session, bool outward);
  void note_segment(Time now, Mapping& mapping, Session& session, const NatPacket& packet, bool outward);
  void admit_datagram(Time now, Mapping& mapping, const Endpoint& remote);
  NatDecision rejected(const NatPacket& packet, NatReason reason) const;

  NatConfig config_;
  IpAddress external_;
  Rng rng_;
  std::map<Key, Mapping> by_internal_;
  std::map<Key, Mapping*> by_external_;
  std::size_t session_count_ = 0;
  std::uint64_t mappings_made_ = 0;
  std::uint16_t next_port_;
  Time next_sweep_{};
};

}  // namespace mesocosm
