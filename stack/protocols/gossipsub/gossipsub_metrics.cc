#include "stack/protocols/gossipsub/gossipsub_metrics.h"

namespace mesocosm {

GossipSubMetrics::GossipSubMetrics(Metrics& metrics)
    : subscriptions_(metrics.gauge({"libp2p_gossipsub_subscriptions", "Our own subscriptions", {"topic"}})),
      mesh_peers_(metrics.gauge({"libp2p_gossipsub_mesh_peers", "Peers in meshes", {"topic"}})),
      published_(metrics.counter(
          {"libp2p_gossipsub_messages_published_total", "Messages that we published", {"topic"}})),
      delivered_(metrics.counter({"libp2p_gossipsub_messages_delivered_total",
                                  "Messages that came for the first time and were valid",
                                  {"topic"}})),
      delivered_bytes_(metrics.counter(
          {"libp2p_gossipsub_delivered_bytes_total", "Payload of delivered messages", {"topic"}})),
      duplicates_(metrics.counter(
          {"libp2p_gossipsub_messages_duplicate_total", "Messages that came again", {"topic"}})),
      duplicate_bytes_(
          metrics.counter({"libp2p_gossipsub_duplicate_bytes_total", "Payload of duplicates", {"topic"}})),
      withheld_(metrics.counter({"libp2p_gossipsub_messages_withheld_total",
                                 "Messages that a peer was not sent because of its IDONTWANT",
                                 {"topic"}})),
      rejected_(metrics.counter({"libp2p_gossipsub_messages_rejected_total",
                                 "Messages that were refused, by why",
                                 {"topic", "error"}})),
      grafts_(metrics.counter({"libp2p_gossipsub_grafts_total", "Peers that came into a mesh", {"topic"}})),
      prunes_(metrics.counter({"libp2p_gossipsub_prunes_total", "Peers that left a mesh", {"topic"}})),
      rpcs_(metrics.counter({"libp2p_gossipsub_rpcs_total", "RPCs", {"dir"}})),
      rpc_bytes_(metrics.counter({"libp2p_gossipsub_rpc_bytes_total", "Bytes of RPCs, framed", {"dir"}})),
      rpc_parts_(metrics.counter({"libp2p_gossipsub_rpc_parts_total",
                                  "Parts of RPCs: messages, subscriptions, control",
                                  {"dir", "kind"}})),
      gossip_ids_(metrics.counter({"libp2p_gossipsub_gossip_ids_total",
                                   "Message ids that we told of (ihave) or asked for (iwant)",
                                   {"kind"}})),
      dropped_(metrics.counter(
          {"libp2p_gossipsub_dropped_total", "What was not sent because the peer took nothing", {"kind"}})),
      ihave_ids_(gossip_ids_.with({"ihave"})),
      iwant_ids_(gossip_ids_.with({"iwant"})),
      sent(make_rpcs("outbound")),
      received(make_rpcs("inbound")),
      dropped_messages(dropped_.with({"message"})),
      dropped_control(dropped_.with({"control"})),
      streams_reset(metrics
                        .counter({"libp2p_gossipsub_streams_reset_total",
                                  "Streams that we reset because the peer broke the protocol"})
                        .with({})),
      peers(
          metrics.gauge({"libp2p_gossipsub_peers", "Peers, by the protocol that they speak", {"protocol"}})),
      scored(metrics.gauge({"libp2p_gossipsub_peers_scored",
                            "Scored peers, by the threshold that they are below",
                            {"below"}})),
      heartbeat_delay(metrics
                          .histogram({"libp2p_gossipsub_heartbeat_delay_seconds",
                                      "How late heartbeats came",
                                      {},
                                      exponential_bounds(0.0001, 4, 9)})
                          .with({})) {}

GossipSubTopicMetrics GossipSubMetrics::make(std::string_view topic) {
  return {subscriptions_.with({topic}),   mesh_peers_.with({topic}),      published_.with({topic}),
          delivered_.with({topic}),       delivered_bytes_.with({topic}), duplicates_.with({topic}),
          duplicate_bytes_.with({topic}), withheld_.with({topic}),        grafts_.with({topic}),
          prunes_.with({topic})};
}

GossipSubRpcMetrics GossipSubMetrics::make_rpcs(std::string_view direction) {
  GossipSubRpcMetrics made{rpcs_.with({direction}), rpc_bytes_.with({direction}), {}};
  const auto counter = [&](PartKind kind, std::string_view name) {
    made.parts[static_cast<std::size_t>(kind)] = &rpc_parts_.with({direction, name});
  };
  counter(PartKind::message, "message");
  counter(PartKind::subscription, "subscription");
  counter(PartKind::ihave, "ihave");
  counter(PartKind::iwant, "iwant");
  counter(PartKind::graft, "graft");
  counter(PartKind::prune, "prune");
  counter(PartKind::idontwant, "idontwant");
  counter(PartKind::extensions, "extensions");
  counter(PartKind::partial, "partial");
  counter(PartKind::test_extension, "test_extension");
  counter(PartKind::other, "other");
  return made;
}

GossipSubTopicMetrics& GossipSubMetrics::topic(std::string_view name) {
  for (const auto& [known, counters] : topics_) {
    if (known == name) return *counters;
  }
  if (topics_.size() > kMaxTopics) return *topics_.back().second;
  const std::string_view label = topics_.size() == kMaxTopics ? MetricFamily::kOther : name;
  return *topics_.emplace_back(label, std::make_unique<GossipSubTopicMetrics>(make(label))).second;
}

void GossipSubMetrics::count(const GossipSubEvent& event) {
  using Kind = GossipSubEvent::Kind;
  switch (event.kind) {
    case Kind::published:
      return event.metrics->published.add();
    case Kind::delivered:
      event.metrics->delivered.add();
      return event.metrics->delivered_bytes.add(event.value);
    case Kind::duplicate:
      event.metrics->duplicates.add();
      return event.metrics->duplicate_bytes.add(event.value);
    case Kind::rejected:
      return rejected_.with({event.topic, to_string(static_cast<ErrorCode>(event.value))}).add();
    case Kind::subscribed:
      return event.metrics->subscriptions.add();
    case Kind::unsubscribed:
      return event.metrics->subscriptions.sub();
    case Kind::grafted:
      event.metrics->grafts.add();
      return event.metrics->mesh_peers.add();
    case Kind::pruned:
      event.metrics->prunes.add();
      return event.metrics->mesh_peers.sub();
    case Kind::withheld:
      if (event.metrics != nullptr) event.metrics->withheld.add();  // else of a topic that we left
      return;
    case Kind::ihave_sent:
      return ihave_ids_.add(event.value);
    case Kind::iwant_sent:
      return iwant_ids_.add(event.value);
  }
}

}  // namespace mesocosm
