#include "stack/protocols/gossipsub/gossipsub.h"

#include <algorithm>
#include <array>
#include <utility>

#include "stack/base/assert.h"
#include "stack/crypto/peer_record.h"
#include "stack/env/fault_points.h"

namespace mesocosm {
namespace {

// Best first.
struct Protocol {
  ProtocolId id;
  PeerKind kind;
};
constexpr std::array<Protocol, 6> kProtocols = {{
    {"/meshsub/1.3.0", PeerKind::gossipsub_13},
    {"/meshsub/1.2.0", PeerKind::gossipsub_12},
    {"/meshsub/1.1.0", PeerKind::gossipsub_11},
    {"/meshsub/1.0.0", PeerKind::gossipsub_10},
    {"/randomsub/1.0.0", PeerKind::randomsub},
    {"/floodsub/1.0.0", PeerKind::floodsub},
}};

// A node of this version speaks earlier ones too; randomsub and gossipsub have floodsub in common.
bool offers(PeerKind version, const Protocol& protocol) {
  return protocol.kind <= version && (protocol.kind != PeerKind::randomsub || version == PeerKind::randomsub);
}

constexpr unsigned kMaxRetries = 4;
// What a score is below; worst last.
constexpr std::array<std::string_view, 5> kScoreBands = {"none", "zero", "gossip", "publish", "graylist"};
// A peer that takes nothing loses gossip beyond the first number of waiting control messages, and everything
// beyond the second, which only a peer that provokes answers reaches.
constexpr std::size_t kMaxWaitingGossip = 256;
constexpr std::size_t kMaxWaitingControl = 4096;

const Protocol* find_protocol(ProtocolId id) {
  const auto found =
      std::find_if(kProtocols.begin(), kProtocols.end(), [&](const Protocol& p) { return p.id == id; });
  return found == kProtocols.end() ? nullptr : &*found;
}

IpAddress ip_of(const Multiaddr& address) {
  MultiaddrReader part(address);
  return part.next() ? part.ip().value_or(IpAddress()) : IpAddress();
}

}  // namespace

// The stream that a peer opened to us.
class GossipSub::Inbound final : public Stream::Events {
 public:
  Inbound(GossipSub& owner, PeerIndex peer, std::unique_ptr<Stream> stream)
      : owner_(owner), stream_(std::move(stream)), reader_(owner.core_.params().max_rpc), peer_(peer) {
    stream_->set_events(*this);
  }

  void on_readable() override;
  void on_writable() override {}
  void on_closed(Error) override;

 private:
  // Both end this object.
  void broken(const Error& error);
  void gone();

  GossipSub& owner_;
  std::unique_ptr<Stream> stream_;
  LengthPrefixReader reader_;
  PeerIndex peer_;
};

// A peer, with the stream that we opened to it.
class GossipSub::Link final : public Stream::Events {
 public:
  Link(GossipSub& owner, PeerIndex index) : owner_(owner), peer(index) {}

  void on_readable() override {  // nobody should write to us here
    while (!stream->read(SIZE_MAX).empty()) {
    }
    if (stream->ended()) on_closed({});
  }
  void on_writable() override { owner_.write_waiting(*this); }
  void on_closed(Error error) override {
    GossipSub& owner = owner_;
    const PeerId id = owner.core_.peer(peer).id;
    owner.drop(peer);  // destroys this
    if (error.code != ErrorCode::negotiation_failed) owner.retry_later(id);
  }

  bool can_write() const { return stream != nullptr && stream->writable() > 0; }

 private:
  GossipSub& owner_;

