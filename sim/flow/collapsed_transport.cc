#include "sim/flow/collapsed_transport.h"

#include <algorithm>
#include <string>
#include <utility>

#include "stack/base/assert.h"
#include "stack/env/fault_points.h"
#include "stack/mux/slice_queue.h"

namespace mesocosm {
namespace {

using Costs = CollapsedCosts;

constexpr std::string_view kMuxer = "/yamux/1.0.0";
constexpr Duration kHandshakeTimeout = 10s;  // from connected to open, as UpgradeOptions has it
constexpr Duration kNegotiationTimeout = 10s;
constexpr Duration kCloseTimeout = 5s;
constexpr std::size_t kMaxPendingInbound = 256;
constexpr std::size_t kLongestWrite = 256 * 1024;  // longer ones are cut
constexpr std::int32_t kInitialWindow = 256 * 1024;
constexpr std::int32_t kMaxWindow = 16 * 1024 * 1024;

// What a message is: the upper bits of its tag. The lower ones are the stream's number, odd for the dialer's.
enum class Kind : std::uint32_t {
  plain,      // not ours
  handshake,  // the next of CollapsedSecurity's messages, the fourth and fifth with the sender's public key
  open,       // data: a protocol's name; again, after a refusal
  agree,      // to the protocol
  refuse,     // the protocol
  data,
  credit,  // value: bytes
  finish,
  reset,    // value: code
  goodbye,  // the connection is being closed
  ping,     // value: 0 asks, 1 answers
};
constexpr int kKindShift = 28;
constexpr std::uint32_t kNumberMask = (1u << kKindShift) - 1;

Kind kind_of(std::uint32_t tag) { return static_cast<Kind>(tag >> kKindShift); }

// The handshake's messages, by number. An offer that is the dialer's last has its hello behind it, and the answer
// to that the listener's identity.
constexpr std::size_t kOffer = 0;             // value: the security protocol, and the hello's
constexpr std::size_t kAnswer = 1;            // value: kAccepted, or not, and the listener identity's
constexpr std::size_t kHello = 2;             // value: kEarlyMuxer, if the dialer wants that
constexpr std::size_t kListenerIdentity = 3;  // value: kEarlyMuxer, if both want that
constexpr std::size_t kDialerIdentity = 4;
// The sixth is the muxer's answer, which the dialer does not wait for.
constexpr std::uint32_t kProtocolMask = 0xff, kAccepted = 0x100, kEarlyMuxer = 0x200, kAhead = 0x400;

// The frames of security protocol and muxer around so many bytes that leave alone.
std::uint32_t framed(std::size_t payload, const CollapsedSecurity& security) {
  const std::size_t most = security.most - Costs::kYamuxHeader;
  const std::size_t frames = std::max<std::size_t>(1, (payload + most - 1) / most);
  return static_cast<std::uint32_t>(payload + frames * (security.frame + Costs::kYamuxHeader));
}

}  // namespace

// One protocol's stream. What cannot be sent yet waits in `pending_`.
class CollapsedStream final : public Stream {
 public:
  CollapsedStream(CollapsedConnection& connection, std::uint32_t number, Events* events);
  ~CollapsedStream() override;

  void set_events(Events& events) override { events_ = &events; }
  Bytes read(std::size_t max) override;
  bool ended() const override { return fin_received_ && incoming_.empty(); }
  std::size_t writable() const override;
  void write(Bytes bytes) override;
  void finish() override;
  void reset(std::uint32_t code) override;
  ProtocolId protocol() const override {
    return entry_ == nullptr ? ProtocolId{} : ProtocolId(entry_->protocol);
  }
  Connection& connection() override;

 private:
  friend class CollapsedConnection;
  struct Negotiation {
    std::vector<ProtocolId> offers;  // the first one is being asked for
    Time deadline;
  };

  bool sending() const { return connection_ != nullptr && !closed_; }
  bool may_send() const;
  void send(Bytes bytes);
  void drain();
  void check_ended();

  CollapsedConnection* connection_;  // null once it is gone
  Events* events_;
  CollapsedStream* next_ = nullptr;
  TrafficCounters::Entry* entry_ = nullptr;
  std::unique_ptr<Negotiation> negotiation_;  // we offer, and wait; null once a protocol is agreed, or lazily
  SliceQueue incoming_;
  SliceQueue pending_;
  std::uint32_t number_;
  std::int32_t credit_ = kInitialWindow;  // that the peer gave us
  std::int32_t consumed_ = 0;             // read since we last gave credit
  std::int32_t window_ = kInitialWindow;  // that we give
  mutable bool wants_space_ : 1 = false;  // was told that writable() is zero
  bool finishing_ : 1 = false;
  bool fin_sent_ : 1 = false;
  bool fin_received_ : 1 = false;
  bool lazy_ : 1 = false;       // data went ahead of the peer's agreement
  bool closed_ : 1 = false;     // by a reset, an error or the connection's end: nothing goes or comes
  bool told_ : 1 = false;       // on_closed was called, or shall not be
  bool close_due_ : 1 = false;  // on_closed is to be called at the end of the turn
  ErrorCode close_code_ = ErrorCode::none;
  Time window_since_{};
};

//   connecting ──▶ shaking_hands ──▶ open ──▶ closing ──▶ closed
class CollapsedConnection final : public Connection, private ByteStream::Events {
 public:
  class Observer {
   public:
    virtual void on_open(CollapsedConnection& connection) = 0;  // may take it; set_events() before returning
    virtual void on_failed(CollapsedConnection& connection, Error error) = 0;  // may destroy it

