#include "stack/mux/yamux.h"

#include <algorithm>
#include <string>

#include "stack/base/assert.h"

namespace mesocosm {
namespace {

enum Type : std::uint8_t { kData = 0, kWindowUpdate = 1, kPing = 2, kGoAway = 3 };
enum Flags : std::uint16_t { kSyn = 1, kAck = 2, kFin = 4, kRst = 8 };

constexpr std::size_t kQuantum = 16 * 1024;       // a stream's share of a round when several want to send
constexpr std::size_t kHighWater = 256 * 1024;    // unsent bytes at which a stream stops asking for more
constexpr std::size_t kLowHighWater = 16 * 1024;  // the same while the session has too many
constexpr std::size_t kLeastData = 1024;          // no shorter frame only because the buffer ends
constexpr std::uint32_t kLastId = 0xfffffff0;
constexpr std::size_t kMaxQueuedControl = 1024;  // answers that a peer may make us owe it

void put32(std::uint8_t* at, std::uint32_t value) {
  for (int i = 0; i < 4; ++i) at[i] = static_cast<std::uint8_t>(value >> (24 - 8 * i));
}

std::uint32_t get32(const std::uint8_t* at) {
  return static_cast<std::uint32_t>(at[0]) << 24 | static_cast<std::uint32_t>(at[1]) << 16 |
         static_cast<std::uint32_t>(at[2]) << 8 | at[3];
}

void put_header(MutableByteView out, std::size_t& at, std::uint8_t type, std::uint16_t flags,
                std::uint32_t id, std::uint32_t length) {
  std::uint8_t* p = out.data() + at;
  p[0] = 0;
  p[1] = type;
  p[2] = static_cast<std::uint8_t>(flags >> 8);
  p[3] = static_cast<std::uint8_t>(flags);
  put32(p + 4, id);
  put32(p + 8, length);
  at += kYamuxHeader;
}

}  // namespace

// --- Fifo

YamuxStream* Yamux::Fifo::pop() {
  YamuxStream* stream = items_[head_++];
  tidy();
  return stream;
}

// From the back: a stream that goes at once has just come.
void Yamux::Fifo::erase(YamuxStream* stream) {
  const auto end = items_.rend() - static_cast<std::ptrdiff_t>(head_);
  const auto at = std::find(items_.rbegin(), end, stream);
  if (at != end) items_.erase(std::next(at).base());
  tidy();
}

void Yamux::Fifo::tidy() {
  if (head_ == items_.size()) {
    if (items_.capacity() > 4) std::vector<YamuxStream*>().swap(items_);
    items_.clear();
    head_ = 0;
  } else if (head_ >= 64 && head_ * 2 >= items_.size()) {
    items_.erase(items_.begin(), items_.begin() + static_cast<std::ptrdiff_t>(head_));
    head_ = 0;
  }
}

// --- Life

Yamux::Yamux(bool client, const YamuxConfig& config, Duration rtt)
    : config_(config), rtt_(rtt), next_id_(client ? 1 : 2), client_(client) {}

Yamux::~Yamux() {
  for (YamuxStream* stream : streams_) delete stream;
}

YamuxStream* Yamux::find(std::uint32_t id) {
  auto at =
      std::lower_bound(streams_.begin(), streams_.end(), id,
                       [](const YamuxStream* stream, std::uint32_t value) { return stream->id_ < value; });
  for (; at != streams_.end() && (*at)->id_ == id; ++at) {
    if ((*at)->active()) return *at;
  }
  return nullptr;
}

YamuxStream& Yamux::add(std::uint32_t id, std::uint32_t flags, Time now) {
  auto* stream = new YamuxStream;
  stream->id_ = id;
  stream->flags_ = flags;
  stream->window_epoch_ = now;
  const auto at =
      std::upper_bound(streams_.begin(), streams_.end(), id,
                       [](std::uint32_t value, const YamuxStream* other) { return value < other->id_; });
  streams_.insert(at, stream);
  ++active_;
  return *stream;
}

// Both sides finished: no frames any more. The closed event follows when everything is read.
void Yamux::close_if_done(YamuxStream& stream) {
  if (!stream.has(YamuxStream::kFinSent) || !stream.has(YamuxStream::kFinReceived)) return;
  if (stream.incoming_.empty()) notice(stream, YamuxStream::kClosedEvent);
}

// Takes an active stream out of the counts; call once, when it stops being active.
void Yamux::deactivate(YamuxStream& stream) {
  --active_;
  if (!stream.has(YamuxStream::kOutbound)) --inbound_;
  if (stream.has(YamuxStream::kUnacked)) on_acknowledged(stream);
  growth_ -= stream.window_ - kYamuxInitialWindow;
  stream.window_ = kYamuxInitialWindow;
  if (body_ == &stream) body_ = nullptr;
}

void Yamux::free_if_done(YamuxStream& stream) {
  if (stream.active() || !stream.has(YamuxStream::kReleased)) return;
  if (stream.has(YamuxStream::kReady)) ready_.erase(&stream);
  if (stream.has(YamuxStream::kNoticed)) noticed_.erase(&stream);
  if (stream.has(YamuxStream::kBlocked)) blocked_.erase(&stream);
  auto at =
      std::lower_bound(streams_.begin(), streams_.end(), stream.id_,
                       [](const YamuxStream* other, std::uint32_t value) { return other->id_ < value; });
  while (*at != &stream) ++at;
  streams_.erase(at);
  delete &stream;
}

// --- Events

void Yamux::notice(YamuxStream& stream, std::uint32_t event) {
  if (stream.has(YamuxStream::kReleased) || stream.has(YamuxStream::kClosedTold)) return;
  stream.set(event);
  if (stream.has(YamuxStream::kNoticed)) return;
  stream.set(YamuxStream::kNoticed);
  noticed_.push(&stream);
}

std::optional<YamuxEvent> Yamux::poll() {
  if (noticed_.empty()) return std::nullopt;
  YamuxStream& stream = *noticed_.pop();
  const bool put_back = !stream.has(YamuxStream::kReset) && !stream.incoming_.empty();  // by unread()
  const YamuxEvent event{&stream, stream.has(YamuxStream::kOpenedEvent),
                         stream.has(YamuxStream::kReadableEvent), stream.has(YamuxStream::kWritableEvent),
                         stream.has(YamuxStream::kClosedEvent) && !put_back};
  if (event.closed) stream.set(YamuxStream::kClosedTold);
  stream.clear(YamuxStream::kNoticed | YamuxStream::kOpenedEvent | YamuxStream::kReadableEvent |
               YamuxStream::kWritableEvent | YamuxStream::kClosedEvent);
  return event;
}

// --- Commands

YamuxStream& Yamux::open(Time now) {
  YamuxStream& stream = add(next_id_, YamuxStream::kOutbound | YamuxStream::kSynDue, now);
  if (going_away_ || remote_go_away_ || next_id_ > kLastId) {
    on_reset(stream, 0);
    return stream;
  }
  next_id_ += 2;
  schedule(stream);
  return stream;
}

void Yamux::write(YamuxStream& stream, Bytes bytes) {
  if (stream.has(YamuxStream::kReset | YamuxStream::kFinWanted)) return;
  unsent_ += bytes.size();
  stream.outgoing_.push(std::move(bytes));
  if (stream.outgoing_.bytes() >= high_water()) stream.set(YamuxStream::kFull);
  if (!crowded_ && unsent_ >= config_.max_unsent) on_crowded();
  schedule(stream);
}

void Yamux::finish(YamuxStream& stream) {
  if (stream.has(YamuxStream::kReset | YamuxStream::kFinWanted)) return;
  stream.set(YamuxStream::kFinWanted);
  schedule(stream);
}

void Yamux::reset(YamuxStream& stream, std::uint32_t code) {
  if (!stream.active()) return;
  const bool told = !stream.has(YamuxStream::kSynDue);  // else the peer has never heard of it
  deactivate(stream);
  stream.set(YamuxStream::kReset);
  stream.incoming_.clear();
  drop_outgoing(stream);
  if (told) control(kWindowUpdate, kRst, stream.id_, code);
}

Bytes Yamux::read(YamuxStream& stream, std::size_t max, Time now) {
  Bytes slice = stream.incoming_.pop(max);
  if (slice.empty()) return slice;
  if (!stream.active()) {
    close_if_done(stream);
  } else if (!stream.has(YamuxStream::kFinReceived) && credit_is_worth_a_frame(stream)) {
    tune_window(stream, now);
    schedule(stream);
  }
  return slice;
}

void Yamux::unread(YamuxStream& stream, Bytes bytes) { stream.incoming_.push_front(std::move(bytes)); }

void Yamux::release(YamuxStream& stream) {
  if (!(stream.has(YamuxStream::kFinWanted) && stream.has(YamuxStream::kFinReceived))) reset(stream);
  stream.incoming_.clear();
  stream.user = nullptr;
  stream.set(YamuxStream::kReleased);
  free_if_done(stream);
}

std::size_t Yamux::writable(const YamuxStream& stream) const {
  if (stream.has(YamuxStream::kReset | YamuxStream::kFinWanted | YamuxStream::kFull)) return 0;
  return high_water() - stream.outgoing_.bytes();
}

std::size_t Yamux::high_water() const { return crowded_ ? kLowHighWater : kHighWater; }

// All streams together have too much to send: each makes do with little until half of it is gone, so that those that
// the peer does not read leave the others room.
void Yamux::on_crowded() {
  crowded_ = true;
  for (YamuxStream* stream : streams_) {
    if (stream->outgoing_.bytes() >= kLowHighWater) stream->set(YamuxStream::kFull);
  }
}

void Yamux::on_sent(std::size_t size) {
  unsent_ -= size;
  if (!crowded_ || unsent_ > config_.max_unsent / 2) return;
  crowded_ = false;
  for (YamuxStream* stream : streams_) ask_for_more(*stream);
}

void Yamux::ask_for_more(YamuxStream& stream) {
  if (!stream.has(YamuxStream::kFull) || stream.outgoing_.bytes() > high_water() / 2) return;
  stream.clear(YamuxStream::kFull);
  if (!stream.has(YamuxStream::kReset | YamuxStream::kFinWanted)) notice(stream, YamuxStream::kWritableEvent);
}

void Yamux::drop_outgoing(YamuxStream& stream) {
  const std::size_t size = stream.outgoing_.bytes();
  stream.outgoing_.clear();
  on_sent(size);
}

void Yamux::ping(Time now) {
  if (ping_outstanding()) return;
  ping_sent_ = now;
  control(kPing, kSyn, 0, ++ping_value_);
}

void Yamux::go_away(std::uint32_t code) {
  if (going_away_) return;
  going_away_ = true;
  control(kGoAway, 0, 0, code);
}

void Yamux::abort() {
  going_away_ = true;
  for (YamuxStream* stream : streams_) {
    if (stream->active()) on_reset(*stream, 0);
  }
  control_.clear();
}

// --- Input

Result<void> Yamux::violation(std::string_view what) {
  failed_ = true;
  go_away(static_cast<std::uint32_t>(YamuxCode::protocol_error));
  return fail(ErrorCode::protocol_violation, "yamux: " + std::string(what));
}

Result<void> Yamux::on_bytes(Bytes input, Time now) {
  while (!failed_) {
    if (body_left_ > 0) {
      Bytes chunk = input.take_front(body_left_);
      if (chunk.empty()) return {};
      on_body(std::move(chunk));
      continue;
    }
    const std::uint8_t* p = input.data();
    if (partial_size_ > 0 || input.size() < kYamuxHeader) {
      if (input.empty()) return {};
      const Bytes piece = input.take_front(kYamuxHeader - partial_size_);
      std::memcpy(partial_.data() + partial_size_, piece.data(), piece.size());
      partial_size_ = static_cast<std::uint8_t>(partial_size_ + piece.size());
      if (partial_size_ < kYamuxHeader) return {};
      partial_size_ = 0;
      p = partial_.data();
    }
    if (p[0] != 0) return violation("unknown version");
    const Header header{p[1], static_cast<std::uint16_t>(p[2] << 8 | p[3]), get32(p + 4), get32(p + 8)};
    if (p == input.data()) input.take_front(kYamuxHeader);
    if (auto taken = on_header(header, now); !taken) return taken;
  }
  return {};
}

Result<void> Yamux::on_header(const Header& header, Time now) {
  switch (header.type) {
    case kData:
    case kWindowUpdate:
      if (control_.size() > kMaxQueuedControl) return violation("more answers are owed than the peer takes");
      return on_stream_frame(header, now);
    case kPing:
      return on_ping(header, now);
    case kGoAway:
      remote_go_away_ = header.length;
      return {};
    default:
      return violation("unknown frame type");
  }
}

Result<void> Yamux::on_stream_frame(const Header& header, Time now) {
  if (header.id == 0) return violation("stream frame for the session");
  body_left_ = header.type == kData ? header.length : 0;
  body_ = nullptr;
  YamuxStream* stream = nullptr;
  if ((header.flags & kSyn) != 0) {
    auto accepted = accept(header, now);
    if (!accepted) return tl::unexpected<Error>(std::move(accepted.error()));
    stream = *accepted;
  } else {
    stream = find(header.id);
  }
  if (stream == nullptr) return {};  // refused, or closed while this was under way: its data is skipped
  if (stream->has(YamuxStream::kUnacked)) on_acknowledged(*stream);
  if ((header.flags & kRst) != 0) {
    if (stream->has(YamuxStream::kOpenedEvent)) return forget(*stream);
    on_reset(*stream, header.type == kWindowUpdate ? header.length : 0);
    free_if_done(*stream);
    return {};
  }
  if (header.type == kData) return on_data(*stream, header);
  if (auto taken = on_window_update(*stream, header.length); !taken) return taken;
  if ((header.flags & kFin) != 0) on_fin(*stream);
  return {};
}

Result<YamuxStream*> Yamux::accept(const Header& header, Time now) {
  const bool odd = (header.id & 1) != 0;
  if (odd == client_) return tl::unexpected<Error>(violation("SYN with our own kind of id").error());
  if (find(header.id) != nullptr) return tl::unexpected<Error>(violation("SYN for an open stream").error());
  if ((header.flags & kRst) != 0) return nullptr;
  if (going_away_ || inbound_ >= config_.max_streams) {
    control(kWindowUpdate, kRst, header.id, 0);
    return nullptr;
  }
  YamuxStream& stream = add(header.id, YamuxStream::kAckDue, now);
  ++inbound_;
  notice(stream, YamuxStream::kOpenedEvent);
  schedule(stream);
  return &stream;
}

Result<void> Yamux::on_window_update(YamuxStream& stream, std::uint32_t delta) {
  if (delta > 0xffffffffU - stream.send_credit_) return violation("window over 4 GiB");
  stream.send_credit_ += delta;
  schedule(stream);
  return {};
}

Result<void> Yamux::on_data(YamuxStream& stream, const Header& header) {
  if (header.length > 0 && stream.has(YamuxStream::kFinReceived)) return violation("data after FIN");
  if (header.length > stream.receive_credit_) return violation("data over the window");
  stream.receive_credit_ -= header.length;
  const bool fin = (header.flags & kFin) != 0;
  if (header.length == 0) {
    if (fin) on_fin(stream);
    return {};
  }
  body_ = &stream;
  body_fin_ = fin;
  return {};
}

void Yamux::on_body(Bytes chunk) {
  body_left_ -= static_cast<std::uint32_t>(chunk.size());
  YamuxStream* stream = body_;
  if (stream == nullptr) return;
  if (!stream->has(YamuxStream::kReleased)) {
    stream->incoming_.push_compact(std::move(chunk));
    notice(*stream, YamuxStream::kReadableEvent);
  }
  if (body_left_ > 0) return;
  body_ = nullptr;
  if (body_fin_) on_fin(*stream);
}

void Yamux::on_fin(YamuxStream& stream) {
  if (stream.has(YamuxStream::kFinReceived)) return;
  if (stream.has(YamuxStream::kFinSent)) deactivate(stream);
  stream.set(YamuxStream::kFinReceived);
  notice(stream, YamuxStream::kReadableEvent);
  close_if_done(stream);
}

void Yamux::on_reset(YamuxStream& stream, std::uint32_t code) {
  deactivate(stream);
  stream.set(YamuxStream::kReset | YamuxStream::kResetByPeer);
  stream.reset_code_ = code;
  drop_outgoing(stream);
  notice(stream, YamuxStream::kClosedEvent);
}

// Opened and reset before anybody heard of it: as if it had never been, so that a flood of such streams costs little.
Result<void> Yamux::forget(YamuxStream& stream) {
  deactivate(stream);
  stream.set(YamuxStream::kReset | YamuxStream::kReleased);
  free_if_done(stream);
  return {};
}

void Yamux::on_acknowledged(YamuxStream& stream) {
  stream.clear(YamuxStream::kUnacked);
  --unacked_;
  while (!blocked_.empty()) {
    YamuxStream& next = *blocked_.pop();
    next.clear(YamuxStream::kBlocked);
    schedule(next);
    if (next.has(YamuxStream::kReady)) return;
  }
}

Result<void> Yamux::on_ping(const Header& header, Time now) {
  if (header.id != 0) return violation("ping for a stream");
  if ((header.flags & kAck) != 0) {
    if (ping_outstanding() && header.length == ping_value_) {
      rtt_ = now - ping_sent_;
      ping_sent_ = kNever;
    }
    return {};
  }
  if (control_.size() > kMaxQueuedControl) return violation("more answers are owed than the peer takes");
  control(kPing, kAck, 0, header.length);
  return {};
}

// --- Windows

std::uint32_t Yamux::credit_due(const YamuxStream& stream) const {
  const std::size_t arriving = body_ == &stream ? body_left_ : 0;
  const std::size_t held = stream.receive_credit_ + stream.incoming_.bytes() + arriving;
  return held < stream.window_ ? static_cast<std::uint32_t>(stream.window_ - held) : 0;
}

bool Yamux::credit_is_worth_a_frame(const YamuxStream& stream) const {
  return credit_due(stream) >= stream.window_ / 2;
}

void Yamux::tune_window(YamuxStream& stream, Time now) {
  if (stream.has(YamuxStream::kTuned)) return;
  stream.set(YamuxStream::kTuned);
  if (rtt_ > Duration::zero() && now - stream.window_epoch_ < 4 * rtt_ &&
      stream.window_ < config_.max_window) {
    const std::uint64_t left = config_.max_window_growth - std::min(growth_, config_.max_window_growth);
    const auto grow = static_cast<std::uint32_t>(
        std::min<std::uint64_t>({stream.window_, config_.max_window - stream.window_, left}));
    stream.window_ += grow;
    growth_ += grow;
  }
  stream.window_epoch_ = now;
}

// --- Output

void Yamux::control(std::uint8_t type, std::uint16_t flags, std::uint32_t id, std::uint32_t length) {
  control_.push_back(Header{type, flags, id, length});
}

bool Yamux::needs_output(const YamuxStream& stream) const {
  if (stream.has(YamuxStream::kReset | YamuxStream::kBlocked)) return false;
  if (stream.has(YamuxStream::kSynDue | YamuxStream::kAckDue)) return true;
  if (!stream.has(YamuxStream::kFinReceived) && credit_is_worth_a_frame(stream)) return true;
  if (!stream.outgoing_.empty()) return stream.send_credit_ > 0;
  return stream.has(YamuxStream::kFinWanted) && !stream.has(YamuxStream::kFinSent);
}

void Yamux::schedule(YamuxStream& stream) {
  if (stream.has(YamuxStream::kReady) || !needs_output(stream)) return;
  stream.set(YamuxStream::kReady);
  ready_.push(&stream);
}

std::size_t Yamux::output_bound() const {
  std::size_t bound = control_.size() * kYamuxHeader;
  for (const YamuxStream* stream : ready_) {
    const std::size_t data = std::min<std::size_t>(stream->outgoing_.bytes(), stream->send_credit_);
    bound += data + (3 + data / kQuantum) * kYamuxHeader;
  }
  return bound;
}

std::size_t Yamux::fill(MutableByteView out) {
  std::size_t at = 0;
  std::size_t taken = 0;
  // GOAWAY comes behind the data that was written before it.
  bool last_words = false;
  for (; taken < control_.size() && out.size() - at >= kYamuxHeader; ++taken) {
    const Header& header = control_[taken];
    if (header.type == kGoAway && !ready_.empty() && !failed_) {
      last_words = true;
      break;
    }
    put_header(out, at, header.type, header.flags, header.id, header.length);
  }
  control_.erase(control_.begin(), control_.begin() + static_cast<std::ptrdiff_t>(taken));
  if (control_.empty() && control_.capacity() > 16) std::vector<Header>().swap(control_);
  if (!control_.empty() && !last_words) return at;
  while (!ready_.empty()) {
    YamuxStream& stream = *ready_.front();
    const std::size_t quantum = ready_.size() > 1 ? kQuantum : SIZE_MAX;
    if (!fill_stream(stream, out, at, quantum)) break;
    ready_.pop();
    stream.clear(YamuxStream::kReady);
    schedule(stream);  // behind the others
    free_if_done(stream);
  }
  if (last_words && ready_.empty()) return at + fill(out.subspan(at));
  return at;
}

std::uint16_t Yamux::take_open_flags(YamuxStream& stream) {
  std::uint16_t flags = 0;
  if (stream.has(YamuxStream::kSynDue)) flags |= kSyn;
  if (stream.has(YamuxStream::kAckDue)) flags |= kAck;
  stream.clear(YamuxStream::kSynDue | YamuxStream::kAckDue);
  return flags;
}

// One stream's turn: credit, then data up to the quantum, then FIN. False if the buffer has no room for it.
bool Yamux::fill_stream(YamuxStream& stream, MutableByteView out, std::size_t& at, std::size_t quantum) {
  if (!needs_output(stream)) return true;
  if (stream.has(YamuxStream::kSynDue) && unacked_ >= config_.ack_backlog) {
    stream.set(YamuxStream::kBlocked);
    blocked_.push(&stream);
    return true;
  }
  const bool credit = !stream.has(YamuxStream::kFinReceived) && credit_is_worth_a_frame(stream);
  const std::size_t data =
      std::min({stream.outgoing_.bytes(), static_cast<std::size_t>(stream.send_credit_), quantum});
  const std::size_t headers = (credit ? kYamuxHeader : 0) + kYamuxHeader;
  const std::size_t room = out.size() - at;
  if (room < headers + std::min(data, kLeastData)) return false;
  if (stream.has(YamuxStream::kSynDue)) {
    stream.set(YamuxStream::kUnacked);
    ++unacked_;
  }
  std::uint16_t flags = take_open_flags(stream);
  if (credit) {
    const std::uint32_t due = credit_due(stream);
    stream.receive_credit_ += due;
    stream.clear(YamuxStream::kTuned);
    put_header(out, at, kWindowUpdate, flags, stream.id_, due);
    flags = 0;
  }
  const std::size_t n = std::min(data, room - headers);
  if (n > 0) {
    put_header(out, at, kData, flags, stream.id_, static_cast<std::uint32_t>(n));
    stream.outgoing_.copy_out(out.subspan(at, n));
    on_sent(n);
    at += n;
    stream.send_credit_ -= static_cast<std::uint32_t>(n);
    flags = 0;
  }
  // FIN has a frame of its own. go-yamux (5.0.1) and js-libp2p's yamux (8.0.3) heed a frame's flags before its
  // body: their readers may find the stream ended and miss the last bytes.
  const bool fin = stream.has(YamuxStream::kFinWanted) && !stream.has(YamuxStream::kFinSent) &&
                   stream.outgoing_.empty() && out.size() - at >= kYamuxHeader;
  if (fin) {
    put_header(out, at, kData, flags | kFin, stream.id_, 0);
  } else if (flags != 0) {
    put_header(out, at, kWindowUpdate, flags, stream.id_, 0);
  }
  ask_for_more(stream);
  if (fin) {
    if (stream.has(YamuxStream::kFinReceived)) deactivate(stream);
    stream.set(YamuxStream::kFinSent);
    close_if_done(stream);
  }
  return true;
}

}  // namespace mesocosm