 public:
  PeerIndex peer;
  bool dirty = false;  // is in dirty_
  std::unique_ptr<Stream> stream;
  std::unique_ptr<Inbound> inbound;
  std::vector<RpcPart> control;   // waiting, everything but messages
  std::vector<RpcPart> messages;  // waiting for a stream that takes no more
};

void GossipSub::Inbound::on_readable() {
  for (Bytes input = stream_->read(SIZE_MAX); !input.empty(); input = stream_->read(SIZE_MAX)) {
    owner_.traffic_.bytes_received += input.size();
    while (!input.empty()) {
      const Bytes before = input;
      const bool from_start = reader_.idle();
      auto message = reader_.next(input);
      if (message && !*message) break;
      Error error;
      if (!message) {
        error = message.error();
      } else {
        // If the frame lies in one slice, it is kept as it came, for passing it on.
        const std::size_t used = before.size() - input.size();
        const bool whole = from_start && used > (*message)->size();
        const std::size_t prefix = whole ? used - (*message)->size() : 0;
        error = owner_.on_frame(peer_, whole ? before.slice(0, used) : **message, prefix);
      }
      if (!error.ok()) return broken(error);
      // A handler may have done anything, but peers are dropped by the swarm's and the streams' events only.
    }
  }
  if (!stream_->ended()) return;
  if (!reader_.idle()) return broken({ErrorCode::bad_encoding, "the stream ended within an RPC"});
  stream_->finish();
  gone();
}

void GossipSub::Inbound::broken(const Error& error) {
  ++owner_.traffic_.streams_reset;
  owner_.metrics_.streams_reset.add();
  MC_LOG(owner_.env_.log, gossipsub, info, "peer broke the protocol",
         {"peer", owner_.core_.peer(peer_).id.to_string()}, {"error", error.message()});
  stream_->reset();
  gone();
}

void GossipSub::Inbound::on_closed(Error) { gone(); }

void GossipSub::Inbound::gone() { owner_.link(peer_).inbound.reset(); }

// ------------------------------------------------------------------------------------------------------ the
// driver

GossipSub::GossipSub(Env& env, Swarm& swarm, GossipSubOptions options)
    : env_(env),
      swarm_(swarm),
      metrics_(env.metrics.of<GossipSubMetrics>()),
      max_queued_messages_(options.max_queued_messages),
      own_checks_(options.checks == nullptr ? std::make_unique<MessageChecks>() : nullptr),
      core_(options.params,
            {.peer = swarm.local_peer(),
             .key = options.key,
             .first_seqno = static_cast<std::uint64_t>(env.clock.unix_nanoseconds())},
            env.rng.fork("gossipsub"), *this, options.checks == nullptr ? *own_checks_ : *options.checks,
            std::move(options.policy)) {
  for (const Protocol& protocol : kProtocols) {
    if (offers(options.params.version, protocol)) swarm_.handle(protocol.id, *this);
  }
  swarm_.observe(*this);
  const auto period = static_cast<std::uint64_t>(options.params.heartbeat.count());
  const Duration phase(env_.rng.fork("gossipsub heartbeat").below(period));
  env_.clock.arm_after(heartbeat_, options.params.heartbeat_delay + phase);
  if (options.params.validation_delay > Duration::zero()) desk();  // its metrics are there at once
  for (const PeerId& peer : swarm_.connected_peers()) consider(peer);
}

GossipSub::~GossipSub() {
  for (TopicIndex i = 0; i < core_.topic_slots(); ++i) {
    const GossipSubCore::Topic& topic = core_.topic(i);
    if (topic.metrics == nullptr) continue;
    topic.metrics->mesh_peers.sub(static_cast<std::int64_t>(topic.mesh.size()));
    topic.metrics->subscriptions.sub(topic.subscribed ? 1 : 0);
  }
  for (const auto& link : links_) {
    if (link != nullptr) peers_like(link->peer).sub();
  }
  for (std::size_t i = 0; i < scored_.size(); ++i) {
    if (scored_[i] != 0) metrics_.scored.with({kScoreBands[i]}).sub(scored_[i]);
  }
  for (const Protocol& protocol : kProtocols) {
    if (offers(core_.params().version, protocol)) swarm_.unhandle(protocol.id);
  }
}

Result<> GossipSub::subscribe(std::string_view topic) { return subscribe(topic, nullptr); }

Result<> GossipSub::subscribe(std::string_view topic, GossipSubHandler& handler) {
  return subscribe(topic, &handler);
}

Result<> GossipSub::subscribe(std::string_view topic, GossipSubHandler* handler) {
  const TopicIndex index = core_.subscribe(topic, env_.clock.now());
  if (!core_.allows(as_bytes(topic)))
    return fail(ErrorCode::refused, "subscribe: not a topic of the allow list");
  if (index == kNoTopic) return fail(ErrorCode::limit, "subscribe: too many topics, or too long a name");
  if (handlers_.size() <= index) handlers_.resize(index + 1);
  handlers_[index] = handler;
  return {};
}

Result<> GossipSub::subscribe_in_parts(std::string_view topic, const PartialTopic& settings,
                                       PartialHandler& handler, GossipSubHandler* whole) {
  const auto index = core_.subscribe_in_parts(topic, settings, env_.clock.now());
  if (!index) return tl::unexpected(index.error());
  if (handlers_.size() <= *index) handlers_.resize(*index + 1);
  if (partial_handlers_.size() <= *index) partial_handlers_.resize(*index + 1);
  handlers_[*index] = whole;
  partial_handlers_[*index] = &handler;
  return {};
}

Result<> GossipSub::publish_parts(std::string_view topic, ByteView group, std::span<const Bytes> parts) {
  auto done = core_.publish_parts(topic, group, parts, env_.clock.now());
  if (!completed_.empty()) hand_out_parts();
  return done;
}

bool GossipSub::accept_part(TopicIndex topic, ByteView group, std::size_t part, ByteView data) {
  PartialHandler* handler = topic < partial_handlers_.size() ? partial_handlers_[topic] : nullptr;
  return handler != nullptr && handler->accept_part(group, part, data);
}

void GossipSub::deliver_parts(TopicIndex topic, ByteView group, const std::vector<Bytes>& parts) {
  completed_.push_back({.topic = topic, .group = Bytes::copy(group), .parts = parts});
}

void GossipSub::hand_out_parts() {
  for (const Completed& item : std::exchange(completed_, {})) {
    PartialHandler* handler = partial_handlers_[item.topic];
    if (handler == nullptr || !core_.topic(item.topic).subscribed) continue;
    const Bytes name = core_.topic(item.topic).name;
    handler->on_complete(name.text(), item.group, item.parts);
  }
}

void GossipSub::unsubscribe(std::string_view topic) {
  const TopicIndex index = core_.find_topic(topic);
  if (index < partial_handlers_.size()) partial_handlers_[index] = nullptr;
  if (index < handlers_.size()) handlers_[index] = nullptr;
  core_.unsubscribe(topic, env_.clock.now());
}

bool GossipSub::subscribed(std::string_view topic) const {
  const TopicIndex index = core_.find_topic(topic);
  return index != kNoTopic && core_.topic(index).subscribed;
}

Result<MessageId> GossipSub::publish(std::string_view topic, ByteView data) {
  return core_.publish(topic, data, env_.clock.now());
}

void GossipSub::set_validator(std::string_view topic, MessageValidator* validator) {
  core_.set_validator(topic, validator);
}

void GossipSub::set_deferred_validator(std::string_view topic, DeferredValidator* validator) {
  core_.set_deferred(topic, validator != nullptr);
  const TopicIndex index = core_.find_topic(topic);
  if (index == kNoTopic) return;
  if (deferred_validators_.size() <= index) deferred_validators_.resize(index + 1);
  deferred_validators_[index] = validator;
}

void GossipSub::validate(TopicIndex topic, const Message& message, const PeerId& from,
                         ValidationTicket ticket) {
  DeferredValidator* validator = topic < deferred_validators_.size() ? deferred_validators_[topic] : nullptr;
  if (validator == nullptr || !core_.topic(topic).deferred) {
    return desk().queue(ticket, core_.params().validation_delay, Validation::accept);
  }
  validator->begin(message, from, desk().handle(ticket));
}

ValidationDesk& GossipSub::desk() {
  if (desk_ == nullptr) {
    ValidationDesk::Events& events = *this;
    desk_ =
        std::make_unique<ValidationDesk>(env_.clock, env_.metrics, core_.params().validation_workers, events);
  }
  return *desk_;
}

void GossipSub::on_verdict(ValidationTicket ticket, Validation verdict) {
  core_.on_validated(ticket, verdict, env_.clock.now());
  if (!pending_.empty()) hand_out_deliveries();
}

void GossipSub::set_app_score(const PeerId& peer, double value) {
  if (core_.peer_score() != nullptr) core_.peer_score()->set_app_score(peer.hash(), value);
}

std::vector<GossipSub::ScoredPeer> GossipSub::scores() const {
  std::vector<ScoredPeer> list;
  if (core_.peer_score() == nullptr) return list;
  for (PeerIndex index = 0; index < core_.peer_slots(); ++index) {
    if (!core_.usable(index)) continue;
    const GossipSubCore::Peer& peer = core_.peer(index);
    list.push_back({.peer = peer.id, .score = core_.peer_score()->parts(peer.hash)});
  }
  return list;
}

void GossipSub::add_direct_peer(const PeerId& peer, std::span<const Multiaddr> addresses) {
  swarm_.peers().add_addresses(peer, addresses);
  core_.add_direct_peer(peer);
}

void GossipSub::remove_direct_peer(const PeerId& peer) { core_.remove_direct_peer(peer); }

namespace {

std::vector<PeerId> ids(const GossipSubCore& core, const PeerSet& peers) {
  std::vector<PeerId> list;
  list.reserve(peers.size());
  for (PeerIndex peer : peers) list.push_back(core.peer(peer).id);
  return list;
}

}  // namespace

std::vector<PeerId> GossipSub::mesh_peers(std::string_view topic) const {
  const TopicIndex index = core_.find_topic(topic);
  return index == kNoTopic ? std::vector<PeerId>() : ids(core_, core_.topic(index).mesh);
}

std::vector<PeerId> GossipSub::peers(std::string_view topic) const {
  const TopicIndex index = core_.find_topic(topic);
  return index == kNoTopic ? std::vector<PeerId>() : ids(core_, core_.topic(index).peers);
}

std::vector<PeerId> GossipSub::peers() const {
  std::vector<PeerId> list;
  for (const auto& link : links_) {
    if (link != nullptr) list.push_back(core_.peer(link->peer).id);
  }
  return list;
}

std::size_t GossipSub::backlog() const {
  std::size_t most = 0;
  for (const auto& link : links_) {
    if (link != nullptr) most = std::max(most, link->messages.size());
  }
  return most;
}

std::size_t GossipSub::memory() const {
  std::size_t bytes = core_.memory() + links_.capacity() * sizeof(std::unique_ptr<Link>) +
                      handlers_.capacity() * sizeof(GossipSubHandler*) +
                      (dirty_.capacity() + held_.capacity()) * sizeof(PeerIndex) +
                      retries_.capacity() * sizeof(Retry) + pending_.capacity() * sizeof(Pending) +
                      parts_.capacity() * sizeof(RpcPart);
  for (const auto& link : links_) {
    if (link == nullptr) continue;
    bytes += sizeof(Link) + (link->control.capacity() + link->messages.capacity()) * sizeof(RpcPart);
    if (link->inbound != nullptr) bytes += sizeof(Inbound);
  }
  return bytes;
}

// -----------------------------------------------------------------------------------------------------------
// peers

// Links up with a connected peer that is known to speak one of our protocols.
void GossipSub::consider(const PeerId& peer) {
  if (core_.find_peer(peer) != kNoPeer || !swarm_.connected(peer)) return;
  for (const Protocol& protocol : kProtocols) {
    if (!offers(core_.params().version, protocol) || !swarm_.peers().speaks(peer, protocol.id)) continue;
    link_up(peer, protocol.id);
    return;
  }
}

PeerIndex GossipSub::link_up(const PeerId& peer, ProtocolId protocol) {
  const Protocol* known = find_protocol(protocol);
  Connection* connection = swarm_.connection(peer);
  if (known == nullptr || connection == nullptr) return kNoPeer;
  const bool outbound = connection->info().direction == Direction::outbound;
  const bool scored = core_.params().score != nullptr;
  const PeerIndex index = core_.on_peer_added(peer, known->kind, outbound, env_.clock.now(),
                                              scored ? ip_of(connection->info().remote) : IpAddress());
  peers_like(index).add();
  Link& link = this->link(index);
  link.stream = swarm_.open(peer, {&known->id, 1}, link);
  if (link.stream != nullptr) return index;
  drop(index);
  return kNoPeer;
}

void GossipSub::on_peer_disconnected(const PeerId& peer) {
  std::erase_if(retries_, [&](const Retry& retry) { return retry.peer == peer; });
  if (const PeerIndex index = core_.find_peer(peer); index != kNoPeer) drop(index);
}

Gauge& GossipSub::peers_like(PeerIndex peer) {
  const PeerKind kind = core_.peer(peer).kind;
  const auto protocol =
      std::find_if(kProtocols.begin(), kProtocols.end(), [&](const Protocol& p) { return p.kind == kind; });
  return metrics_.peers.with({protocol->id});
}

void GossipSub::drop(PeerIndex peer) {
  peers_like(peer).sub();
  core_.on_peer_removed(peer);
  links_[peer].reset();
}

void GossipSub::retry_later(const PeerId& peer) {
  const auto known =
      std::find_if(retries_.begin(), retries_.end(), [&](const Retry& r) { return r.peer == peer; });
  if (known == retries_.end()) {
    retries_.push_back({.peer = peer, .attempts = 0});
  }
}

GossipSub::Link& GossipSub::link(PeerIndex peer) {
  if (links_.size() <= peer) links_.resize(peer + 1);
  if (links_[peer] == nullptr) links_[peer] = std::make_unique<Link>(*this, peer);
  return *links_[peer];
}

void GossipSub::on_stream(std::unique_ptr<Stream> stream) {
  const PeerId peer = stream->connection().info().peer;
  PeerIndex index = core_.find_peer(peer);
  if (index == kNoPeer) index = link_up(peer, stream->protocol());
  if (index == kNoPeer) return stream->reset();
  core_.on_stream_opened(index);
  link(index).inbound =
      std::make_unique<Inbound>(*this, index, std::move(stream));  // a newer one replaces the older
}

// --------------------------------------------------------------------------------------------------------
// receiving

Error GossipSub::on_frame(PeerIndex from, const Bytes& frame, std::size_t prefix) {
  ++traffic_.rpcs_received;
  metrics_.received.count(frame.size());
  if (auto decoded = decode_frame(frame, prefix, parts_); !decoded) return std::move(decoded.error());
  for (const RpcPart& part : parts_) metrics_.received.count(part.kind);
  auto done = core_.on_rpc(from, parts_, env_.clock.now());
  warned_ = false;
  if (!pending_.empty()) hand_out_deliveries();
  if (!completed_.empty()) hand_out_parts();
  if (parts_.capacity() > 64) {
    std::vector<RpcPart>().swap(parts_);
  } else {
    parts_.clear();  // lets go of the buffer
  }
  return done ? Error{} : std::move(done.error());
}

void GossipSub::deliver(TopicIndex topic, const Message& message, const MessageId& id, PeerIndex from) {
  pending_.push_back({.topic = topic, .from = from, .message = message, .id = id});
}

void GossipSub::hand_out_deliveries() {
  const std::vector<Pending> deliveries = std::exchange(pending_, {});
  for (const Pending& item : deliveries) {
    const GossipSubCore::Topic& topic = core_.topic(item.topic);
    if (!topic.subscribed || handlers_[item.topic] == nullptr)
      continue;  // nobody asked, or an earlier one unsubscribed
    const Bytes name = topic.name;
    static const PeerId kGone;
    const PeerId& from = item.from == kNoPeer ? kGone : core_.peer(item.from).id;
    handlers_[item.topic]->on_message(
        {.topic = name.text(), .message = item.message, .id = item.id, .from = from});
  }
}

// ----------------------------------------------------------------------------------------------------------
// sending

void GossipSub::send(PeerIndex to, const RpcPart& part) {
  Link& link = this->link(to);
  if (part.kind == PartKind::message) {
    if (MC_FAULT_POINT(env_.entropy, gossipsub_message)) return;
    if (!link.control.empty()) flush_control(link);  // what was said first arrives first
    if (link.messages.empty() && !warned_ && link.can_write()) return write_message(link, part);
    if (warned_) hold(to);
    if (link.messages.size() >= max_queued_messages_ && !link.messages.empty()) {
      link.messages.erase(link.messages.begin());
      ++traffic_.messages_dropped;
      metrics_.dropped_messages.add();
    }
    link.messages.push_back(part);
    return;
  }
  const bool gossip =
      part.kind == PartKind::ihave || part.kind == PartKind::iwant || part.kind == PartKind::idontwant;
  if (link.control.size() >= (gossip ? kMaxWaitingGossip : kMaxWaitingControl)) {
    ++traffic_.control_dropped;
    metrics_.dropped_control.add();
    return;
  }
  link.control.push_back(part);
  if (part.kind == PartKind::idontwant) {
    warned_ = true;
    return flush_control(link);
  }
  if (link.dirty) return;
  link.dirty = true;
  dirty_.push_back(to);
  env_.clock.defer(flush_);
}

// In a large simulation every peer's link is cold memory: asks for all of them before using the first.
void GossipSub::send_each(std::span<const PeerIndex> to, const RpcPart& part) {
  for (PeerIndex peer : to) __builtin_prefetch(links_[peer].get());
  for (PeerIndex peer : to) {
    if (links_[peer] != nullptr) __builtin_prefetch(links_[peer]->stream.get());
  }
  for (PeerIndex peer : to) send(peer, part);
}

// IDONTWANT is worth most when all hear it before the first of the copies that we pass on fills our uplink. Connections
// send what was written in a turn in the order of their first writes: so messages wait until these have been.
void GossipSub::hold(PeerIndex peer) {
  if (held_.empty()) env_.clock.defer(release_);
  held_.push_back(peer);
}

void GossipSub::release() {
  for (std::size_t i = 0; i < held_.size(); ++i) {
    Link* link = held_[i] < links_.size() ? links_[held_[i]].get() : nullptr;
    if (link != nullptr) write_waiting(*link);
  }
  held_.clear();
}

// What waits for several peers is one slice, and the core knows it by that.
bool GossipSub::cancel(PeerIndex to, const RpcPart& message) {
  if (to >= links_.size() || links_[to] == nullptr) return false;
  std::vector<RpcPart>& waiting = links_[to]->messages;
  const auto at = std::find_if(waiting.begin(), waiting.end(), [&](const RpcPart& part) {
    return part.bytes.data() == message.bytes.data();
  });
  if (at == waiting.end()) return false;
  waiting.erase(at);
  ++traffic_.messages_cancelled;
  return true;
}

void GossipSub::flush() {
  for (std::size_t i = 0; i < dirty_.size(); ++i) {
    Link* link = dirty_[i] < links_.size() ? links_[dirty_[i]].get() : nullptr;
    if (link == nullptr) continue;
    link->dirty = false;
    flush_control(*link);
  }
  dirty_.clear();
}

void GossipSub::flush_control(Link& link) {
  if (link.control.empty() || !link.can_write()) return;
  for (const RpcPart& part : link.control) metrics_.sent.count(part.kind);
  const std::size_t limit = std::min<std::size_t>(kMaxControlRpc, core_.params().max_rpc);
  for (Rpc rest = link.control; !rest.empty();) {
    Bytes frame = encode_control_frame(rest, limit);
    ++traffic_.rpcs_sent;
    traffic_.bytes_sent += frame.size();
    metrics_.sent.count(frame.size());
    link.stream->write(std::move(frame));
  }
  std::vector<RpcPart>().swap(link.control);
}

void GossipSub::write_message(Link& link, const RpcPart& part) {
  std::size_t size = part.bytes.size();
  if (part.header == 0) {
    if (last_header_for_ != part.bytes.size() || last_header_.empty()) {
      last_header_for_ = part.bytes.size();
      last_header_ = message_header(last_header_for_);
    }
    size += last_header_.size();
    link.stream->write(last_header_);
  }
  ++traffic_.rpcs_sent;
  traffic_.bytes_sent += size;
  metrics_.sent.count(size);
  metrics_.sent.count(PartKind::message);
  link.stream->write(part.bytes);
}

void GossipSub::write_waiting(Link& link) {
  flush_control(link);
  std::size_t written = 0;
  for (; written < link.messages.size() && link.can_write(); ++written)
    write_message(link, link.messages[written]);
  if (written == link.messages.size()) {
    std::vector<RpcPart>().swap(link.messages);
  } else {
    link.messages.erase(link.messages.begin(), link.messages.begin() + static_cast<std::ptrdiff_t>(written));
  }
}

// -----------------------------------------------------------------------------------------------------------
// others

void GossipSub::on_heartbeat() {
  metrics_.heartbeat_delay.observe(env_.clock.now() - heartbeat_.deadline());
  env_.clock.arm_after(heartbeat_, core_.params().heartbeat);
  if (!retries_.empty()) {
    for (Retry& retry : retries_) {
      if (++retry.attempts <= kMaxRetries) consider(retry.peer);
    }
    std::erase_if(retries_, [](const Retry& retry) { return retry.attempts > kMaxRetries; });
  }
  core_.on_heartbeat(env_.clock.now());
  if (core_.peer_score() != nullptr) count_scores();
}

void GossipSub::count_scores() {
  const ScoreThresholds& t = core_.params().thresholds;
  std::array<std::uint16_t, 5> bands{};
  for (const auto& link : links_) {
    if (link == nullptr) continue;
    const double score = core_.score(link->peer);
    ++bands[score < t.graylist ? 4 : score < t.publish ? 3 : score < t.gossip ? 2 : score < 0 ? 1 : 0];
  }
  for (std::size_t i = 0; i < bands.size(); ++i) {
    if (bands[i] != scored_[i]) metrics_.scored.with({kScoreBands[i]}).add(bands[i] - scored_[i]);
  }
  scored_ = bands;
}

void GossipSub::wake_at(Time when) { env_.clock.arm(wake_, when); }

void GossipSub::connect(const PeerId& peer, const Bytes& signed_record) {
  if (!signed_record.empty()) {
    const auto record = open_peer_record(signed_record);
    if (!record || record->peer != peer) return;  // a bogus offer
    swarm_.peers().set_certified(peer, record->seq, signed_record);
  }
  swarm_.dial(peer);
}

Bytes GossipSub::signed_record(const PeerId& peer) { return swarm_.peers().signed_record(peer); }

void GossipSub::log(const GossipSubEvent& event) {
  using Kind = GossipSubEvent::Kind;
  const auto peer = [&] {
    return event.peer == kNoPeer ? std::string() : core_.peer(event.peer).id.to_string();
  };
  switch (event.kind) {
    case Kind::subscribed:
      MC_LOG(env_.log, gossipsub, info, "subscribed", {"topic", event.topic});
      break;
    case Kind::unsubscribed:
      MC_LOG(env_.log, gossipsub, info, "unsubscribed", {"topic", event.topic});
      break;
    case Kind::rejected:
      MC_LOG(env_.log, gossipsub, info, "message rejected", {"peer", peer()}, {"topic", event.topic},
             {"error", to_string(static_cast<ErrorCode>(event.value))});
      break;
    case Kind::grafted:
      MC_LOG(env_.log, gossipsub, debug, "grafted", {"peer", peer()}, {"topic", event.topic});
      break;
    case Kind::pruned:
      MC_LOG(env_.log, gossipsub, debug, "pruned", {"peer", peer()}, {"topic", event.topic});
      break;
    case Kind::published:
      MC_LOG(env_.log, gossipsub, debug, "published", {"topic", event.topic}, {"bytes", event.value});
      break;
    case Kind::delivered:
      MC_LOG(env_.log, gossipsub, debug, "delivered", {"peer", peer()}, {"topic", event.topic},
             {"bytes", event.value});
      break;
    default:
      break;  // too many for lines
  }
}

void GossipSub::note(const GossipSubEvent& event) {
  static constexpr std::array<TraceKind, 10> kKinds = {
      TraceKind::published,  TraceKind::delivered,    TraceKind::duplicate, TraceKind::rejected,
      TraceKind::subscribed, TraceKind::unsubscribed, TraceKind::grafted,   TraceKind::pruned,
      TraceKind::ihave_sent, TraceKind::iwant_sent,
  };
  metrics_.count(event);
  log(event);
  if (event.kind == GossipSubEvent::Kind::withheld) return;  // counted, not recorded
  env_.trace.record({.kind = kKinds[static_cast<std::size_t>(event.kind)],
                     .peer = event.peer == kNoPeer ? 0 : core_.peer(event.peer).hash,
                     .subject = event.subject,
                     .value = event.value,
                     .label = event.topic});
}

}  // namespace mesocosm
