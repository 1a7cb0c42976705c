// The collapsed transport: stack/transport's Connections and Streams directly over the flow network's TCP
// model. No byte is encrypted or framed, written slices arrive shared; what Noise, Yamux and
// multistream-select would have put on the wire is counted, and their round trips are taken. It is what makes
// 10^5 nodes and more possible.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <vector>

#include "sim/flow/flow_network.h"
#include "stack/crypto/keys.h"
#include "stack/env/env.h"
#include "stack/transport/traffic.h"
#include "stack/transport/transport.h"

namespace mesocosm {

// Bytes of the full stack, which tests/golden/handshake.txt and tests/simulation/collapsed_test.cc hold to
// account.
struct CollapsedCosts {
  // The handshake's messages, by turns from the dialer and the listener, who speaks when the one before has
  // come.
  static constexpr std::array<std::uint16_t, 5> kHandshake{28, 28, 34, 218, 186};
  static constexpr std::uint32_t kNoiseFrame = 18;  // length and authentication tag
  static constexpr std::uint32_t kNoisePlaintext = 65'519;
  static constexpr std::uint32_t kYamuxHeader = 12;
  static constexpr std::uint32_t kMultistream = 20;     // "/multistream/1.0.0"
  static constexpr std::uint32_t kMultistreamName = 2;  // around a protocol's name
};

class CollapsedConnection;
class CollapsedListening;
class CollapsedDial;

// Reaches other collapsed transports only. Outlives its dials, listenings and connections. The peer's
// identity is what its transport says, without proof. Differences from the full stack: a stream's window may
// be overshot by one write of up to 256 KiB, and streams share a connection write by write.
class CollapsedTransport final : public Transport {
 public:
  // `env.network` is not used. All must outlive the transport; without `traffic` it counts for itself.
  CollapsedTransport(FlowNetwork& network, HostIndex host, Env& env, const PublicKey& identity,
                     const ProtocolTable& protocols, TrafficCounters* traffic = nullptr);
  ~CollapsedTransport() override;

  bool can_dial(const Multiaddr& address) const override { return address.tcp_endpoint().has_value(); }
  // Errors: those of ByteStream, timeout, peer_mismatch, unsupported.
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
  const ProtocolTable& protocols_;
  TrafficCounters own_traffic_;
  TrafficCounters& traffic_;
  std::vector<CollapsedConnection*> deferred_;  // null: gone
  MemberTask<&CollapsedTransport::run_deferred> task_{*this};
};

}  // namespace mesocosm
