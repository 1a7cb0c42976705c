// Multiaddr: a self-describing network address (multiformats/multiaddr), kept in its binary form.
#pragma once

#include <compare>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "stack/base/bytes.h"
#include "stack/base/ip.h"
#include "stack/base/result.h"
#include "stack/wire/peer_id.h"

namespace mesocosm {

class Multiaddr {
 public:
  Multiaddr() = default;

  static Result<Multiaddr> parse(std::string_view text);   // "/ip4/192.0.2.1/tcp/4001"
  static Result<Multiaddr> decode(ByteView binary);        // validates every component
  static Multiaddr tcp(const Endpoint& endpoint);
  static Multiaddr udp(const Endpoint& endpoint);

  bool empty() const { return binary_.empty(); }
  const Bytes& bytes() const { return binary_; }
  std::string to_string() const;

  // The endpoint of a leading /ip4|ip6/tcp or /ip4|ip6/udp pair.
  std::optional<Endpoint> tcp_endpoint() const;  // only if nothing but /p2p follows
  std::optional<Endpoint> udp_endpoint() const;
  std::optional<PeerId> peer() const;            // the last /p2p component
  Multiaddr with_peer(const PeerId& peer) const; // appends /p2p
  Multiaddr without_peer() const;                // strips a trailing /p2p

  friend bool operator==(const Multiaddr& a, const Multiaddr& b) { return a.binary_ == b.binary_; }
  friend bool operator<(const Multiaddr& a, const Multiaddr& b);  // by binary form

 private:
  Bytes binary_;
};

}  // namespace mesocosm