   protected:
    ~Observer() = default;
  };

  CollapsedConnection(CollapsedTransport& transport, flow::Connection& tcp, int side, Observer& observer);
  ~CollapsedConnection() override;
  void expect(const PeerId& peer, Multiaddr remote);

  void set_events(Connection::Events& events) override { events_ = &events; }
  const ConnectionInfo& info() const override { return info_; }
  std::unique_ptr<Stream> open(std::span<const ProtocolId> offers, bool lazy,
                               Stream::Events& events) override;
  std::size_t stream_count() const override;
  void close(std::uint32_t code) override;

  void run_deferred();  // at the end of a turn

 private:
  friend class CollapsedStream;
  friend class CollapsedTransport;

  enum class State : std::uint8_t {
    connecting,     // TCP is not connected
    shaking_hands,  // the handshake's messages
    open,
    closing,  // close() was called: waits for the peer's end
    closed,   // told
  };
  struct Phase;
  struct Keepalive;
  // Knows whether the connection was destroyed in a callback.
  struct Watch {
    explicit Watch(CollapsedConnection& connection) : connection(&connection), outer(connection.watch_) {
      connection.watch_ = this;
    }
    ~Watch() {
      if (connection != nullptr) connection->watch_ = outer;
    }
    bool alive() const { return connection != nullptr; }
    CollapsedConnection* connection;
    Watch* outer;
  };

  void on_readable() override;
  void on_writable() override;
  void on_closed(Error error) override;
  void on_timer();
  void keep_alive();

  void offer();
  bool take_offer(std::uint32_t value);
  bool take_answer(flow::Chunk& message);
  bool take_message(std::size_t number, flow::Chunk& message);
  void shake_hands();
  const CollapsedSecurity::Messages& messages() const;
  std::uint32_t early_flag() const;
  bool take(flow::Chunk& message);
  bool take_handshake(flow::Chunk& message);
  void opened();
  void fail(Error error);
  bool take_open(std::uint32_t number, const Bytes& name);
  bool take_for_stream(Kind kind, CollapsedStream& stream, flow::Chunk& message);
  bool offer_space();

  void send(Kind kind, std::uint32_t number, Bytes data, std::size_t payload, std::uint32_t value = 0);
  void send_handshake(Bytes data, std::uint32_t wire, std::uint32_t value);
  CollapsedStream* find(std::uint32_t number) const;
  void add(CollapsedStream& stream);
  void unlink(CollapsedStream& stream);
  void close_stream(CollapsedStream& stream, ErrorCode code);
  void defer() { transport_.defer(*this); }
  bool end(Error error);
  bool tell_streams();
  Clock& clock() const { return transport_.env_.clock; }
  const CollapsedSecurity& security() const { return kCollapsedSecurities[security_]; }

