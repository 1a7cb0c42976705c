#include "python/real_node.h"

#include <array>

namespace mesocosm::python {
namespace {

constexpr Duration kKeepalive = 30s;           // a peer that is gone without a word is noticed
constexpr std::size_t kLongestLine = 1 << 20;  // of input; more is taken as a line of its own

std::uint64_t random_seed(Entropy& entropy) {
  std::array<std::uint8_t, 8> bytes;
  entropy.fill(bytes);
  std::uint64_t seed = 0;
  for (const std::uint8_t byte : bytes) seed = seed << 8 | byte;
  return seed;
}

std::vector<std::string> texts(const std::vector<Multiaddr>& addresses) {
  std::vector<std::string> list;
  for (const Multiaddr& address : addresses) list.push_back(address.to_string());
  return list;
}

std::vector<std::string> texts(const std::vector<PeerId>& peers) {
  std::vector<std::string> list;
  for (const PeerId& peer : peers) list.push_back(peer.to_string());
  return list;
}

// The same error, saying what it was about.
Error about(const std::string& subject, Error error) {
  error.detail = subject + ": " + (error.detail.empty() ? error.message() : error.detail);
  return error;
}

Result<Multiaddr> parse_address(const std::string& text) {
  auto address = Multiaddr::parse(text);
  if (!address) return tl::unexpected(about("not an address: " + text, address.error()));
  return address;
}

Result<PeerId> parse_peer(const std::string& text) {
  auto peer = PeerId::parse(text);
  if (!peer) return tl::unexpected(about("not a peer id: " + text, peer.error()));
  return peer;
}

}  // namespace

RealNode::RealNode() : rng_(random_seed(entropy_)) {}
RealNode::~RealNode() = default;

Result<std::unique_ptr<RealNode>> RealNode::make(const RealNodeOptions& options) {
  std::unique_ptr<RealNode> node(new RealNode);
  if (const auto started = node->start(options); !started) return tl::unexpected(started.error());
  return node;
}

Result<> RealNode::start(const RealNodeOptions& options) {
  if (!options.log.empty()) {
    const auto levels = LogLevels::parse(options.log);
    if (!levels) return tl::unexpected(levels.error());
    auto file = LogFile::open(options.log_file, options.log_format);
    if (!file) return tl::unexpected(file.error());
    log_file_ = std::move(*file);
    log_ = std::make_unique<NodeLog>(*levels, *log_file_, loop_, NodeLog::Times::utc, "");
  }
  if (!options.metrics.empty()) {
    const auto at = Endpoint::parse(options.metrics);
    if (!at) return tl::unexpected(about("metrics", at.error()));
    auto page = ScrapePage::open(loop_, network_, metrics_, *at);
    if (!page) return tl::unexpected(about("cannot serve metrics at " + options.metrics, page.error()));
    scrape_page_ = std::move(*page);
  }
  NodeConfig config;
  config.key = options.key;
  config.identify_events = this;
  config.gossipsub.emplace();
  if (!options.agent.empty()) config.identify->agent = options.agent;
  const TransportFactory tcp = [&options](const TransportHost& host) {
    TcpOptions tcp_options;
    if (!options.securities.empty()) tcp_options.upgrade.securities = options.securities;
    tcp_options.upgrade.keepalive = kKeepalive;
    tcp_options.max_pending_inbound = host.limits.pending_inbound;
    return std::make_unique<TcpTransport>(host.env, host.key, host.protocols, std::move(tcp_options),
                                          &host.traffic);
  };
  Log& log = log_ != nullptr ? static_cast<Log&>(*log_) : Log::none();
  const Env env{loop_, network_, rng_, entropy_, trace_, metrics_, log};
  auto node = Node::make(env, std::move(config), {&tcp, 1});
  if (!node) return tl::unexpected(node.error());
  node_ = std::move(*node);
  node_->swarm().observe(*this);
  for (const std::string& text : options.listen) {
    const auto address = parse_address(text);
    if (!address) return tl::unexpected(address.error());
    const auto bound = node_->swarm().listen(*address);
    if (!bound) return tl::unexpected(about("cannot listen on " + text, bound.error()));
  }
  return {};
}

std::vector<std::string> RealNode::addresses() const {
  std::vector<std::string> list;
  for (const Multiaddr& address : node_->swarm().listen_addresses()) {
    list.push_back(address.with_peer(node_->peer_id()).to_string());
  }
  return list;
}

std::string RealNode::metrics() const {
  return scrape_page_ == nullptr ? "" : "http://" + scrape_page_->local().to_string() + "/metrics";
}

Result<std::string> RealNode::dial(const std::string& text) {
  const auto address = parse_address(text);
  if (!address) return tl::unexpected(address.error());
  const auto peer = address->peer();
  if (!peer) return fail(ErrorCode::bad_encoding, "no peer id in " + text + ": end it with /p2p/<peer id>");
  node_->swarm().dial(*peer, {&*address, 1});
  return peer->to_string();
}

Result<> RealNode::ping(const std::string& text) {
  const auto peer = parse_peer(text);
  if (!peer) return tl::unexpected(peer.error());
  node_->ping()->ping(*peer, *this);
  return {};
}

Result<> RealNode::disconnect(const std::string& text) {
  const auto peer = parse_peer(text);
  if (!peer) return tl::unexpected(peer.error());
  node_->swarm().disconnect(*peer);
  return {};
}

Result<> RealNode::subscribe(const std::string& topic) {
  const auto subscribed = node_->gossipsub()->subscribe(topic, *this);
  if (!subscribed) return tl::unexpected(about("subscribe to " + topic, subscribed.error()));
  return {};
}

void RealNode::unsubscribe(const std::string& topic) { node_->gossipsub()->unsubscribe(topic); }

Result<> RealNode::publish(const std::string& topic, ByteView data) {
  const auto published = node_->gossipsub()->publish(topic, data);
  if (!published) return tl::unexpected(about("publish to " + topic, published.error()));
  return {};
}

std::vector<std::string> RealNode::subscribers(const std::string& topic) const {
  return texts(node_->gossipsub()->peers(topic));
}

std::vector<std::string> RealNode::connected() const { return texts(node_->swarm().connected_peers()); }

std::size_t RealNode::backlog() const { return node_->gossipsub()->backlog(); }

void RealNode::read_lines(int descriptor) {
  AsioInput::Events& reader = *this;
  input_ = std::make_unique<AsioInput>(loop_, descriptor, reader);
}

std::vector<RealEvent> RealNode::poll(Duration wall) {
  if (events_.empty()) {
    loop_.run_until(loop_.now() + wall);
  } else {
    loop_.poll();
  }
  return std::exchange(events_, {});
}

// ---- What happens ----

void RealNode::emit(std::string_view kind, std::vector<std::pair<std::string_view, EventValue>> fields) {
  fields.emplace_back("time", static_cast<double>(loop_.unix_nanoseconds()) * 1e-9);
  events_.push_back({kind, std::move(fields)});
  loop_.stop();
}

void RealNode::on_connection(Connection& connection) {
  const ConnectionInfo& info = connection.info();
  emit("connected",
       {{"peer", info.peer.to_string()},
        {"address", info.remote.to_string()},
        {"direction", std::string(info.direction == Direction::inbound ? "inbound" : "outbound")},
        {"security", std::string(info.security)},
        {"muxer", std::string(info.muxer)}});
}

void RealNode::on_peer_disconnected(const PeerId& peer) {
  emit("disconnected", {{"peer", peer.to_string()}});
}

void RealNode::on_dial_failed(const PeerId& peer, const Error& error) {
  emit("dial_failed", {{"peer", peer.to_string()}, {"error", error.message()}});
}

void RealNode::on_inbound_failed(const Multiaddr& remote, const Error& error) {
  emit("inbound_failed", {{"address", remote.to_string()}, {"error", error.message()}});
}

// A push tells only what changed; what is not told is left out.
void RealNode::on_identified(const PeerId& peer, const IdentifyFacts& facts) {
  std::vector<std::pair<std::string_view, EventValue>> fields{{"peer", peer.to_string()}};
  if (!facts.agent.empty()) fields.emplace_back("agent", facts.agent);
  if (!facts.protocol_version.empty()) fields.emplace_back("protocol_version", facts.protocol_version);
  if (!facts.protocols.empty()) fields.emplace_back("protocols", facts.protocols);
  if (!facts.addresses.empty()) fields.emplace_back("addresses", texts(facts.addresses));
  if (!facts.observed.empty()) fields.emplace_back("observed", facts.observed.to_string());
  fields.emplace_back("signed_record", !facts.record.empty());
  emit("identified", std::move(fields));
}

void RealNode::on_identify_failed(const PeerId& peer, const Error& error) {
  emit("identify_failed", {{"peer", peer.to_string()}, {"error", error.message()}});
}

void RealNode::on_pong(const PeerId& peer, Duration round_trip) {
  emit("pong", {{"peer", peer.to_string()}, {"seconds", to_seconds(round_trip)}});
}

void RealNode::on_ping_failed(const PeerId& peer, const Error& error) {
  emit("ping_failed", {{"peer", peer.to_string()}, {"error", error.message()}});
}

void RealNode::on_message(const GossipSubDelivery& delivery) {
  const auto author = PeerId::decode(delivery.message.from);
  emit("message", {{"topic", std::string(delivery.topic)},
                   {"author", author ? author->to_string() : std::string()},
                   {"from", delivery.from.to_string()},
                   {"data", delivery.message.payload()}});
}

void RealNode::on_input(Bytes bytes) {
  partial_line_ += bytes.text();
  for (std::size_t end = 0; (end = partial_line_.find('\n')) != std::string::npos;) {
    emit("input", {{"data", Bytes::copy(std::string_view(partial_line_).substr(0, end))}});
    partial_line_.erase(0, end + 1);
  }
  if (partial_line_.size() > kLongestLine) {
    emit("input", {{"data", Bytes::copy(std::exchange(partial_line_, {}))}});
  }
}

void RealNode::on_input_end() {
  if (!partial_line_.empty()) emit("input", {{"data", Bytes::copy(std::exchange(partial_line_, {}))}});
  emit("input_end", {});
}

}  // namespace mesocosm::python
