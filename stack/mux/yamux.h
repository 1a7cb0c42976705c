// Yamux: many streams over one connection, each with its own window (libp2p/specs, yamux/README.md).
// A pure core: bytes and `now` in; events by poll() and frames by fill() out.
//
// Back-pressure: the peer is credited for what was read, not for what arrived. A stream's window begins at
// 256 KiB and doubles, up to max_window, while half of it is read within four round trips (as go and rust
// do), so that one stream fills a long fat path; a stream that is not read keeps its first window.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <string_view>
#include <vector>

#include "stack/base/bytes.h"
#include "stack/base/result.h"
#include "stack/base/time.h"
#include "stack/mux/slice_queue.h"

namespace mesocosm {

inline constexpr std::string_view kYamuxId = "/yamux/1.0.0";
inline constexpr std::size_t kYamuxHeader = 12;
inline constexpr std::uint32_t kYamuxInitialWindow = 256 * 1024;

enum class YamuxCode : std::uint32_t { normal = 0, protocol_error = 1, internal_error = 2 };  // of GOAWAY

struct YamuxConfig {
  std::uint32_t max_window = 16 * 1024 * 1024;         // bytes a stream; the initial window: no tuning
  std::uint64_t max_window_growth = 64 * 1024 * 1024;  // bytes above the initial windows, over all streams
  std::uint32_t max_streams = 1024;                    // that the peer may have open; further ones are reset
  std::uint64_t max_unsent = 4 * 1024 * 1024;  // bytes over all streams, at which each asks for little
  std::uint32_t ack_backlog = 256;             // of ours, not acknowledged yet; further ones wait
};

class Yamux;

// One stream's state. Made and freed by Yamux; its user holds it by reference from open() or the opened event
// until release(). 72 bytes.
class YamuxStream {
 public:
  void* user = nullptr;  // the owner's handle

  std::uint32_t id() const { return id_; }
  std::size_t unread() const { return incoming_.bytes(); }
  std::size_t unsent() const { return outgoing_.bytes(); }
  std::uint32_t send_credit() const { return send_credit_; }        // bytes that the peer will take now
  std::uint32_t receive_credit() const { return receive_credit_; }  // bytes that the peer may still send
  std::uint32_t window() const { return window_; }
  bool finishing() const { return has(kFinWanted); }  // finish() was called
  bool ended() const { return has(kFinReceived) && incoming_.empty(); }
  bool reset_by_peer() const { return has(kResetByPeer); }
  std::uint32_t reset_code() const { return reset_code_; }  // meaningful if reset_by_peer()

 private:
  friend class Yamux;
  enum Flag : std::uint32_t {
    kOutbound = 1 << 0,   // opened by us
    kSynDue = 1 << 1,     // the next frame carries SYN
    kAckDue = 1 << 2,     // the next frame carries ACK
    kUnacked = 1 << 3,    // SYN is sent, ACK has not come
    kFinWanted = 1 << 4,  // no more writes; FIN follows the last byte
    kFinSent = 1 << 5,
    kFinReceived = 1 << 6,
    kReset = 1 << 7,  // by either side: nothing more goes or comes
    kResetByPeer = 1 << 8,
    kReleased = 1 << 9,  // no user any more; lingers until what was written is sent
    kReady = 1 << 10,    // queued for output
    kNoticed = 1 << 11,  // queued for poll()
    kOpenedEvent = 1 << 12,
    kReadableEvent = 1 << 13,
    kWritableEvent = 1 << 14,
    kClosedEvent = 1 << 15,
    kClosedTold = 1 << 16,  // the closed event was given
    kFull = 1 << 17,        // writable() was zero
    kBlocked = 1 << 18,     // SYN waits for the backlog
    kTuned = 1 << 19,       // the window was looked at since credit was last given
  };
  bool has(std::uint32_t flags) const { return (flags_ & flags) != 0; }
  void set(std::uint32_t flags) { flags_ |= flags; }
  void clear(std::uint32_t flags) { flags_ &= ~flags; }
  bool active() const { return !has(kReset) && !(has(kFinSent) && has(kFinReceived)); }

