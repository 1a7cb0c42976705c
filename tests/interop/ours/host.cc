#include "tests/interop/ours/host.h"

#include <array>

#include "stack/transport/tcp_transport.h"

namespace mesocosm::interop {
namespace {

std::uint64_t random_seed(Entropy& entropy) {
  std::array<std::uint8_t, 8> bytes;
  entropy.fill(bytes);
  std::uint64_t seed = 0;
  for (const std::uint8_t byte : bytes) seed = seed << 8 | byte;
  return seed;
}

// The number as 32 bytes, big-endian.
KeyPair key_of_seed(std::uint64_t number) {
  std::array<std::uint8_t, 32> seed{};
  for (std::size_t i = seed.size(); number > 0; number >>= 8) seed[--i] = static_cast<std::uint8_t>(number);
  return KeyPair::from_seed(seed);
}

TcpOptions tcp_options(const Options& options) {
  TcpOptions tcp;
  tcp.upgrade.securities = {options.tls ? SecurityProtocol::tls : SecurityProtocol::noise};
  tcp.upgrade.early_muxer = options.early_muxer;
  tcp.upgrade.max_negotiating = 4096;
  tcp.upgrade.yamux.max_streams = 4096;
  return tcp;
}

NodeConfig node_config(const Options& options, IdentifyEvents* events) {
  NodeConfig config;
  if (options.seed) config.key = key_of_seed(*options.seed);
  const Endpoint any_port{IpAddress::v4(0x7f000001), 0};
  if (options.listen) {
    config.listen = {options.websocket ? Multiaddr::websocket(any_port) : Multiaddr::tcp(any_port)};
  }
  config.identify_events = events;
  GossipSubOptions& gossipsub = config.gossipsub.emplace();
  if (options.scoring) gossipsub.params = *options.scoring;
  gossipsub.params.version = PeerKind::gossipsub_13;
  gossipsub.params.accept_peer_exchange = false;
  gossipsub.max_queued_messages = 1 << 16;  // publishers wait instead (GossipSub::backlog)
  return config;
}

}  // namespace

Host::Host(AsioLoop& loop, const LogLevels& levels)
    : network_(loop),
      rng_(random_seed(entropy_)),
      log_file_(LogFile::open("-", LogFormat::text).value()),
      log_(levels, *log_file_, loop, NodeLog::Times::utc, {}),
      env_{loop, network_, rng_, entropy_, trace_, Metrics::discarded(), log_} {}

Result<std::unique_ptr<Host>> Host::make(AsioLoop& loop, const Options& options, IdentifyEvents* events) {
  std::unique_ptr<Host> host(new Host(loop, options.log));
  const TransportFactory tcp = [&](const TransportHost& of) {
    return std::make_unique<TcpTransport>(of.env, of.key, of.protocols, tcp_options(options), &of.traffic);
  };
  auto node = Node::make(host->env_, node_config(options, events), {&tcp, 1});
  if (!node) return tl::unexpected(node.error());
  host->node_ = std::move(*node);
  return host;
}

std::vector<Multiaddr> Host::addresses() const {
  std::vector<Multiaddr> list;
  for (const Multiaddr& address : node_->swarm().listen_addresses()) {
    list.push_back(address.with_peer(node_->peer_id()));
  }
  return list;
}

}  // namespace mesocosm::interop
