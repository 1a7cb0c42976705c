#include "stack/protocols/gossipsub/params.h"

#include <string>

#include "stack/protocols/gossipsub/score_params.h"

namespace mesocosm {

GossipSubParams GossipSubParams::ethereum() {
  GossipSubParams params;
  params.d = 8;
  params.d_low = 6;
  params.d_high = 12;
  params.d_lazy = 6;
  params.heartbeat = 700ms;
  params.history = 6;
  params.history_gossip = 3;
  params.fanout_ttl = 60s;
  params.seen_ttl = 2 * 32 * 12s;
  params.flood_publish = false;
  params.signature_policy = SignaturePolicy::strict_no_sign;
  params.message_id = MessageIdKind::content_hash;
  constexpr std::uint32_t payload = 10 << 20;
  params.max_rpc = 32 + payload + payload / 6 + 1024;  // what snappy may make of it, and room for the rest
  return params;
}

GossipSubParams GossipSubParams::as_spoken() const {
  GossipSubParams spoken = *this;
  if (version < PeerKind::gossipsub_13) {
    spoken.partial_messages = false;
    spoken.test_extension = false;
  }
  if (version >= PeerKind::gossipsub_11) return spoken;
  spoken.flood_publish = false;
  spoken.d_out = 0;
  spoken.d_score = 0;
  spoken.gossip_factor = 0;
  spoken.peer_exchange = false;
  spoken.accept_peer_exchange = false;
  spoken.opportunistic_graft_ticks = UINT32_MAX;
  spoken.score = nullptr;
  spoken.thresholds = {};
  spoken.iwant_retransmission = UINT32_MAX;
  spoken.max_ihave_messages = UINT32_MAX;
  spoken.max_ihave_length = UINT16_MAX;
  return spoken;
}

GossipSubParams GossipSubParams::filecoin() {
  GossipSubParams params;
  params.d = 8;
  params.d_low = 6;
  params.d_high = 12;
  params.d_score = 6;
  params.d_out = 3;
  params.d_lazy = 12;
  params.gossip_factor = 0.1;
  params.history = 10;
  params.iwant_followup = 5s;
  params.message_id = MessageIdKind::data_hash;
  params.filter = std::make_shared<const SubscriptionFilter>(SubscriptionFilter{{}, 100});
  params.validation_queue = 256;
  return params;
}

namespace {

std::string show(std::uint32_t value) { return std::to_string(value); }
std::string show(double value) { return std::to_string(value); }
std::string show(Duration value) { return std::to_string(to_seconds(value)) + " s"; }

template <class A, class B>
tl::unexpected<Error> contradiction(const char* a, A a_value, const char* must, const char* b, B b_value) {
  return fail(ErrorCode::protocol_violation, std::string("gossipsub: ") + a + " (" + show(a_value) +
                                                 ") must " + must + " " + b + " (" + show(b_value) + ")");
}

tl::unexpected<Error> bad(const char* name, const std::string& value, const char* must) {
  return fail(ErrorCode::protocol_violation,
              std::string("gossipsub: ") + name + " (" + value + ") must " + must);
}

}  // namespace

Result<> GossipSubParams::validate() const {
  if (heartbeat <= Duration::zero()) return bad("heartbeat", show(heartbeat), "be positive");
  if (heartbeat_delay < Duration::zero()) {
    return bad("heartbeat_delay", show(heartbeat_delay), "not be negative");
  }
  if (history == 0) return bad("history", show(history), "be at least 1");
  if (history_gossip > history) {
    return contradiction("history_gossip", history_gossip, "not exceed", "history", history);
  }
  if (seen_ttl < heartbeat * history) {
    return contradiction("seen_ttl", seen_ttl, "be at least history heartbeats", "=",
                         Duration(heartbeat * history));
  }
  if (!(gossip_factor >= 0 && gossip_factor <= 1)) {
    return bad("gossip_factor", show(gossip_factor), "be between 0 and 1");
  }
  if (d_low > d) return contradiction("d_low", d_low, "not exceed", "d", d);
  if (d > d_high) return contradiction("d", d, "not exceed", "d_high", d_high);
  if (d_score > d_high) return contradiction("d_score", d_score, "not exceed", "d_high", d_high);
  // A bootstrap node without a mesh sets d, d_low, d_high and d_out to zero (v1.1, "Recommendations for
  // Network Operators").
  const bool no_mesh = d == 0 && d_low == 0 && d_high == 0 && d_out == 0;
  if (!no_mesh && d_out >= d_low) return contradiction("d_out", d_out, "be below", "d_low", d_low);
  if (!no_mesh && d_out > d / 2) return contradiction("d_out", d_out, "not exceed half of", "d", d);
  if (prune_backoff < 1s) return bad("prune_backoff", show(prune_backoff), "be at least 1 s");
  if (unsubscribe_backoff < 1s)
    return bad("unsubscribe_backoff", show(unsubscribe_backoff), "be at least 1 s");
  if (fanout_ttl < Duration::zero()) return bad("fanout_ttl", show(fanout_ttl), "not be negative");
  if (opportunistic_graft_ticks == 0) return bad("opportunistic_graft_ticks", "0", "be at least 1");
  if (direct_connect_ticks == 0) return bad("direct_connect_ticks", "0", "be at least 1");
  if (max_rpc < 1024) return bad("max_rpc", show(max_rpc), "be at least 1024 bytes");
  if (max_rpc > (64u << 20)) return bad("max_rpc", show(max_rpc), "be at most 64 MiB");
  if (max_ihave_length == 0) return bad("max_ihave_length", "0", "be at least 1");
  if (max_ihave_length > UINT16_MAX)
    return bad("max_ihave_length", show(max_ihave_length), "be at most 65535");
  if (idontwant_ttl == 0) return bad("idontwant_ttl", "0", "be at least 1");
  if (max_idontwant_messages >= UINT16_MAX)
    return bad("max_idontwant_messages", show(max_idontwant_messages), "be at most 65534");
  if (max_nuisance == 0 || max_nuisance >= UINT16_MAX)
    return bad("max_nuisance", show(max_nuisance), "be between 1 and 65534");
  if (iwant_followup <= Duration::zero()) return bad("iwant_followup", show(iwant_followup), "be positive");
  if (validation_queue == 0) return bad("validation_queue", "0", "be at least 1");
  if (topic_validation_queue == 0) return bad("topic_validation_queue", "0", "be at least 1");
  if (validation_delay < Duration::zero()) {
    return bad("validation_delay", show(validation_delay), "not be negative");
  }
  if (validation_workers == 0) return bad("validation_workers", "0", "be at least 1");
  if (max_topics == 0) return bad("max_topics", "0", "be at least 1");
  if (message_id == MessageIdKind::from_seqno && signature_policy == SignaturePolicy::strict_no_sign) {
    return fail(ErrorCode::protocol_violation,
                "gossipsub: message_id from_seqno needs signature_policy strict_sign; use content_hash");
  }
  const ScoreThresholds& t = thresholds;
  if (t.gossip > 0) return bad("thresholds.gossip", show(t.gossip), "not be positive");
  if (t.publish > t.gossip) {
    return contradiction("thresholds.publish", t.publish, "not exceed", "thresholds.gossip", t.gossip);
  }
  if (t.graylist > t.publish) {
    return contradiction("thresholds.graylist", t.graylist, "not exceed", "thresholds.publish", t.publish);
  }
  if (t.accept_px < 0) return bad("thresholds.accept_px", show(t.accept_px), "not be negative");
  if (t.opportunistic_graft < 0) {
    return bad("thresholds.opportunistic_graft", show(t.opportunistic_graft), "not be negative");
  }
  if (score != nullptr) return score->validate();
  return {};
}

}  // namespace mesocosm