  SliceQueue incoming_;
  SliceQueue outgoing_;
  std::uint32_t id_ = 0;
  std::uint32_t flags_ = 0;
  std::uint32_t send_credit_ = kYamuxInitialWindow;
  std::uint32_t receive_credit_ = kYamuxInitialWindow;
  std::uint32_t window_ = kYamuxInitialWindow;
  std::uint32_t reset_code_ = 0;
  Time window_epoch_{};  // when the window was last extended
};

static_assert(sizeof(YamuxStream) <= 72);

struct YamuxEvent {
  YamuxStream* stream;
  bool opened;    // by the peer: set user, or reset it and release
  bool readable;  // bytes or the end arrived
  bool writable;  // writable() rose from zero
  bool closed;    // ended both ways and all was read, or reset_by_peer(); last
};

class Yamux {
 public:
  // Clients use odd stream ids. `rtt` is the round trip time if it is known, else zero (no window tuning
  // until a ping measured it).
  Yamux(bool client, const YamuxConfig& config, Duration rtt);
  ~Yamux();
  Yamux(const Yamux&) = delete;
  Yamux& operator=(const Yamux&) = delete;

  // Input. An error (protocol_violation, limit) is the session's end: GOAWAY is queued already.
  Result<void> on_bytes(Bytes input, Time now);
  // What happened to streams, one stream at a time.
  std::optional<YamuxEvent> poll();
  bool has_events() const { return !noticed_.empty(); }
  // The peer's GOAWAY; go and rust close the connection behind it.
  std::optional<std::uint32_t> go_away_received() const { return remote_go_away_; }

  // Commands.
  YamuxStream& open(Time now);  // born reset, its closed event due, after GOAWAY
  void write(YamuxStream& stream, Bytes bytes);
  void finish(YamuxStream& stream);
  void reset(YamuxStream& stream, std::uint32_t code = 0);
  Bytes read(YamuxStream& stream, std::size_t max, Time now);
  void unread(YamuxStream& stream, Bytes bytes);  // puts back what read() gave
  // The user lets go: resets the stream unless both sides finished; the reference is invalid afterwards.
  void release(YamuxStream& stream);
  // How many bytes a stream would like to be given now; the writable event tells when it rises from zero.
  std::size_t writable(const YamuxStream& stream) const;
  void ping(Time now);               // measures rtt(); nothing while one is under way
  void go_away(std::uint32_t code);  // a YamuxCode, or one of the application's; leaves behind all data
  // The connection is gone: resets all streams without a word to the peer; poll() tells their users.
  void abort();

  // Output.
  bool has_output() const { return !control_.empty() || !ready_.empty(); }
  // Bytes of frames that could be sent now, as a size for a buffer: seldom more than fill() gives, never zero
  // while has_output().
  std::size_t output_bound() const;
  // Writes whole frames to `out` and returns their bytes: control frames first, then the streams in turn. A
  // buffer of kYamuxMinFill bytes or of output_bound() always makes progress.
  std::size_t fill(MutableByteView out);

  std::size_t stream_count() const { return active_; }
  Duration rtt() const { return rtt_; }
  bool ping_outstanding() const { return ping_sent_ != kNever; }
  // The users of all unreleased streams, in order of id.
  template <class Visit>
  void for_each(Visit&& visit) {
    for (std::size_t i = 0; i < streams_.size(); ++i) {
      if (!streams_[i]->has(YamuxStream::kReleased)) visit(*streams_[i]);
    }
  }

