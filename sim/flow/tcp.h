// TCP as a model of messages: connections whose bursts take as long as real segments would, without being
// segments. Equations and sources: docs/flow-model.md.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <string>
#include <unordered_map>
#include <utility>

#include "sim/hosts/cubic.h"
#include "sim/hosts/links.h"
#include "sim/hosts/pool.h"
#include "sim/net/nat.h"
#include "stack/base/bytes.h"
#include "stack/base/result.h"
#include "stack/env/network.h"

namespace mesocosm::flow {

using hosts::Cubic;
using hosts::Departure;
using hosts::Landing;
using hosts::Links;
using hosts::Pool;

class Tcp;
class Connection;
class Segments;

struct TcpModel {
  static constexpr std::uint32_t kMss = 1448;                 // payload of a full segment, with timestamps
  static constexpr std::uint32_t kHeaders = 52;               // IPv4 20, TCP 20, timestamps 12
  static constexpr std::uint32_t kControl = 60;               // SYN, SYN-ACK: with options
  static constexpr std::uint32_t kInitialWindow = 10 * kMss;  // RFC 6928
  // A burst is acknowledged as a whole, so it is no longer than the links take 1/16 of a round trip for, or kBurstTime;
  // and flows take turns on a link.
  static constexpr std::uint32_t kShortBurst = 2 * kMss;  // what receivers acknowledge at once
  static constexpr std::uint32_t kBurst = 10 * kMss;
  static constexpr std::uint32_t kLongBurst = 44 * kMss;  // if the links take kBurstTime at most for it
  static constexpr Duration kBurstTime = 1ms;
  static constexpr std::uint32_t kReceiveBuffer = 3u << 20;  // Linux: half of tcp_rmem's maximum of 6 MiB
  static constexpr std::uint32_t kUnsentLimit = 64u << 10;   // what a sender keeps ready beyond its window
  static constexpr Duration kRtoFloor = 200ms;               // Linux: RTO = SRTT + max(200 ms, 4 RTTVAR)
  static constexpr Duration kMaxRto = 60s;                   // RFC 6298 (2.5)
  static constexpr Duration kGiveUp = 100s;                  // RFC 1122, 4.2.3.5: R2, at least 100 s
  static constexpr int kSynRetries = 5;                      // at 1, 3, 7, 15, 31 s; gives up at 63 s
};

// A slice of what a user wrote. `wire` counts its bytes within TCP's stream: `data` after the framing that it
// stands for (nothing, for real byte streams). 48 bytes.
struct Chunk {
  Chunk* next = nullptr;
  Bytes data;
  std::uint32_t wire = 0;
  std::uint32_t tag = 0;    // the user's
  std::uint32_t value = 0;  // the user's
  bool whole = true;        // false: more of the same write follows
  bool solid = false;       // data comes in one piece with the last byte; what comes before is only counted
};

// How the window of a connection's direction grows, once it was in use. Most never are.
struct Growth {
  Growth* next = nullptr;
  Cubic cubic;
};

// First in, first out; owns nothing.
struct ChunkList {
  Chunk* head = nullptr;
  Chunk* tail = nullptr;
  bool empty() const { return head == nullptr; }
  void push(Chunk* chunk);
  void append(ChunkList& other);  // takes all of it
  Chunk* pop();
};

// Up to a burst's worth of segments on their way, and the timer of whatever happens to them next:
//
//   arriving ──> delivering ──> (acknowledging) ──> done
//      │  queue full  │ incomplete      │ three duplicate acknowledgements: sent again, arriving
//      └──────────────┴──> waiting <────┘ else the retransmission timeout
struct Burst final : Timer {
  enum class State : std::uint8_t {
    idle,           // in the pool, or held by the receiver
    arriving,       // its first packet is on the way to the receiver's access link
    delivering,     // its packets come through the receiver's access link
    acknowledging,  // the acknowledgement is on its way to the sender, who waits for one
    waiting,        // lost, or the rest of it: for a retransmission
    retry_syn,      // an opening segment was lost: for the next try
    wake,           // not a burst: the sender may go on
    notify,         // not a burst: a callback of its own turn
  };
  void on_timer() override;
  void on_soon(bool near) const override;

