// LocalTopics: which topics a node takes part in, for protocols that carry every message to everybody; and what the trace
// is told of messages.
#pragma once

#include <cstdint>
#include <set>
#include <string>
#include <string_view>

#include "stack/env/env.h"
#include "stack/protocols/pubsub/broadcast.h"

namespace mesocosm {

// Of messages in a node's topics.
struct BroadcastCounters {
  std::uint64_t delivered = 0;
  std::uint64_t duplicates = 0;
};

class LocalTopics {
 public:
  static constexpr std::size_t kMaxTopics = 1024;

  explicit LocalTopics(Env& env) : env_(env) {}

  Result<> subscribe(std::string_view topic) {
    if (topics_.contains(topic)) return {};
    if (topics_.size() >= kMaxTopics || topic.size() > Broadcast::kMaxTopic)
      return fail(ErrorCode::limit, "subscribe: too many topics, or too long a name");
    topics_.emplace(topic);
    env_.trace.record({.kind = TraceKind::subscribed, .label = topic});
    return {};
  }
  void unsubscribe(std::string_view topic) {
    const auto found = topics_.find(topic);
    if (found == topics_.end()) return;
    topics_.erase(found);
    env_.trace.record({.kind = TraceKind::unsubscribed, .label = topic});
  }
  void published(const MessageId& id, std::string_view topic, std::size_t size) {
    env_.trace.record({.kind = TraceKind::published, .subject = id.hash(), .value = size, .label = topic});
  }
  void delivered(const Broadcast& message, const PeerId& from) {
    if (!topics_.contains(message.topic.text())) return;
    ++counters_.delivered;
    tell(TraceKind::delivered, message, from);
  }
  void duplicate(const Broadcast& message, const PeerId& from) {
    if (!topics_.contains(message.topic.text())) return;
    ++counters_.duplicates;
    tell(TraceKind::duplicate, message, from);
  }
  const BroadcastCounters& counters() const { return counters_; }

 private:
  void tell(TraceKind kind, const Broadcast& message, const PeerId& from) {
    env_.trace.record({.kind = kind,
                       .peer = from.hash(),
                       .subject = message.id.hash(),
                       .value = message.data.size(),
                       .label = message.topic.text()});
  }

  Env& env_;
  std::set<std::string, std::less<>> topics_;
  BroadcastCounters counters_;
};

}  // namespace mesocosm