  CollapsedTransport& transport_;
  flow::Connection& tcp_;
  Connection::Events* events_ = nullptr;
  CollapsedStream* streams_ = nullptr;  // in order of opening
  Watch* watch_ = nullptr;
  std::unique_ptr<Phase> phase_;
  std::unique_ptr<Keepalive> keepalive_;    // null: there is none
  std::uint64_t turn_ = ~std::uint64_t{0};  // of the last message sent: later ones share its sealed frame
  std::uint32_t turn_stream_ = 0;
  std::uint32_t next_number_;
  std::uint8_t side_;
  std::uint8_t security_ = 0;  // of kCollapsedSecurities
  State state_ = State::connecting;
  bool deferred_ = false;
  bool goodbye_due_ = false;
  ConnectionInfo info_;
};

// What is needed before and after State::open only, or while streams negotiate.
struct CollapsedConnection::Phase {
  explicit Phase(CollapsedConnection& connection) : timer(connection) {}
  Observer* observer = nullptr;
  PeerId expected;  // empty: anybody
  std::size_t next_message = 0;
  std::size_t offers = 0;   // of security protocols, sent or refused
  bool early_muxer = true;  // wanted, then agreed
  MemberTimer<&CollapsedConnection::on_timer> timer;
};

// Pings, as UpgradedConnection sends them.
struct CollapsedConnection::Keepalive {
  explicit Keepalive(CollapsedConnection& connection) : timer(connection) {}
  MemberTimer<&CollapsedConnection::keep_alive> timer;
  bool waiting = false;  // for an answer
};

static_assert(sizeof(CollapsedStream) <= 112);
static_assert(sizeof(CollapsedConnection) <= 256);

// ---- Streams ----

CollapsedStream::CollapsedStream(CollapsedConnection& connection, std::uint32_t number, Events* events)
    : connection_(&connection), events_(events), number_(number) {
  connection.add(*this);
}

CollapsedStream::~CollapsedStream() {
  told_ = true;
  if (connection_ == nullptr) return;
  if (!closed_ && !(fin_sent_ && fin_received_)) connection_->send(Kind::reset, number_, {}, 0);
  connection_->unlink(*this);
}

Connection& CollapsedStream::connection() {
  MC_ASSERT(connection_ != nullptr);
  return *connection_;
}

Bytes CollapsedStream::read(std::size_t max) {
  Bytes taken = incoming_.pop(max);
  if (taken.empty()) return taken;
  if (entry_ != nullptr) entry_->in += taken.size();
  if (!sending()) return taken;
  if (fin_received_) {
    check_ended();
    return taken;
  }
  // Yamux's credit: for what was read, when half of the window is due; the window doubles while a half is
  // read within four round trips.
  consumed_ += static_cast<std::int32_t>(taken.size());
  if (consumed_ < window_ / 2) return taken;
  const Time now = connection_->clock().now();
  const Duration rtt = connection_->tcp_.rtt(connection_->side_);
  if (now - window_since_ < 4 * rtt && window_ < kMaxWindow) {
    consumed_ += window_;
    window_ *= 2;
  }
  window_since_ = now;
  connection_->send(Kind::credit, number_, {}, 0, static_cast<std::uint32_t>(std::exchange(consumed_, 0)));
  return taken;
}

std::size_t CollapsedStream::writable() const {
  if (!sending() || finishing_) return 0;
  std::size_t room = 0;
  if (negotiation_ == nullptr && pending_.empty() && credit_ > 0) {
    room = std::min<std::size_t>(static_cast<std::size_t>(credit_),
                                 connection_->tcp_.writable(connection_->side_));
  }
  if (room == 0) wants_space_ = true;
  return room;
}

void CollapsedStream::write(Bytes bytes) {
  if (!sending() || finishing_ || bytes.empty()) return;
  if (entry_ != nullptr) entry_->out += bytes.size();
  if (bytes.size() <= kLongestWrite && pending_.empty() && may_send()) return send(std::move(bytes));
  while (bytes.size() > kLongestWrite) pending_.push(bytes.take_front(kLongestWrite));
  pending_.push(std::move(bytes));
  drain();
}

void CollapsedStream::finish() {
  if (!sending() || finishing_) return;
  finishing_ = true;
  drain();
}

void CollapsedStream::reset(std::uint32_t code) {
  told_ = true;
  if (!sending()) return;
  closed_ = true;
  incoming_.clear();
  pending_.clear();
  if (!(fin_sent_ && fin_received_)) connection_->send(Kind::reset, number_, {}, 0, code);
}

bool CollapsedStream::may_send() const {
  return negotiation_ == nullptr && credit_ > 0 && connection_->tcp_.writable(connection_->side_) > 0;
}

void CollapsedStream::send(Bytes bytes) {
  const std::size_t size = bytes.size();
  credit_ -= static_cast<std::int32_t>(size);
  connection_->send(Kind::data, number_, std::move(bytes), size);
}

// Sends what credit and the connection allow.
void CollapsedStream::drain() {
  while (!pending_.empty() && may_send()) send(pending_.pop(SIZE_MAX));
  if (negotiation_ != nullptr) return;
  if (!pending_.empty() || !finishing_ || fin_sent_) return;
  fin_sent_ = true;
  connection_->send(Kind::finish, number_, {}, 0);
  check_ended();
}

void CollapsedStream::check_ended() {
  if (fin_sent_ && ended()) connection_->close_stream(*this, ErrorCode::none);
}

// ---- The connection's life ----

CollapsedConnection::CollapsedConnection(CollapsedTransport& transport, flow::Connection& tcp, int side,
                                         Observer& observer)
    : transport_(transport),
      tcp_(tcp),
      phase_(std::make_unique<Phase>(*this)),
      next_number_(side == 0 ? 1 : 2),
      side_(static_cast<std::uint8_t>(side)) {
  phase_->observer = &observer;
  phase_->early_muxer = transport.early_muxer_;
  info_.direction = side == 0 ? Direction::outbound : Direction::inbound;
  tcp.attach(side, *this);
  if (side == 1) on_writable();
}

CollapsedConnection::~CollapsedConnection() {
  for (Watch* watch = watch_; watch != nullptr; watch = watch->outer) watch->connection = nullptr;
  if (deferred_) transport_.forget(*this);
  for (CollapsedStream* stream = streams_; stream != nullptr; stream = stream->next_) {
    stream->connection_ = nullptr;
    stream->closed_ = true;
  }
  tcp_.detach(side_);
}

void CollapsedConnection::expect(const PeerId& peer, Multiaddr remote) {
  phase_->expected = peer;
  info_.remote = std::move(remote);
}

void CollapsedConnection::on_writable() {
  if (state_ != State::connecting) {
    if (state_ == State::open) offer_space();
    return;
  }
  state_ = State::shaking_hands;
  clock().arm_after(phase_->timer, kHandshakeTimeout);
  if (side_ == 0) offer();
}

// Offers the next security protocol, as multistream does; the last one with the hello behind it.
void CollapsedConnection::offer() {
  const SecurityProtocol protocol = transport_.securities_[phase_->offers];
  security_ = static_cast<std::uint8_t>(protocol);
  std::uint32_t wire = messages()[kOffer] - (phase_->offers++ == 0 ? 0 : Costs::kMultistream);
  auto value = static_cast<std::uint32_t>(protocol);
  phase_->next_message = kAnswer;
  if (phase_->offers == transport_.securities_.size()) {
    wire += messages()[kHello];
    value |= kAhead | early_flag();
  }
  send_handshake({}, wire, value);
}

// Answers an offer. False: the connection has ended.
bool CollapsedConnection::take_offer(std::uint32_t value) {
  const auto protocol = static_cast<SecurityProtocol>(value & kProtocolMask);
  const auto& ours = transport_.securities_;
  const bool ahead = (value & kAhead) != 0;
  const bool first = phase_->offers++ == 0;
  if (std::find(ours.begin(), ours.end(), protocol) == ours.end()) {
    send_handshake({}, (first ? Costs::kMultistream : 0) + Costs::kRefusal, 0);
    if (ahead) tcp_.finish(side_);  // what was behind it makes no sense; the dialer ends it
    return true;
  }
  security_ = static_cast<std::uint8_t>(protocol);
  std::uint32_t wire = messages()[kAnswer] - (first ? 0 : Costs::kMultistream);
  phase_->next_message = kHello;
  if (!ahead) {
    send_handshake({}, wire, kAccepted);
    return true;
  }
  phase_->early_muxer = phase_->early_muxer && (value & kEarlyMuxer) != 0;
  wire += messages()[kListenerIdentity];
  phase_->next_message = kDialerIdentity;
  send_handshake(transport_.public_key_, wire, kAccepted | kAhead | early_flag());
  return true;
}

// Sends the handshake's next message.
void CollapsedConnection::shake_hands() {
  const std::size_t number = phase_->next_message++;
  const bool identity = number == kListenerIdentity || number == kDialerIdentity;
  send_handshake(identity ? transport_.public_key_ : Bytes(), messages()[number], early_flag());
}

bool CollapsedConnection::take_handshake(flow::Chunk& message) {
  if (state_ != State::shaking_hands) return true;  // the muxer's answer
  if (phase_->next_message != kOffer && MC_FAULT_POINT(transport_.env_.entropy, transport_handshake)) {
    fail(injected(ErrorCode::reset));
    return false;
  }
  if (phase_->next_message == kOffer) return take_offer(message.value);
  if (phase_->next_message == kAnswer) return take_answer(message);
  return take_message(phase_->next_message++, message);
}

bool CollapsedConnection::take_answer(flow::Chunk& message) {
  if ((message.value & kAccepted) != 0) {
    const bool ahead = (message.value & kAhead) != 0;
    phase_->next_message = ahead ? kDialerIdentity : kHello;
    if (ahead) return take_message(kListenerIdentity, message);
    shake_hands();
    return true;
  }
  if (phase_->offers < transport_.securities_.size()) {
    offer();
    return true;
  }
  fail({ErrorCode::negotiation_failed, "the peer does not speak " + std::string(security().id)});
  return false;
}

// One of the messages from kHello on.
bool CollapsedConnection::take_message(std::size_t number, flow::Chunk& message) {
  if (number != kDialerIdentity) {
    phase_->early_muxer = phase_->early_muxer && (message.value & kEarlyMuxer) != 0;
  }
  if (number != kHello) {
    info_.peer_public_key = std::move(message.data);
    info_.peer = PeerId::from_public_key(info_.peer_public_key);
    if (!phase_->expected.empty() && info_.peer != phase_->expected) {
      fail({ErrorCode::peer_mismatch, "the peer is " + info_.peer.to_string()});
      return false;
    }
  }
  if (number != kDialerIdentity || !phase_->early_muxer) shake_hands();
  if (number == kHello) return true;
  Watch watch(*this);
  opened();
  return watch.alive();
}

const CollapsedSecurity::Messages& CollapsedConnection::messages() const {
  return phase_->early_muxer ? security().early : security().late;
}

std::uint32_t CollapsedConnection::early_flag() const { return phase_->early_muxer ? kEarlyMuxer : 0; }

void CollapsedConnection::opened() {
  state_ = State::open;
  info_.local = Multiaddr::tcp(transport_.network_.local(tcp_, side_));
  if (info_.remote.empty()) info_.remote = Multiaddr::tcp(transport_.network_.remote(tcp_, side_));
  info_.security = security().id;
  info_.muxer = kMuxer;
  info_.early_muxer = phase_->early_muxer;
  if (transport_.keepalive_ > Duration::zero()) {
    keepalive_ = std::make_unique<Keepalive>(*this);
    clock().arm_after(keepalive_->timer, transport_.keepalive_);
  }
  const std::unique_ptr<Phase> phase = std::move(phase_);
  phase->observer->on_open(*this);
}

void CollapsedConnection::fail(Error error) {
  state_ = State::closed;
  const std::unique_ptr<Phase> phase = std::move(phase_);
  phase->observer->on_failed(*this, std::move(error));
}

void CollapsedConnection::on_closed(Error error) {
  switch (state_) {
    case State::closed:
      return;
    case State::closing:
      end({});
      return;
    case State::open:
      if (error.ok()) error = {ErrorCode::reset, "the byte stream ended"};
      end(std::move(error));
      return;
    default:
      if (error.ok()) error = {ErrorCode::reset, "the byte stream ended in the handshake"};
      fail(std::move(error));
  }
}

void CollapsedConnection::on_timer() {
  if (state_ == State::closing) {
    end({});
  } else if (state_ == State::shaking_hands) {
    fail({ErrorCode::timeout, "the handshake took too long"});
  } else if (state_ == State::open) {
    // Streams whose negotiation takes too long.
    const std::unique_ptr<Phase> phase = std::move(phase_);
    Time next = kNever;
    for (CollapsedStream* stream = streams_; stream != nullptr; stream = stream->next_) {
      if (stream->negotiation_ == nullptr) continue;
      if (stream->negotiation_->deadline <= clock().now()) {
        send(Kind::reset, stream->number_, {}, 0);
        close_stream(*stream, ErrorCode::timeout);
      } else {
        next = std::min(next, stream->negotiation_->deadline);
      }
    }
    if (next == kNever) return;
    phase_ = std::make_unique<Phase>(*this);
    clock().arm(phase_->timer, next);
  }
}

void CollapsedConnection::keep_alive() {
  if (state_ != State::open) return;
  if (keepalive_->waiting) {
    end({ErrorCode::timeout, "no answer to a ping"});
    return;
  }
  keepalive_->waiting = true;
  clock().arm_after(keepalive_->timer, transport_.keepalive_);
  send(Kind::ping, 0, {}, 0);
}

void CollapsedConnection::close(std::uint32_t) {
  if (state_ != State::open) return;
  state_ = State::closing;
  phase_ = std::make_unique<Phase>(*this);
  clock().arm_after(phase_->timer, kCloseTimeout);
  goodbye_due_ = true;
  defer();
}

// Tells the streams, then the connection's events. Always false: nothing more is to be done here.
bool CollapsedConnection::end(Error error) {
  Watch watch(*this);
  const ErrorCode why = state_ == State::closing ? ErrorCode::cancelled
                        : error.ok()             ? ErrorCode::reset
                                                 : error.code;
  state_ = State::closed;
  phase_.reset();
  for (CollapsedStream* stream = streams_; stream != nullptr; stream = stream->next_)
    close_stream(*stream, why);
  if (!tell_streams()) return false;
  Connection::Events* const events = std::exchange(events_, nullptr);
  if (events != nullptr) events->on_closed(std::move(error));
  return false;
}

// ---- Input ----

void CollapsedConnection::on_readable() {
  Watch watch(*this);
  flow::Chunk message;
  while (tcp_.read(side_, SIZE_MAX, message)) {
    transport_.traffic_.wire.in += message.wire;
    if (state_ == State::closing || state_ == State::closed) continue;
    if (!take(message) || !watch.alive()) return;
  }
  if (!tcp_.ended(side_)) return;
  switch (state_) {
    case State::closed:
      return;
    case State::closing:
      end({});
      return;
    case State::open:
      end({ErrorCode::reset, "the byte stream ended"});
      return;
    default:
      fail({ErrorCode::reset, "the byte stream ended in the handshake"});
  }
}

// False: the connection has ended.
bool CollapsedConnection::take(flow::Chunk& message) {
  const Kind kind = kind_of(message.tag);
  const std::uint32_t number = message.tag & kNumberMask;
  if (kind == Kind::handshake) return take_handshake(message);
  if (kind == Kind::plain || state_ != State::open) {
    Error error{ErrorCode::protocol_violation, "the peer is no collapsed transport"};
    if (state_ == State::open) return end(std::move(error));
    fail(std::move(error));
    return false;
  }
  if (kind == Kind::open) return take_open(number, message.data);
  if (kind == Kind::goodbye) {
    tcp_.finish(side_);
    return end({ErrorCode::none, "closed by the peer"});
  }
  if (kind == Kind::ping) {
    if (message.value == 0) {
      send(Kind::ping, 0, {}, 0, 1);
    } else if (keepalive_ != nullptr) {
      keepalive_->waiting = false;
    }
    return true;
  }
  CollapsedStream* const stream = find(number);
  if (stream == nullptr || stream->closed_) return true;
  if (kind == Kind::data && MC_FAULT_POINT(transport_.env_.entropy, stream_reset)) {
    send(Kind::reset, number, {}, 0);
    close_stream(*stream, ErrorCode::reset);
    return true;
  }
  return take_for_stream(kind, *stream, message);
}

bool CollapsedConnection::take_open(std::uint32_t number, const Bytes& name) {
  const ProtocolId protocol = events_ == nullptr ? ProtocolId{} : transport_.protocols_.find(name.text());
  if (protocol.empty()) {
    send(Kind::refuse, number, {}, Costs::kMultistream + 4);
    return true;
  }
  Watch watch(*this);
  auto stream = std::make_unique<CollapsedStream>(*this, number, nullptr);
  stream->entry_ = &transport_.traffic_.of(protocol);
  stream->window_since_ = clock().now();
  send(Kind::agree, number, {}, Costs::kMultistream + protocol.size() + Costs::kMultistreamName);
  events_->on_stream(std::move(stream));
  return watch.alive();
}

bool CollapsedConnection::take_for_stream(Kind kind, CollapsedStream& stream, flow::Chunk& message) {
  Watch watch(*this);
  Stream::Events* const events = stream.told_ ? nullptr : stream.events_;
  switch (kind) {
    case Kind::data:
      if (stream.fin_received_) return true;
      stream.incoming_.push(std::move(message.data));
      if (events != nullptr) events->on_readable();
      break;
    case Kind::finish:
      stream.fin_received_ = true;
      stream.check_ended();
      if (events != nullptr) events->on_readable();
      break;
    case Kind::credit:
      stream.credit_ += static_cast<std::int32_t>(message.value);
      stream.drain();
      return offer_space();
    case Kind::reset:
      close_stream(stream, ErrorCode::reset);
      break;
    case Kind::agree:
      if (stream.lazy_ || stream.negotiation_ == nullptr) break;
      stream.entry_ = &transport_.traffic_.of(stream.negotiation_->offers.front());
      stream.negotiation_.reset();
      stream.entry_->out += stream.pending_.bytes();
      stream.drain();
      stream.wants_space_ = true;
      return offer_space();
    case Kind::refuse: {
      if (stream.lazy_ || stream.negotiation_ == nullptr || stream.negotiation_->offers.size() < 2) {
        close_stream(stream, ErrorCode::negotiation_failed);
        break;
      }
      auto& offers = stream.negotiation_->offers;
      offers.erase(offers.begin());
      send(Kind::open, stream.number_, Bytes::copy(offers.front()),
           offers.front().size() + Costs::kMultistreamName);
      break;
    }
    default:
      break;
  }
  return watch.alive();
}

// Tells streams that waited for room. False: the connection has been destroyed.
bool CollapsedConnection::offer_space() {
  Watch watch(*this);
  for (CollapsedStream* stream = streams_; stream != nullptr; stream = stream->next_) {
    if (!stream->closed_ && !stream->pending_.empty()) stream->drain();
  }
  while (true) {  // a callback may change the list: begin again after each
    CollapsedStream* waiting = streams_;
    const auto has_room = [this](const CollapsedStream& stream) {
      return stream.wants_space_ && !stream.closed_ && !stream.finishing_ && stream.negotiation_ == nullptr &&
             stream.pending_.empty() && stream.credit_ > 0 && stream.events_ != nullptr &&
             tcp_.writable(side_) > 0;
    };
    while (waiting != nullptr && !has_room(*waiting)) waiting = waiting->next_;
    if (waiting == nullptr) return true;
    waiting->wants_space_ = false;
    waiting->events_->on_writable();
    if (!watch.alive()) return false;
  }
}

// ---- Output ----

std::unique_ptr<Stream> CollapsedConnection::open(std::span<const ProtocolId> offers, bool lazy,
                                                  Stream::Events& events) {
  MC_ASSERT(!offers.empty() && (!lazy || offers.size() == 1));
  auto stream = std::make_unique<CollapsedStream>(*this, next_number_, &events);
  next_number_ += 2;
  stream->window_since_ = clock().now();
  if (state_ != State::open) {
    close_stream(*stream, ErrorCode::cancelled);
    return stream;
  }
  if (MC_FAULT_POINT(transport_.env_.entropy, stream_open)) {
    close_stream(*stream, ErrorCode::timeout);
    return stream;
  }
  stream->lazy_ = lazy;
  if (lazy) {
    stream->entry_ = &transport_.traffic_.of(offers.front());
  } else {
    const Time deadline = clock().now() + kNegotiationTimeout;
    stream->negotiation_.reset(new CollapsedStream::Negotiation{{offers.begin(), offers.end()}, deadline});
    if (phase_ == nullptr) {
      phase_ = std::make_unique<Phase>(*this);
      clock().arm(phase_->timer, deadline);
    }
  }
  send(Kind::open, stream->number_, Bytes::copy(offers.front()),
       Costs::kMultistream + offers.front().size() + Costs::kMultistreamName);
  return stream;
}

void CollapsedConnection::send(Kind kind, std::uint32_t number, Bytes data, std::size_t payload,
                               std::uint32_t value) {
  if (state_ != State::open && state_ != State::closing) return;
  std::uint32_t wire = framed(payload, security());
  // What leaves in one turn shares sealed frames, and a stream's data share Yamux frames; its FIN has its own.
  const std::uint64_t turn = transport_.network_.kernel().events();
  if (turn == turn_) {
    wire -= security().frame;
    if (number == turn_stream_ && kind != Kind::finish && kind != Kind::ping) wire -= Costs::kYamuxHeader;
  }
  if (kind == Kind::goodbye) wire += security().farewell;
  turn_ = turn;
  turn_stream_ = number;
  wire = std::max(1u, wire);
  transport_.traffic_.wire.out += wire;
  tcp_.write_message(side_, std::move(data), wire, static_cast<std::uint32_t>(kind) << kKindShift | number,
                     value);
}

void CollapsedConnection::send_handshake(Bytes data, std::uint32_t wire, std::uint32_t value) {
  transport_.traffic_.wire.out += wire;
  tcp_.write_message(side_, std::move(data), wire, static_cast<std::uint32_t>(Kind::handshake) << kKindShift,
                     value);
}

// ---- Housekeeping ----

std::size_t CollapsedConnection::stream_count() const {
  std::size_t count = 0;
  for (const CollapsedStream* stream = streams_; stream != nullptr; stream = stream->next_) {
    if (!stream->closed_ && !(stream->fin_sent_ && stream->fin_received_)) ++count;
  }
  return count;
}

CollapsedStream* CollapsedConnection::find(std::uint32_t number) const {
  CollapsedStream* stream = streams_;
  while (stream != nullptr && stream->number_ != number) stream = stream->next_;
  return stream;
}

void CollapsedConnection::add(CollapsedStream& stream) {
  CollapsedStream** place = &streams_;
  while (*place != nullptr) place = &(*place)->next_;
  *place = &stream;
}

void CollapsedConnection::unlink(CollapsedStream& stream) {
  CollapsedStream** place = &streams_;
  while (*place != &stream) place = &(*place)->next_;
  *place = stream.next_;
}

// Ends a stream; its user is told at the end of the turn.
void CollapsedConnection::close_stream(CollapsedStream& stream, ErrorCode code) {
  if (stream.closed_ || stream.close_due_) return;
  if (code != ErrorCode::none) {
    stream.closed_ = true;
    stream.pending_.clear();
    stream.incoming_.clear();
  }
  stream.close_due_ = true;
  stream.close_code_ = code;
  defer();
}

void CollapsedConnection::run_deferred() {
  Watch watch(*this);
  if (std::exchange(goodbye_due_, false) && state_ == State::closing) {
    for (CollapsedStream* stream = streams_; stream != nullptr; stream = stream->next_) {
      close_stream(*stream, ErrorCode::cancelled);
    }
    send(Kind::goodbye, 0, {}, 0);
    tcp_.finish(side_);
  }
  tell_streams();
}

// Calls on_closed where it is due. False: the connection has been destroyed.
bool CollapsedConnection::tell_streams() {
  Watch watch(*this);
  while (true) {
    CollapsedStream* due = streams_;
    while (due != nullptr && !due->close_due_) due = due->next_;
    if (due == nullptr) return true;
    due->close_due_ = false;
    due->closed_ = true;
    const ErrorCode code = due->close_code_;
    const bool told = due->told_;
    due->told_ = true;
    if (told || due->events_ == nullptr) continue;
    due->events_->on_closed(code == ErrorCode::none ? Error{}
                                                    : Error{code, "stream over a collapsed connection"});
    if (!watch.alive()) return false;
  }
}

// ---- The transport ----

class CollapsedDial final : public Dial, public CollapsedConnection::Observer {
 public:
  CollapsedDial(CollapsedTransport& transport, const Multiaddr& address, const PeerId* peer,
                Dial::Events& events)
      : events_(events) {
    start(transport, address, peer);
  }