  Burst* next = nullptr;
  Connection* connection = nullptr;
  ChunkList chunks;
  Time sent{};
  Time last_in{};  // of the last packet at the receiver's access link; later, of the first through it
  std::uint32_t sequence = 0;   // in bursts of this direction
  std::uint32_t flying = 0;     // payload that counts as in flight
  std::uint32_t missing = 0;    // payload that the receiver does not have and that is not on the way
  std::uint32_t arriving = 0;   // payload that reaches the receiver this time
  std::uint32_t wire = 0;       // IP bytes that do
  std::uint8_t packets = 0;     // packets that do
  std::uint8_t duplicates = 0;  // segments that came to the receiver after it: three mean that it is lost
  State state = State::idle;
  std::uint8_t side : 1 = 0;  // who sent it
  std::uint8_t syn : 1 = 0;
  std::uint8_t ack : 1 = 0;  // of the handshake
  std::uint8_t fin : 1 = 0;
  std::uint8_t rst : 1 = 0;
  std::uint8_t limited : 1 = 0;  // the window was in use: its acknowledgement may widen it
  std::uint8_t again : 1 = 0;    // was retransmitted, in part at least
  std::uint8_t due : 1 = 0;      // known to be lost: to be retransmitted as the window allows
  std::uint8_t held : 1 = 0;     // delivered, but something before it is missing
  std::uint8_t listed : 1 = 0;   // in its pipe's list of incomplete bursts
  std::uint8_t taken : 1 =
      0;  // the receiver has it, and the sender was not told: its acknowledgement was lost
};

// One direction of a connection.
struct Pipe {
  // The sender.
  ChunkList unsent;
  Burst* lost = nullptr;     // incomplete bursts, by sequence
  Growth* growth = nullptr;  // null: the window was never in use
  std::uint32_t unsent_bytes = 0;
  std::uint32_t in_flight = 0;
  std::uint32_t cwnd = TcpModel::kInitialWindow;
  std::uint32_t ssthresh = TcpModel::kReceiveBuffer;
  // Acknowledgements on their way that cost no event: taken into account when the sender next looks.
  struct Acknowledgement {
    Time at{};
    std::uint32_t bytes = 0;
    std::uint32_t widening = 0;  // of these, what may widen the window
  };
  std::array<Acknowledgement, 2> acknowledgements;
  Time last_sent{};
  Time trouble_since{};  // while backoff > 0
  std::uint32_t next_sequence = 0;
  std::uint32_t recovery_end = 0;  // the window is halved once for all losses before this
  std::uint32_t srtt_us = 0;
  std::uint8_t backoff = 0;
  bool recovering : 1 = false;  // until what was sent before recovery_end has come through
  bool blocked : 1 = false;     // something is unsent for lack of window
  bool starved : 1 = false;     // the user was told not to write
  bool wake_armed : 1 = false;
  bool finishing : 1 = false;  // the user has written all
  bool fin_sent : 1 = false;

  // The receiver.
  bool fin_received : 1 = false;
  ChunkList received;
  Burst* held = nullptr;  // by sequence
  std::uint32_t unread_bytes = 0;
  std::uint32_t next_expected = 0;

  // The way.
  Time fifo{};
  std::uint32_t one_way_ns = 0;
  float loss = 0;
};

// The middleboxes on the way of some connections, which see each of their bursts leave and arrive.
class Gates {
 public:
  virtual void on_connect(Connection& connection, const Endpoint& dialed) = 0;
  virtual NatAction leaves(Connection& connection, const Burst& burst) = 0;
  virtual NatAction arrives(Connection& connection, const Burst& burst) = 0;
  virtual void on_gone(const Connection& connection) = 0;

 protected:
  ~Gates() = default;
};

// Called with the connection's second end when a connection has come to where it listens.
class Acceptor {
 public:
  virtual void on_accept(Connection& connection) = 0;  // attach a user to side 1 now

