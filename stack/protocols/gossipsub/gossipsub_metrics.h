// What gossipsub counts; by topic what belongs to one. A topic has labels of its own once a node subscribes to
// it or publishes in it, up to a bound; what peers only talk about has none.
#pragma once

#include <array>
#include <cstddef>
#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "stack/observe/metrics.h"
#include "stack/protocols/gossipsub/core.h"

namespace mesocosm {

struct GossipSubTopicMetrics {
  Gauge& subscriptions;
  Gauge& mesh_peers;
  Counter& published;
  Counter& delivered;
  Counter& delivered_bytes;
  Counter& duplicates;
  Counter& duplicate_bytes;
  Counter& withheld;
  Counter& grafts;
  Counter& prunes;
};

// What goes one way.
struct GossipSubRpcMetrics {
  Counter& rpcs;
  Counter& bytes;
  std::array<Counter*, kPartKinds> parts;  // by PartKind

  void count(std::size_t size) {
    rpcs.add();
    bytes.add(size);
  }
  void count(PartKind kind) { parts[static_cast<std::size_t>(kind)]->add(); }
};

class GossipSubMetrics {
 public:
  static constexpr std::size_t kMaxTopics = 64;

  explicit GossipSubMetrics(Metrics& metrics);

  // The topic's, which stays where it is; beyond the bound, that of all others together.
  GossipSubTopicMetrics& topic(std::string_view name);
  void count(const GossipSubEvent& event);

 private:
  GossipSubTopicMetrics make(std::string_view topic);
  GossipSubRpcMetrics make_rpcs(std::string_view direction);

  Family<Gauge>& subscriptions_;
  Family<Gauge>& mesh_peers_;
  Family<Counter>& published_;
  Family<Counter>& delivered_;
  Family<Counter>& delivered_bytes_;
  Family<Counter>& duplicates_;
  Family<Counter>& duplicate_bytes_;
  Family<Counter>& withheld_;
  Family<Counter>& rejected_;
  Family<Counter>& grafts_;
  Family<Counter>& prunes_;
  Family<Counter>& rpcs_;
  Family<Counter>& rpc_bytes_;
  Family<Counter>& rpc_parts_;
  Family<Counter>& gossip_ids_;
  Family<Counter>& dropped_;
  Counter& ihave_ids_;
  Counter& iwant_ids_;
  std::vector<std::pair<std::string, std::unique_ptr<GossipSubTopicMetrics>>>
      topics_;  // the last one: others

 public:
  GossipSubRpcMetrics sent;
  GossipSubRpcMetrics received;
  Counter& dropped_messages;
  Counter& dropped_control;
  Counter& streams_reset;
  Family<Gauge>& peers;   // by protocol
  Family<Gauge>& scored;  // peers, by what their score makes of them
  Histogram& heartbeat_delay;
};

}  // namespace mesocosm