 private:
  struct Header {
    std::uint8_t type;
    std::uint16_t flags;
    std::uint32_t id;
    std::uint32_t length;
  };
  // A FIFO of streams whose storage is freed when it is empty.
  class Fifo {
   public:
    bool empty() const { return head_ == items_.size(); }
    void push(YamuxStream* stream) { items_.push_back(stream); }
    YamuxStream* front() const { return items_[head_]; }
    YamuxStream* pop();
    void erase(YamuxStream* stream);
    std::size_t size() const { return items_.size() - head_; }
    auto begin() const { return items_.begin() + static_cast<std::ptrdiff_t>(head_); }
    auto end() const { return items_.end(); }

   private:
    void tidy();
    std::vector<YamuxStream*> items_;
    std::size_t head_ = 0;
  };

  Result<void> on_header(const Header& header, Time now);
  Result<void> on_stream_frame(const Header& header, Time now);
  Result<void> on_window_update(YamuxStream& stream, std::uint32_t delta);
  Result<void> on_data(YamuxStream& stream, const Header& header);
  Result<void> on_ping(const Header& header, Time now);
  Result<YamuxStream*> accept(const Header& header, Time now);
  void on_body(Bytes chunk);
  void on_fin(YamuxStream& stream);
  void on_reset(YamuxStream& stream, std::uint32_t code);
  Result<void> forget(YamuxStream& stream);
  void on_acknowledged(YamuxStream& stream);
  Result<void> violation(std::string_view what);

  YamuxStream* find(std::uint32_t id);
  YamuxStream& add(std::uint32_t id, std::uint32_t flags, Time now);
  void close_if_done(YamuxStream& stream);
  void deactivate(YamuxStream& stream);
  void free_if_done(YamuxStream& stream);
  void notice(YamuxStream& stream, std::uint32_t event);
  void schedule(YamuxStream& stream);
  bool needs_output(const YamuxStream& stream) const;
  std::uint32_t credit_due(const YamuxStream& stream) const;
  bool credit_is_worth_a_frame(const YamuxStream& stream) const;
  void tune_window(YamuxStream& stream, Time now);
  void control(std::uint8_t type, std::uint16_t flags, std::uint32_t id, std::uint32_t length);
  bool fill_stream(YamuxStream& stream, MutableByteView out, std::size_t& at, std::size_t quantum);
  std::size_t high_water() const;
  void on_crowded();
  void on_sent(std::size_t size);
  void ask_for_more(YamuxStream& stream);
  void drop_outgoing(YamuxStream& stream);
  static std::uint16_t take_open_flags(YamuxStream& stream);

  const YamuxConfig& config_;
  std::vector<YamuxStream*> streams_;  // by id; closed ones until they are released
  Fifo ready_;                         // have something to send now
  Fifo noticed_;                       // have events for poll()
  Fifo blocked_;                       // their SYN waits for acknowledgements
  std::vector<Header> control_;        // to send before all data
  YamuxStream* body_ = nullptr;        // whose data is arriving; null: nobody's, skipped
  Time ping_sent_ = kNever;
  Duration rtt_{};
  std::uint64_t growth_ = 0;  // window bytes above the initial ones
  std::uint64_t unsent_ = 0;  // bytes waiting in all streams
  std::uint32_t next_id_;
  std::uint32_t active_ = 0;
  std::uint32_t inbound_ = 0;  // active ones that the peer opened
  std::uint32_t unacked_ = 0;
  std::uint32_t ping_value_ = 0;
  std::uint32_t body_left_ = 0;
  std::optional<std::uint32_t> remote_go_away_;
  std::array<std::uint8_t, kYamuxHeader> partial_{};
  std::uint8_t partial_size_ = 0;
  bool body_fin_ = false;
  bool client_;
  bool crowded_ = false;     // unsent_ has reached its limit, and not come down to half of it
  bool going_away_ = false;  // GOAWAY was queued
  bool failed_ = false;      // by a violation: input is ignored
};

// A buffer with which fill() always makes progress.
inline constexpr std::size_t kYamuxMinFill = 2 * kYamuxHeader + 1024;

}  // namespace mesocosm