 protected:
  ~Acceptor() = default;
};

// Both ends, because they live in one process; each sees only what has reached it. Side 0 connected, side 1
// accepted. Kept by Tcp while an end is attached or a burst on its way.
class Connection {
 public:
  // A user attaches to its side once, and detaches once, after which no callback arrives. Detaching aborts
  // (RST) what was not finished; what was finished still goes out, if everything that came was read.
  void attach(int side, ByteStream::Events& events);
  void set_events(int side, ByteStream::Events& events);
  void detach(int side);

  std::size_t writable(int side) const;
  void write(int side, Bytes data);
  // A message for a user at the other end who knows its tag and value: its data arrives as one slice when the
  // last of `wire` bytes does. wire > 0.
  void write_message(int side, Bytes data, std::uint32_t wire, std::uint32_t tag, std::uint32_t value);
  void finish(int side);
  std::size_t unread(int side) const { return pipes_[1 - side].unread_bytes; }
  // The next slice of at most `max` bytes of data, its tag, and whether it ends a write; false: nothing now.
  bool read(int side, std::size_t max, Chunk& into);
  bool ended(int side) const;

  Duration rtt(int side) const { return Duration(std::int64_t{pipes_[side].srtt_us} * 1000); }  // smoothed
  HostIndex host(int side) const { return host_[side]; }
  std::uint16_t port(int side) const { return port_[side]; }
  bool v6() const { return v6_; }
  bool gated() const { return gated_; }  // there are middleboxes on its way
  // Middleboxes know who is behind them: says where the other side's segments really go.
  void redirect(int side, HostIndex host, std::uint16_t port);

  Connection* next = nullptr;  // for pools and lists of Tcp

 private:
  friend class Tcp;
  friend class Segments;
  friend struct Burst;
  struct End {
    ByteStream::Events* events = nullptr;
    bool attached : 1 = false;
    bool connected : 1 = false;
    bool closed : 1 = false;   // on_closed was called, or nobody is left to call
    bool dirty : 1 = false;    // to be flushed at the end of the turn
    std::uint8_t notices = 0;  // Tcp::Notice bits on their way
  };

  Tcp* tcp_ = nullptr;
  std::array<Pipe, 2> pipes_;  // by sender
  std::array<End, 2> ends_;
  std::array<HostIndex, 2> host_{};
  std::array<std::uint16_t, 2> port_{};
  std::uint32_t references_ = 0;
  std::uint8_t syn_tries_ = 0;
  bool accepted_ : 1 = false;
  bool v6_ : 1 = false;
  bool gated_ : 1 = false;
  bool rejected_ : 1 = false;  // a middlebox refuses it in the listener's name
};

class Tcp {
 public:
  // `name` says an end's address and port, for error messages.
  using Name = std::function<std::string(const Connection&, int side)>;
  Tcp(Links& links, Name name) : links_(links), name_(std::move(name)) {}

  // Begins to connect; attach to side 0 in this turn. The connection fails by on_closed: refused, timeout.
  // `dialed`, if any, is what side 0 takes for the other's endpoint, because there are middleboxes on the way.
  Connection& connect(HostIndex from, std::uint16_t from_port, HostIndex to, std::uint16_t to_port, bool v6,
                      const Endpoint* dialed = nullptr);
  void set_gates(Gates& gates) { gates_ = &gates; }
  bool listen(HostIndex host, std::uint16_t port, bool v6, Acceptor& acceptor);  // false: the port is taken
  void unlisten(HostIndex host, std::uint16_t port, bool v6);
  bool listening(HostIndex host, std::uint16_t port, bool v6) const {
    return acceptors_.contains(key(host, port, v6));
  }

  std::size_t connections() const { return connections_.in_use(); }
  std::size_t bursts() const { return bursts_.in_use(); }
  Links& links() { return links_; }
  // From now on `segments` is told of all bursts.
  void capture(Segments& segments) { segments_ = &segments; }

 private:
  friend struct Burst;
  friend class Connection;
  enum class Notice : std::uint8_t { readable, writable, done };

