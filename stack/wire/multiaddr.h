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

// The components, by multicodec: all of multiformats/multiaddr protocols.csv.
enum class AddressCode : std::uint32_t {
  ip4 = 4,
  tcp = 6,
  dccp = 33,
  ip6 = 41,
  ip6zone = 42,
  ipcidr = 43,
  dns = 53,
  dns4 = 54,
  dns6 = 55,
  dnsaddr = 56,
  sctp = 132,
  udp = 273,
  p2p_webrtc_star = 275,
  p2p_webrtc_direct = 276,
  p2p_stardust = 277,
  webrtc_direct = 280,
  webrtc = 281,
  p2p_circuit = 290,
  udt = 301,
  utp = 302,
  unix_path = 400,
  p2p = 421,  // also written /ipfs
  https = 443,
  onion = 444,
  onion3 = 445,
  garlic64 = 446,
  garlic32 = 447,
  tls = 448,
  sni = 449,
  noise = 454,
  quic = 460,
  quic_v1 = 461,
  webtransport = 465,
  certhash = 466,
  ws = 477,
  wss = 478,
  p2p_websocket_star = 479,
  http = 480,
  http_path = 481,
  memory = 777,
};

// Every Multiaddr is valid: known components, each with a well-formed value, in at most kMaxSize bytes.
class Multiaddr {
 public:
  static constexpr std::size_t kMaxSize = 1024;  // binary; many times the longest in use

  Multiaddr() = default;

  // Errors: bad_encoding, too_large, unsupported (a component we do not know). Empty addresses are bad
  // encodings.
  static Result<Multiaddr> parse(std::string_view text);  // "/ip4/192.0.2.1/tcp/4001"
  static Result<Multiaddr> decode(ByteView binary);
  static Result<Multiaddr> decode(const Bytes& binary);  // the same, sharing the buffer
  static Multiaddr tcp(const Endpoint& endpoint);
  static Multiaddr websocket(const Endpoint& endpoint);  // tcp, then /ws
  static Multiaddr udp(const Endpoint& endpoint);

  bool empty() const { return binary_.empty(); }
  const Bytes& bytes() const { return binary_; }
  std::string to_string() const;

  // The endpoint of a leading /ip4|ip6/tcp or /ip4|ip6/udp pair.
  std::optional<Endpoint> tcp_endpoint() const;  // only if nothing but /p2p follows
  std::optional<Endpoint> udp_endpoint() const;
  // The last /p2p component, unless it is only the relay of a /p2p-circuit that names nobody.
  std::optional<PeerId> peer() const;
  Multiaddr with_peer(const PeerId& peer) const;  // appends /p2p
  Multiaddr without_peer() const;                 // strips a trailing /p2p
  Multiaddr with_ip(const IpAddress& ip) const;   // in place of its leading /ip4 or /ip6, if it has one
  bool contains(AddressCode code) const;

  friend bool operator==(const Multiaddr& a, const Multiaddr& b) { return a.binary_ == b.binary_; }
  friend bool operator<(const Multiaddr& a, const Multiaddr& b);  // by binary form

 private:
  Bytes binary_;
};

// Walks an address's components in order; the address must outlive the walk.
//   for (MultiaddrReader part(address); part.next();) switch (part.code()) { ... }
class MultiaddrReader {
 public:
  explicit MultiaddrReader(const Multiaddr& address) : rest_(address.bytes()) {}
  bool next();
  AddressCode code() const { return code_; }
  ByteView value() const { return value_; }                  // binary, without its length prefix
  std::uint16_t port() const;                                // tcp, udp, sctp, dccp
  std::optional<IpAddress> ip() const;                       // ip4, ip6
  std::string_view text() const { return as_text(value_); }  // dns*, sni, ip6zone, unix
  ByteView rest() const { return rest_; }                    // the components after this one

 private:
  ByteView rest_;
  ByteView value_;
  AddressCode code_{};
};

}  // namespace mesocosm
