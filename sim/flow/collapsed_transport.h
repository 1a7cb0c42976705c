// The collapsed transport: stack/transport's Connections and Streams directly over the flow network's TCP
// model. No byte is encrypted or framed, written slices arrive shared; what Noise or TLS, Yamux and
// multistream-select would have put on the wire is counted, and their round trips are taken. It is what makes
// 10^5 nodes and more possible.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <string_view>
#include <vector>

#include "sim/flow/flow_network.h"
#include "stack/crypto/keys.h"
#include "stack/env/env.h"
#include "stack/transport/traffic.h"
#include "stack/transport/transport.h"
#include "stack/transport/upgraded_connection.h"

namespace mesocosm {

// Bytes of the full stack, which tests/golden/handshake.txt and tests/simulation/collapsed_test.cc hold to
// account.
struct CollapsedCosts {
  static constexpr std::uint32_t kYamuxHeader = 12;
  static constexpr std::uint32_t kMultistream = 20;     // "/multistream/1.0.0"
  static constexpr std::uint32_t kMultistreamName = 2;  // around a protocol's name
  static constexpr std::uint32_t kRefusal = 4;          // multistream's "na"
};

// What a security protocol costs. Of TLS the messages with certificates are up to six bytes longer or shorter, as
// ECDSA signatures are.
struct CollapsedSecurity {
  // The messages, by turns from the dialer and the listener, who speaks when the one before has come. The first
  // two select the protocol; the dialer's last offer has the third behind it, and its answer the fourth.
  using Messages = std::array<std::uint16_t, 6>;

  SecurityProtocol protocol;
  std::string_view id;
  Messages early;          // the muxer is negotiated inside: five messages
  Messages late;           // or by multistream afterwards
  std::uint32_t frame;     // beyond a frame's plaintext
  std::uint32_t most;      // of plaintext in a frame
  std::uint32_t farewell;  // after GOAWAY
};
inline constexpr CollapsedSecurity kCollapsedSecurities[] = {
    {SecurityProtocol::noise, "/noise", {28, 28, 34, 218, 186, 0}, {28, 28, 34, 202, 222, 52}, 18, 65'519, 0},
    {SecurityProtocol::tls,
     "/tls/1.0.0",
     {32, 32, 185, 797, 604, 0},
     {32, 32, 172, 792, 660, 56},
     22,
     16'384,
     24}};

class CollapsedConnection;
class CollapsedListening;
class CollapsedDial;

// Reaches other collapsed transports only. Outlives its dials, listenings and connections. The peer's
// identity is what its transport says, without proof. Differences from the full stack: a stream's window may
// be overshot by one write of up to 256 KiB, and streams share a connection write by write.
class CollapsedTransport final : public Transport {
 public:
  // `env.network` is not used. All must outlive the transport; without `traffic` it counts for itself. Of
  // `options` the securities, the early muxer (where only one side has that, it is as if none had) and the
  // keepalive count.
  CollapsedTransport(FlowNetwork& network, HostIndex host, Env& env, const PublicKey& identity,
                     const ProtocolTable& protocols, TrafficCounters* traffic = nullptr,
                     const UpgradeOptions& options = {});
  ~CollapsedTransport() override;

  bool can_dial(const Multiaddr& address) const override { return address.tcp_endpoint().has_value(); }
  // Errors: those of ByteStream, timeout, negotiation_failed, peer_mismatch, unsupported.
  std::unique_ptr<Dial> dial(const Multiaddr& address, const PeerId* peer, Dial::Events& events) override;
  // Errors: unsupported, io, address_in_use.
  Result<std::unique_ptr<Listening>> listen(const Multiaddr& address, Listening::Events& events) override;

  const TrafficCounters& traffic() const { return traffic_; }

 private:
  friend class CollapsedConnection;
  friend class CollapsedStream;
  friend class CollapsedListening;
  friend class CollapsedDial;

  void defer(CollapsedConnection& connection);
  void forget(CollapsedConnection& connection);
  void run_deferred();

  FlowNetwork& network_;
  HostIndex host_;
  Env& env_;
  Bytes public_key_;
  std::vector<SecurityProtocol> securities_;
  bool early_muxer_;
  Duration keepalive_;
  const ProtocolTable& protocols_;
  TrafficCounters own_traffic_;
  TrafficCounters& traffic_;
  std::vector<CollapsedConnection*> deferred_;  // null: gone
  MemberTask<&CollapsedTransport::run_deferred> task_{*this};
};

}  // namespace mesocosm