  static std::uint64_t key(HostIndex host, std::uint16_t port, bool v6) {
    return std::uint64_t{host} << 17 | std::uint64_t{v6} << 16 | port;
  }
  Time now() const { return links_.kernel().now(); }

  // Opening and closing.
  void set_paths(Connection& connection);
  void send_control(Connection& connection, int side, bool syn, bool ack, bool rst);
  void control_lost(Burst& burst);
  void retry_syn(Burst& burst);
  void control_delivered(Burst& burst);
  void hold(Pipe& pipe, Burst& burst);
  void bounce(Connection& connection, int side);
  void refuse(Burst& burst);
  void accept(Connection& connection);
  void close(Connection& connection, int side, ErrorCode code);
  void check_done(Connection& connection, int side);

  // Sending.
  void enqueue(Connection& connection, int side, Chunk& chunk);
  void mark_dirty(Connection& connection, int side);
  void flush();
  void transmit(Connection& connection, int side);
  bool retransmit(Connection& connection, int side);
  void send_new(Connection& connection, int side, std::uint32_t bytes);
  void cut(Pipe& pipe, Burst& burst, std::uint32_t bytes);
  void depart(Burst& burst, std::uint32_t payload);
  bool passes_out(Connection& connection, const Burst& burst);
  bool passes_in(Connection& connection, const Burst& burst);
  std::uint32_t longest_burst(const Connection& connection, int side) const;
  void decay_after_idle(Pipe& pipe);

  // The bursts' events.
  void arrived(Burst& burst);
  void delivered(Burst& burst);
  void take_heard(Burst& burst);
  void take_unheard(Burst& burst);
  void acknowledged(Burst& burst);
  void forget_taken(Pipe& pipe);
  void timed_out(Burst& burst);
  void woken(Burst& burst);
  void count_duplicates(Pipe& pipe, const Burst& newer);
  void mark_due(Pipe& pipe, Burst& burst);
  void notified(Burst& burst);

  // Loss.
  void lose(Burst& burst);
  void unlist(Pipe& pipe, Burst& burst);
  void watch(Pipe& pipe);
  Duration rto(const Pipe& pipe) const;

  // Receiving and acknowledgements.
  void take_in(Pipe& pipe, Burst& burst);
  void settle(Pipe& pipe);
  void note_acknowledgement(Pipe& pipe, const Burst& burst);
  void widen(Pipe& pipe, std::uint32_t bytes);
  void reduce_in_proportion(Pipe& pipe, std::uint32_t bytes);
  void look_for_delay(Pipe& pipe, const Burst& burst);
  Cubic& cubic(Pipe& pipe);
  void wake_at(Connection& connection, int side, Time at);
  void offer_space(Connection& connection, int side);
  Duration way_back(const Connection& connection, int side) const { return way(connection, 1 - side); }
  Duration way(const Connection& connection, int side) const {  // from that side to the other
    return Duration(connection.pipes_[side].one_way_ns) +
           links_.state(connection.host_[side], connection.host_[1 - side]).delay;
  }

  void notify(Connection& connection, int side, Notice notice);
  Burst& new_burst(Connection& connection, int side);
  void free_burst(Burst& burst);
  void free_chunks(ChunkList& chunks);
  void drop_sending(Pipe& pipe);
  void drop_received(Pipe& pipe);
  void release(Connection& connection);

  Links& links_;
  Name name_;
  Gates* gates_ = nullptr;
  Segments* segments_ = nullptr;  // null: nothing is captured
  Pool<Chunk, 256> chunks_;
  Pool<Burst, 128> bursts_;
  Pool<Connection, 32> connections_;
  Pool<Growth, 64> growths_;
  std::unordered_map<std::uint64_t, Acceptor*> acceptors_;  // looked up, never iterated
  Connection* dirty_head_ = nullptr;
  Connection* dirty_tail_ = nullptr;
  MemberTask<&Tcp::flush> flush_{*this};
};

static_assert(sizeof(Burst) <= 128);
static_assert(sizeof(Chunk) <= 48);

}  // namespace mesocosm::flow
