#include "stack/protocols/identify/identify_metrics.h"

namespace mesocosm {
namespace {

// 1 to 20, then up to 100 in steps of 5.
std::vector<double> list_bounds() {
  std::vector<double> bounds;
  for (int i = 1; i <= 20; ++i) bounds.push_back(i);
  for (int i = 25; i <= 100; i += 5) bounds.push_back(i);
  return bounds;
}

}  // namespace

IdentifyMetrics::IdentifyMetrics(Metrics& metrics)
    : IdentifyMetrics(
          metrics,
          metrics.counter(
              {"libp2p_identify_identify_total", "Identify exchanges; outbound: we asked", {"dir"}}),
          metrics.counter(
              {"libp2p_identify_identify_push_total", "Identify pushes; outbound: we told", {"dir"}})) {}

IdentifyMetrics::IdentifyMetrics(Metrics& metrics, Family<Counter>& exchanges, Family<Counter>& pushes)
    : asked(exchanges.with({"outbound"})),
      answered(exchanges.with({"inbound"})),
      pushed(pushes.with({"outbound"})),
      heard(pushes.with({"inbound"})),
      pushes_triggered(metrics
                           .counter({"libp2p_identify_identify_pushes_triggered_total",
                                     "Changes of ours that were pushed to all"})
                           .with({})),
      errors(metrics.counter({"libp2p_identify_errors_total",
                              "Exchanges and pushes from which nothing was learned",
                              {"error"}})),
      protocols_received(
          metrics
              .histogram(
                  {"libp2p_identify_protocols_received", "Protocols that a peer told of", {}, list_bounds()})
              .with({})),
      addresses_received(
          metrics
              .histogram(
                  {"libp2p_identify_addrs_received", "Addresses that a peer told of", {}, list_bounds()})
              .with({})) {}

}  // namespace mesocosm