 private:
  void start(CollapsedTransport& transport, const Multiaddr& address, const PeerId* peer) {
    const auto named = address.peer();
    const auto endpoint = address.tcp_endpoint();
    if (!endpoint)
      return fail_later(transport, {ErrorCode::unsupported, "not a TCP address: " + address.to_string()});
    if (peer != nullptr && named && *named != *peer) {
      return fail_later(transport, {ErrorCode::peer_mismatch, "the address names another peer"});
    }
    FlowNetwork& network = transport.network_;
    const bool v6 = !endpoint->ip.is_v4();
    const HostIndex host = network.reach(transport.host_, endpoint->ip);
    if (host == FlowNetwork::kNoHost) {
      return fail_later(transport,
                        {ErrorCode::unreachable, "no host has the address " + endpoint->ip.to_string()});
    }
    flow::Connection& tcp =
        network.connect(transport.host_, network.free_port(transport.host_, v6), host, *endpoint);
    connection_ = std::make_unique<CollapsedConnection>(transport, tcp, 0, *this);
    connection_->expect(peer != nullptr ? *peer : named.value_or(PeerId()), address.without_peer());
  }
  void fail_later(CollapsedTransport& transport, Error error) {
    error_ = std::move(error);
    transport.env_.clock.arm_after(timer_, Duration::zero());
  }
  void on_timer() { events_.on_failed(std::move(error_)); }
  void on_open(CollapsedConnection&) override { events_.on_connected(std::move(connection_)); }
  void on_failed(CollapsedConnection&, Error error) override {
    const auto gone = std::move(connection_);
    events_.on_failed(std::move(error));
  }

