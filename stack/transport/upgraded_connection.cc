#include "stack/transport/upgraded_connection.h"

#include <algorithm>
#include <utility>
#include <variant>
#include <vector>

#include "stack/base/assert.h"
#include "stack/env/fault_points.h"
#include "stack/secure/noise.h"
#include "stack/secure/tls.h"

namespace mesocosm {
namespace {

constexpr std::string_view kMuxers[] = {kYamuxId};
constexpr std::size_t kReadSize = 256 * 1024;
constexpr std::size_t kMaxBatch = 256 * 1024;  // plaintext sealed at once
constexpr std::size_t kMinBatch = 4 * 1024;    // a byte stream that wants less than this gets this much

// Answers offers from a fixed list.
class ListChooser final : public MultistreamChooser {
 public:
  explicit ListChooser(std::span<const std::string_view> names) : names_(names) {}
  std::string_view choose(std::string_view offered) const override {
    const auto at = std::find(names_.begin(), names_.end(), offered);
    return at == names_.end() ? std::string_view{} : *at;
  }
  std::vector<std::string_view> list() const override { return {names_.begin(), names_.end()}; }

 private:
  std::span<const std::string_view> names_;
};

class TableChooser final : public MultistreamChooser {
 public:
  explicit TableChooser(const ProtocolTable& table) : table_(table) {}
  std::string_view choose(std::string_view offered) const override { return table_.find(offered); }

 private:
  const ProtocolTable& table_;
};

std::unique_ptr<Security> make_security(SecurityProtocol protocol, const KeyPair& identity,
                                        Entropy& entropy) {
  SecuritySeed secret;
  entropy.fill(secret);
  if (protocol == SecurityProtocol::noise) return std::make_unique<NoiseSecurity>(identity, secret);
  return std::make_unique<TlsSecurity>(identity, secret);
}

}  // namespace

UpgradeContext::UpgradeContext(Env& env, const KeyPair& identity, const ProtocolTable& table,
                               TrafficCounters& counters, UpgradeOptions wishes)
    : clock(env.clock),
      entropy(env.entropy),
      protocols(table),
      traffic(counters),
      options(std::move(wishes)),
      refused(env.clock, options.close_timeout) {
  MC_ASSERT(!options.securities.empty());
  for (SecurityProtocol protocol : options.securities) {
    securities.push_back(make_security(protocol, identity, entropy));
  }
}

// What is needed until the connection is open.
struct UpgradedConnection::Handshake {
  Observer& observer;
  PeerId expected;  // empty: anybody
  std::optional<MultistreamDialer> dialer{};
  std::optional<MultistreamListener> listener{};
  std::vector<std::string_view> names{};  // what a listener may select now
  std::string_view selected{};            // by multistream; empty while it is under way
  std::unique_ptr<SecurityHandshake> security{};
  Time sent_at{};  // our last message of the security handshake
  Duration rtt{};
};

struct UpgradedStream::Negotiation {
  std::variant<MultistreamListener, MultistreamDialer> side;
  Time deadline{};
  std::vector<Bytes> waiting;  // written before a protocol was agreed
  bool finish = false;         // finish() was called meanwhile
  bool lazy = false;           // data goes behind the offer, nothing waits

  bool inbound() const { return std::holds_alternative<MultistreamListener>(side); }
  bool selected() const {
    return std::visit([](const auto& core) { return core.state() == MultistreamState::selected; }, side);
  }
};

// Knows whether the connection was destroyed in a callback.
class UpgradedConnection::Watch {
 public:
  explicit Watch(UpgradedConnection& connection) : connection_(&connection), outer_(connection.watch_) {
    connection.watch_ = this;
  }
  Watch(const Watch&) = delete;
  Watch& operator=(const Watch&) = delete;
  ~Watch() {
    if (connection_ != nullptr) connection_->watch_ = outer_;
  }
  bool alive() const { return connection_ != nullptr; }
  static void destroyed(Watch* innermost) {
    for (Watch* watch = innermost; watch != nullptr; watch = watch->outer_) watch->connection_ = nullptr;
  }

