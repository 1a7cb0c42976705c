// What happened, told to whoever records: one small event a call, cheap when nobody listens.
#pragma once

#include <cstdint>
#include <string_view>

namespace mesocosm {

// `peer` is PeerId::hash() of the other side, `subject` the hash of what the event is about (a message id),
// `value` and `label` as stated.
enum class TraceKind : std::uint8_t {
  connected,     // value: 0 inbound, 1 outbound; label: security
  disconnected,  // value: ErrorCode
  dial_failed,   // value: ErrorCode
  published,     // subject: message id; value: payload bytes; label: topic
  delivered,     // peer: from whom; subject: message id; value: payload bytes; label: topic
  duplicate,     // the same
  rejected,      // peer, subject; value: ErrorCode; label: topic
  subscribed,    // label: topic
  unsubscribed,  // label: topic
  grafted,       // peer; label: topic
  pruned,        // peer; label: topic
  ihave_sent,    // peer; value: ids; label: topic
  iwant_sent,    // peer; value: ids
  ping,          // peer; value: round trip in ns
};

struct TraceEvent {
  TraceKind kind;
  std::uint64_t peer = 0;
  std::uint64_t subject = 0;
  std::uint64_t value = 0;
  std::string_view label = {};
};

class Trace {
 public:
  virtual ~Trace() = default;
  virtual void record(const TraceEvent& event) = 0;  // the environment knows the node and the time
};

class NoTrace final : public Trace {
 public:
  void record(const TraceEvent&) override {}
};

}  // namespace mesocosm