  Dial::Events& events_;
  std::unique_ptr<CollapsedConnection> connection_;
  Error error_;
  MemberTimer<&CollapsedDial::on_timer> timer_{*this};
};

class CollapsedListening final : public Listening,
                                 private flow::Acceptor,
                                 public CollapsedConnection::Observer {
 public:
  CollapsedListening(CollapsedTransport& transport, const Endpoint& at, Listening::Events& events)
      : transport_(transport), at_(at), events_(events) {
    listening_ = transport.network_.tcp().listen(transport.host_, at.port, !at.ip.is_v4(), *this);
  }
  ~CollapsedListening() override {
    if (listening_) transport_.network_.tcp().unlisten(transport_.host_, at_.port, !at_.ip.is_v4());
  }
  bool listening() const { return listening_; }
  Multiaddr address() const override { return Multiaddr::tcp(at_); }

 private:
  void on_accept(flow::Connection& tcp) override {
    if (pending_.size() >= kMaxPendingInbound) return;  // TCP resets what nobody attaches to
    if (MC_FAULT_POINT(transport_.env_.entropy, transport_accept)) return;
    pending_.push_back(std::make_unique<CollapsedConnection>(transport_, tcp, 1, *this));
  }
  void on_open(CollapsedConnection& connection) override { events_.on_connection(take(connection)); }
  void on_failed(CollapsedConnection& connection, Error) override { take(connection); }
  std::unique_ptr<CollapsedConnection> take(CollapsedConnection& connection) {
    const auto at =
        std::find_if(pending_.begin(), pending_.end(), [&](const auto& p) { return p.get() == &connection; });
    MC_ASSERT(at != pending_.end());
    std::unique_ptr<CollapsedConnection> taken = std::move(*at);
    pending_.erase(at);
    if (pending_.empty()) pending_.shrink_to_fit();
    return taken;
  }

  CollapsedTransport& transport_;
  Endpoint at_;
  Listening::Events& events_;
  bool listening_ = false;
  std::vector<std::unique_ptr<CollapsedConnection>> pending_;
};

CollapsedTransport::CollapsedTransport(FlowNetwork& network, HostIndex host, Env& env,
                                       const PublicKey& identity, const ProtocolTable& protocols,
                                       TrafficCounters* traffic, const UpgradeOptions& options)
    : network_(network),
      host_(host),
      env_(env),
      public_key_(identity.serialized()),
      securities_(options.securities),
      early_muxer_(options.early_muxer),
      keepalive_(options.keepalive),
      protocols_(protocols),
      traffic_(traffic == nullptr ? own_traffic_ : *traffic) {}

CollapsedTransport::~CollapsedTransport() = default;

std::unique_ptr<Dial> CollapsedTransport::dial(const Multiaddr& address, const PeerId* peer,
                                               Dial::Events& events) {
  return std::make_unique<CollapsedDial>(*this, address, peer, events);
}

Result<std::unique_ptr<Listening>> CollapsedTransport::listen(const Multiaddr& address,
                                                              Listening::Events& events) {
  auto endpoint = address.tcp_endpoint();
  if (!endpoint) return mesocosm::fail(ErrorCode::unsupported, "not a TCP address: " + address.to_string());
  if (!network_.owns(host_, endpoint->ip)) {
    return mesocosm::fail(ErrorCode::io, "not an address of this host: " + endpoint->ip.to_string());
  }
  if (endpoint->port == 0) endpoint->port = network_.free_port(host_, !endpoint->ip.is_v4());
  auto listening = std::make_unique<CollapsedListening>(*this, *endpoint, events);
  if (!listening->listening()) return mesocosm::fail(ErrorCode::address_in_use, endpoint->to_string());
  return listening;
}

void CollapsedTransport::defer(CollapsedConnection& connection) {
  if (std::exchange(connection.deferred_, true)) return;
  deferred_.push_back(&connection);
  env_.clock.defer(task_);
}

void CollapsedTransport::forget(CollapsedConnection& connection) {
  std::replace(deferred_.begin(), deferred_.end(), &connection, static_cast<CollapsedConnection*>(nullptr));
}

void CollapsedTransport::run_deferred() {
  for (std::size_t i = 0; i < deferred_.size(); ++i) {  // grows meanwhile
    CollapsedConnection* const connection = deferred_[i];
    if (connection == nullptr) continue;
    deferred_[i] = nullptr;
    connection->deferred_ = false;
    connection->run_deferred();
  }
  deferred_.clear();
}

}  // namespace mesocosm