 private:
  UpgradedConnection* connection_;
  Watch* outer_;
};

// --- Life

UpgradedConnection::UpgradedConnection(UpgradeContext& context, Direction direction, const PeerId* expected,
                                       Multiaddr remote, Observer& observer)
    : context_(context), handshake_(new Handshake{observer, expected == nullptr ? PeerId{} : *expected}) {
  info_.direction = direction;
  info_.remote = std::move(remote);
}

UpgradedConnection::~UpgradedConnection() {
  Watch::destroyed(watch_);
  if (!mux_) return;
  mux_->for_each([](YamuxStream& state) {
    auto* stream = static_cast<UpgradedStream*>(state.user);
    if (stream == nullptr) return;
    stream->connection_ = nullptr;
    stream->state_ = nullptr;
    if (stream->negotiation_ && stream->negotiation_->inbound()) delete stream;  // nobody else has it yet
  });
}

void UpgradedConnection::attach(std::unique_ptr<ByteStream> stream) {
  stream_ = std::move(stream);
  stream_->set_events(*this);
  if (info_.remote.empty()) info_.remote = Multiaddr::tcp(stream_->remote());
  context_.clock.arm_after(timer_, context_.options.handshake_timeout);
  if (info_.direction == Direction::inbound) begin();
}

void UpgradedConnection::begin() {
  context_.clock.arm_after(timer_, context_.options.handshake_timeout);
  std::vector<std::string_view> names;
  for (const auto& security : context_.securities) names.push_back(security->id());
  begin_selection(State::selecting_security, std::move(names));
}

// --- The byte stream's events

void UpgradedConnection::on_readable() {
  Watch watch(*this);
  if (state_ == State::closed) return;
  while (true) {
    Bytes input = stream_->read(kReadSize);
    if (input.empty()) break;
    context_.traffic.wire.in += input.size();
    if (state_ != State::closing && !consume(std::move(input))) return;
  }
  if (mux_ && !dispatch()) return;
  if (state_ == State::closed) return;
  if (state_ == State::open && mux_->go_away_received()) {
    stream_->finish();
    end({ErrorCode::none, "closed by the peer"});
    return;
  }
  if (stream_->ended()) {
    if (state_ == State::closing) {
      if (!told_finish_) say_goodbye();
      end(Error(*close_reason_));
    } else if (state_ == State::open) {
      end({ErrorCode::reset, "the byte stream ended"});
    } else {
      fail_upgrade({ErrorCode::reset, "the byte stream ended in the handshake"});
    }
    return;
  }
  schedule();
}

void UpgradedConnection::on_writable() {
  if (state_ == State::connecting) {
    begin();
  } else if (mux_) {
    schedule();
  }
}

void UpgradedConnection::on_closed(Error error) {
  switch (state_) {
    case State::closed:
      return;
    case State::closing:
      end(Error(*close_reason_));
      return;
    case State::open:
      if (error.ok()) error = {ErrorCode::reset, "the byte stream ended"};
      end(std::move(error));
      return;
    default:
      if (error.ok()) error = {ErrorCode::reset, "the byte stream ended in the handshake"};
      fail_upgrade(std::move(error));
  }
}

void UpgradedConnection::on_timer() {
  switch (state_) {
    case State::closed:
      return;
    case State::closing:
      end(Error(*close_reason_));
      return;
    case State::open:
      if (check_deadlines()) arm_for_streams();
      return;
    case State::connecting:
      fail_upgrade({ErrorCode::timeout, "no connection"});
      return;
    default:
      fail_upgrade({ErrorCode::timeout, "the handshake took too long"});
  }
}

void UpgradedConnection::on_turn_end() {
  if (!mux_) return;
  Watch watch(*this);
  if (state_ == State::open) flush();
  if (state_ == State::closing && !told_finish_) say_goodbye();
  if (!dispatch()) return;
  if (state_ == State::open && mux_->has_output() && stream_->writable() > 0) schedule();
}

// --- The handshake

// Everything that arrived in one slice, through all states it passes.
bool UpgradedConnection::consume(Bytes input) {
  Watch watch(*this);
  while (true) {
    switch (state_) {
      case State::selecting_security:
        if (!select_security(input)) return false;
        if (state_ == State::selecting_security) return true;
        break;
      case State::securing:
        if (!secure(input)) return false;
        if (state_ == State::securing) return true;
        break;
      case State::selecting_muxer:
      case State::open: {
        auto frame = channel_->open(input);
        if (!frame) {
          if (state_ == State::open) return end(std::move(frame.error()));
          fail_upgrade(std::move(frame.error()));
          return false;
        }
        if (!*frame) return true;
        Bytes plaintext = std::move(**frame);
        if (state_ == State::selecting_muxer && !select_muxer(plaintext)) return false;
        if (state_ != State::open) break;
        if (muxer_offer_ && !confirm_muxer(plaintext)) return false;
        if (auto taken = mux_->on_bytes(std::move(plaintext), context_.clock.now()); !taken) {
          begin_close(std::move(taken.error()), static_cast<std::uint32_t>(YamuxCode::protocol_error));
          return true;
        }
        break;
      }
      default:
        return true;
    }
  }
}

// Begins multistream for one of `names`.
bool UpgradedConnection::begin_selection(State state, std::vector<std::string_view> names) {
  state_ = state;
  handshake_->selected = {};
  if (info_.direction == Direction::inbound) {
    handshake_->names = std::move(names);
    handshake_->listener.emplace();
    return true;
  }
  handshake_->dialer.emplace(names);
  send_handshake(handshake_->dialer->start());
  return run_ahead();
}

// Goes on as if the offer that was just sent were accepted, if it is the last one.
bool UpgradedConnection::run_ahead() {
  if (!handshake_->dialer->at_last_offer()) return true;
  const std::string_view offer = handshake_->dialer->selected();
  if (state_ == State::selecting_muxer) return finish_upgrade(offer);
  begin_security(offer);
  return true;
}

// Runs whichever side of multistream is under way; what follows the selection is left in `input`.
bool UpgradedConnection::negotiate(Bytes& input) {
  Result<Bytes> reply = fail(ErrorCode::none);
  Bytes last_words;
  const auto take = [&](auto& core) {
    if (core.state() != MultistreamState::selected) return;
    handshake_->selected = core.selected();
    input = core.take_rest();
  };
  if (handshake_->dialer) {
    reply = handshake_->dialer->on_bytes(std::move(input));
    take(*handshake_->dialer);
  } else {
    reply = handshake_->listener->on_bytes(std::move(input), ListChooser(handshake_->names), &last_words);
    take(*handshake_->listener);
  }
  if (!reply) {
    const bool refused = handshake_->listener && handshake_->listener->offers() > 0;
    refuse_upgrade(std::move(reply.error()), std::move(last_words), refused);
    return false;
  }
  const bool spoke = !reply->empty();
  if (spoke) send_handshake(std::move(*reply));
  if (handshake_->selected.empty()) return !spoke || !handshake_->dialer || run_ahead();
  handshake_->dialer.reset();
  handshake_->listener.reset();
  return true;
}

bool UpgradedConnection::select_security(Bytes& input) {
  if (!negotiate(input)) return false;
  if (!handshake_->selected.empty()) begin_security(handshake_->selected);
  return true;
}

void UpgradedConnection::begin_security(std::string_view id) {
  state_ = State::securing;
  const auto& all = context_.securities;
  const auto security =
      std::find_if(all.begin(), all.end(), [&](const auto& one) { return one->id() == id; });
  MC_ASSERT(security != all.end());
  const bool dialing = info_.direction == Direction::outbound;
  HandshakeRequest request{.role = dialing ? SecurityRole::initiator : SecurityRole::responder,
                           .muxers = {},
                           .expected = handshake_->expected,
                           .seed = {},
                           .unix_seconds = context_.clock.unix_nanoseconds() / 1'000'000'000,
                           .key_log = context_.options.key_log};
  if (context_.options.early_muxer) request.muxers = kMuxers;
  context_.entropy.fill(request.seed);
  info_.security = (*security)->id();
  handshake_->security = (*security)->begin(request);
  if (!dialing) return;
  handshake_->sent_at = context_.clock.now();
  send_handshake(handshake_->security->start());
}

bool UpgradedConnection::secure(Bytes& input) {
  if (MC_FAULT_POINT(context_.entropy, transport_handshake)) {
    fail_upgrade(injected(ErrorCode::reset));
    return false;
  }
  if (handshake_->dialer) {  // the offer is not answered yet
    if (!negotiate(input)) return false;
    if (handshake_->dialer) return true;
  }
  SecurityHandshake& security = *handshake_->security;
  auto reply = security.on_bytes(input);
  if (!reply) {
    refuse_upgrade(std::move(reply.error()), security.last_words());
    return false;
  }
  const Time now = context_.clock.now();
  if (security.done()) handshake_->rtt = now - handshake_->sent_at;
  if (!reply->empty()) {
    handshake_->sent_at = now;
    send_handshake(std::move(*reply));
  }
  if (!security.done()) return true;
  channel_ = security.channel();
  info_.peer = security.peer().id;
  info_.peer_public_key = security.peer().public_key;
  info_.early_muxer = !security.muxer().empty();
  if (info_.early_muxer) return finish_upgrade(security.muxer());
  handshake_->security.reset();
  return begin_selection(State::selecting_muxer, {std::begin(kMuxers), std::end(kMuxers)});
}

bool UpgradedConnection::select_muxer(Bytes& input) {
  if (!negotiate(input)) return false;
  return handshake_->selected.empty() || finish_upgrade(handshake_->selected);
}

// The answer to an offer that was not waited for.
bool UpgradedConnection::confirm_muxer(Bytes& input) {
  const auto answered = muxer_offer_->on_bytes(std::exchange(input, {}));
  if (!answered) return end(Error(answered.error()));
  if (muxer_offer_->state() != MultistreamState::selected) return true;
  input = muxer_offer_->take_rest();
  muxer_offer_.reset();
  return true;
}

void UpgradedConnection::send_handshake(Bytes bytes) {
  if (state_ == State::selecting_muxer) bytes = channel_->seal({&bytes, 1});
  send(std::move(bytes));
}

// Open. False if nothing more can be consumed.
bool UpgradedConnection::finish_upgrade(std::string_view muxer) {
  Watch watch(*this);
  info_.muxer = muxer;
  const bool websocket = info_.remote.contains(AddressCode::ws);
  info_.local = websocket ? Multiaddr::websocket(stream_->local()) : Multiaddr::tcp(stream_->local());
  mux_.emplace(info_.direction == Direction::outbound, context_.options.yamux, handshake_->rtt);
  state_ = State::open;
  if (context_.options.keepalive > Duration::zero()) {
    keepalive_at_ = context_.clock.now() + context_.options.keepalive;
  }
  context_.clock.disarm(timer_);
  arm_for_streams();
  if (handshake_->dialer) muxer_offer_ = std::make_unique<MultistreamDialer>(std::move(*handshake_->dialer));
  Observer& observer = handshake_->observer;
  handshake_.reset();
  observer.on_upgraded(*this);
  return watch.alive();
}

// Fails with `error`; what the peer is being told, and was just told if `linger`, goes on without us.
void UpgradedConnection::refuse_upgrade(Error error, Bytes last_words, bool linger) {
  if (!last_words.empty()) {
    send_handshake(std::move(last_words));
    linger = true;
  }
  if (linger) context_.refused.keep(std::move(stream_));
  fail_upgrade(std::move(error));
}

void UpgradedConnection::fail_upgrade(Error error) {
  state_ = State::closed;
  context_.clock.disarm(timer_);
  stream_.reset();
  Observer& observer = handshake_->observer;
  handshake_.reset();
  observer.on_upgrade_failed(*this, std::move(error));
}

// --- Streams

std::unique_ptr<Stream> UpgradedConnection::open(std::span<const ProtocolId> offers, bool lazy,
                                                 Stream::Events& events) {
  MC_ASSERT(!offers.empty() && (!lazy || offers.size() == 1));
  MC_ASSERT(mux_);
  const Time now = context_.clock.now();
  YamuxStream& state = mux_->open(now);
  std::unique_ptr<UpgradedStream> stream(new UpgradedStream(*this, state));
  stream->events_ = &events;
  stream->negotiation_.reset(new UpgradedStream::Negotiation{MultistreamDialer(offers), {}, {}, false, lazy});
  if (lazy) stream->entry_ = &context_.traffic.of(offers.front());
  mux_->write(state, std::get<MultistreamDialer>(stream->negotiation_->side).start());
  stream->negotiation_->deadline = now + context_.options.negotiation_timeout;
  arm_for_streams();
  if (MC_FAULT_POINT(context_.entropy, stream_open)) {
    stream->negotiation_->deadline = now;
    context_.clock.arm(timer_, now);
  }
  schedule();
  return stream;
}

// Gives each stream its events. False if the connection does not exist any more.
bool UpgradedConnection::dispatch() {
  Watch watch(*this);
  while (true) {
    const auto event = mux_->poll();
    if (!event) return true;
    if (!dispatch_one(*event)) return false;
  }
}

bool UpgradedConnection::dispatch_one(const YamuxEvent& event) {
  Watch watch(*this);
  if (event.opened) accept_stream(*event.stream);
  auto* stream = static_cast<UpgradedStream*>(event.stream->user);
  if (stream == nullptr) {
    mux_->release(*event.stream);  // refused
    return true;
  }
  current_ = stream;
  if (event.readable && !stream->negotiation_ && MC_FAULT_POINT(context_.entropy, stream_reset)) {
    return stream_failed(*stream, injected(ErrorCode::reset));
  }
  if (event.readable && stream->negotiation_) {
    if (!negotiate_stream(*stream)) return watch.alive();
    if (current_ == nullptr) return true;
  }
  if (event.writable && stream->events_ != nullptr && (!stream->negotiation_ || stream->negotiation_->lazy)) {
    stream->events_->on_writable();
    if (!watch.alive()) return false;
    if (current_ == nullptr) return true;
  }
  const YamuxStream& state = *event.stream;
  if (event.readable && !stream->negotiation_ && stream->events_ != nullptr &&
      (state.unread() > 0 || state.ended())) {
    stream->events_->on_readable();
    if (!watch.alive()) return false;
    if (current_ == nullptr) return true;
  }
  current_ = nullptr;
  if (!event.closed) return true;
  Error error;
  if (state.reset_by_peer()) {
    if (state_ == State::closing || state_ == State::closed) {
      error = *close_reason_;
      if (error.ok()) error = {ErrorCode::cancelled, "the connection was closed"};
    } else {
      error = {ErrorCode::reset, "reset with code " + std::to_string(state.reset_code())};
    }
  }
  return stream_failed(*stream, std::move(error));
}

void UpgradedConnection::accept_stream(YamuxStream& state) {
  if (state_ != State::open || state.reset_by_peer() ||
      negotiating_inbound_ >= context_.options.max_negotiating) {
    return;
  }
  auto* stream = new UpgradedStream(*this, state);
  stream->negotiation_.reset(new UpgradedStream::Negotiation);
  stream->negotiation_->deadline = context_.clock.now() + context_.options.negotiation_timeout;
  ++negotiating_inbound_;
  arm_for_streams();
}

// Feeds what arrived to the negotiation. False if the stream or the connection does not exist any more, or
// nothing is left to be told to it.
bool UpgradedConnection::negotiate_stream(UpgradedStream& stream) {
  Watch watch(*this);
  YamuxStream& state = *stream.state_;
  auto& negotiation = *stream.negotiation_;
  while (!negotiation.selected()) {
    Bytes input = mux_->read(state, SIZE_MAX, context_.clock.now());
    if (input.empty()) {
      if (!state.ended()) return true;
      stream_failed(stream, {ErrorCode::negotiation_failed, "the stream ended before a protocol was agreed"});
      return false;
    }
    auto* listener = std::get_if<MultistreamListener>(&negotiation.side);
    auto* dialer = std::get_if<MultistreamDialer>(&negotiation.side);
    auto reply = listener != nullptr ? listener->on_bytes(std::move(input), TableChooser(context_.protocols))
                                     : dialer->on_bytes(std::move(input));
    if (!reply) {
      stream_failed(stream, std::move(reply.error()));
      return false;
    }
    mux_->write(state, std::move(*reply));
    if (negotiation.selected())
      mux_->unread(state, listener != nullptr ? listener->take_rest() : dialer->take_rest());
  }
  return protocol_agreed(stream);
}

bool UpgradedConnection::protocol_agreed(UpgradedStream& stream) {
  Watch watch(*this);
  const auto negotiation = std::move(stream.negotiation_);
  const auto* dialer = std::get_if<MultistreamDialer>(&negotiation->side);
  if (dialer == nullptr) {
    --negotiating_inbound_;
    stream.entry_ = &context_.traffic.of(std::get<MultistreamListener>(negotiation->side).selected());
    std::unique_ptr<Stream> handle(&stream);
    if (events_ == nullptr) return false;
    events_->on_stream(std::move(handle));
    return watch.alive() && current_ != nullptr;
  }
  if (negotiation->lazy) return true;
  stream.entry_ = &context_.traffic.of(dialer->selected());
  for (Bytes& bytes : negotiation->waiting) stream.write(std::move(bytes));
  if (negotiation->finish) stream.finish();
  if (stream.events_ == nullptr || stream.writable() == 0) return true;
  stream.events_->on_writable();
  return watch.alive() && current_ != nullptr;
}

// The stream's last event. False if the connection does not exist any more.
bool UpgradedConnection::stream_failed(UpgradedStream& stream, Error error) {
  Watch watch(*this);
  if (!error.ok()) mux_->reset(*stream.state_);
  if (stream.negotiation_ && stream.negotiation_->inbound()) {
    delete &stream;  // nobody else has it yet
    return true;
  }
  stream.negotiation_.reset();
  Stream::Events* events = std::exchange(stream.events_, nullptr);
  if (events != nullptr) events->on_closed(std::move(error));
  return watch.alive();
}

bool UpgradedConnection::check_deadlines() {
  Watch watch(*this);
  const Time now = context_.clock.now();
  if (now >= keepalive_at_) {
    if (mux_->ping_outstanding()) return end({ErrorCode::timeout, "no answer to a ping"});
    mux_->ping(now);
    keepalive_at_ = now + context_.options.keepalive;
    schedule();
  }
  while (true) {
    UpgradedStream* late = nullptr;
    mux_->for_each([&](YamuxStream& state) {
      auto* stream = static_cast<UpgradedStream*>(state.user);
      if (late == nullptr && stream != nullptr && stream->negotiation_ &&
          stream->negotiation_->deadline <= now) {
        late = stream;
      }
    });
    if (late == nullptr) return true;
    late->negotiation_->deadline = kNever;
    schedule();
    if (!stream_failed(*late, {ErrorCode::timeout, "the negotiation took too long"})) return false;
  }
}

// One timer for all streams: nothing moves it forward while it runs, and it looks again when it fires.
void UpgradedConnection::arm_for_streams() {
  if (timer_.armed() || state_ != State::open) return;
  Time next = keepalive_at_;
  mux_->for_each([&](YamuxStream& state) {
    const auto* stream = static_cast<UpgradedStream*>(state.user);
    if (stream != nullptr && stream->negotiation_) next = std::min(next, stream->negotiation_->deadline);
  });
  if (next != kNever) context_.clock.arm(timer_, next);
}

// --- Output

void UpgradedConnection::schedule() {
  if (!mux_ || flush_.deferred()) return;
  const bool output = mux_->has_output() && !told_finish_ && stream_ != nullptr &&
                      (state_ == State::closing || stream_->writable() > 0);
  if (output || mux_->has_events()) context_.clock.defer(flush_);
}

void UpgradedConnection::flush() {
  if (Bytes control = channel_->control(); !control.empty()) send(std::move(control));
  while (mux_->has_output()) {
    const std::size_t room = state_ == State::closing ? kMaxBatch : stream_->writable();
    if (room == 0) return;
    Bytes batch = next_batch(room);
    if (batch.empty()) return;
    send(std::move(batch));
  }
}

void UpgradedConnection::send(Bytes bytes) {
  context_.traffic.wire.out += bytes.size();
  stream_->write(std::move(bytes));
}

// Frames of all streams, sealed in place in the buffer that leaves.
Bytes UpgradedConnection::next_batch(std::size_t room) {
  const FrameShape shape = channel_->shape();
  const std::size_t plaintext = std::min({mux_->output_bound(), std::max(room, kMinBatch), kMaxBatch});
  std::size_t used = 0;
  Bytes batch = Bytes::build(shape.sealed_size(plaintext), [&](MutableByteView out) {
    while (mux_->has_output() && out.size() - used > shape.overhead()) {
      const std::size_t size = std::min(out.size() - used - shape.overhead(), shape.max_plaintext);
      const std::size_t filled = mux_->fill(out.subspan(used + shape.head, size));
      if (filled == 0) break;
      channel_->seal_frame(out.subspan(used, filled + shape.overhead()));
      used += filled + shape.overhead();
    }
  });
  return batch.slice(0, used);
}

// --- The end

void UpgradedConnection::close(std::uint32_t code) { begin_close({}, code); }

void UpgradedConnection::begin_close(Error why, std::uint32_t code) {
  if (state_ != State::open) return;
  state_ = State::closing;
  close_reason_ = std::make_unique<Error>(std::move(why));
  mux_->go_away(code);
  context_.clock.arm_after(timer_, context_.options.close_timeout);
  schedule();
}

// Everything that credit allows, GOAWAY, and the end of our side; streams learn of it from dispatch().
void UpgradedConnection::say_goodbye() {
  flush();
  if (Bytes farewell = channel_->farewell(); !farewell.empty()) send(std::move(farewell));
  told_finish_ = true;
  stream_->finish();
  mux_->abort();
}

bool UpgradedConnection::end(Error error) {
  Watch watch(*this);
  state_ = State::closed;
  context_.clock.disarm(timer_);
  mux_->abort();
  if (!close_reason_) {
    close_reason_ = std::make_unique<Error>(error);
    if (error.ok()) close_reason_->code = ErrorCode::reset;
  }
  if (!dispatch()) return false;
  stream_.reset();
  Connection::Events* events = std::exchange(events_, nullptr);
  if (events != nullptr) events->on_closed(std::move(error));
  return false;
}

// --- The handle

UpgradedStream::UpgradedStream(UpgradedConnection& connection, YamuxStream& state)
    : connection_(&connection), state_(&state) {
  state.user = this;
}

UpgradedStream::~UpgradedStream() {
  if (connection_ == nullptr) return;
  if (connection_->current_ == this) connection_->current_ = nullptr;
  if (negotiation_ && negotiation_->inbound()) --connection_->negotiating_inbound_;
  connection_->mux_->release(*state_);
  connection_->schedule();
}

Bytes UpgradedStream::read(std::size_t max) {
  if (connection_ == nullptr || negotiation_) return {};
  Bytes bytes = connection_->mux_->read(*state_, max, connection_->context_.clock.now());
  if (entry_ != nullptr) entry_->in += bytes.size();
  connection_->schedule();
  return bytes;
}

bool UpgradedStream::ended() const { return state_ != nullptr && !negotiation_ && state_->ended(); }

std::size_t UpgradedStream::writable() const {
  if (connection_ == nullptr || (negotiation_ && !negotiation_->lazy)) return 0;
  return connection_->mux_->writable(*state_);
}

void UpgradedStream::write(Bytes bytes) {
  if (connection_ == nullptr) return;
  if (negotiation_ && !negotiation_->lazy) {
    if (!negotiation_->finish) negotiation_->waiting.push_back(std::move(bytes));
    return;
  }
  if (entry_ == nullptr) return;  // no protocol was agreed, and none will be
  entry_->out += bytes.size();
  connection_->mux_->write(*state_, std::move(bytes));
  connection_->schedule();
}

void UpgradedStream::finish() {
  if (connection_ == nullptr) return;
  if (negotiation_ && !negotiation_->lazy) {
    negotiation_->finish = true;
    return;
  }
  connection_->mux_->finish(*state_);
  connection_->schedule();
}

void UpgradedStream::reset(std::uint32_t code) {
  events_ = nullptr;
  if (connection_ == nullptr) return;
  negotiation_.reset();
  connection_->mux_->reset(*state_, code);
  connection_->schedule();
}

Connection& UpgradedStream::connection() {
  MC_ASSERT(connection_ != nullptr);
  return *connection_;
}

}  // namespace mesocosm
