// What identify counts, in go-libp2p's words (p2p/protocol/identify/metrics.go), with errors added.
#pragma once

#include "stack/observe/metrics.h"

namespace mesocosm {

struct IdentifyMetrics {
  explicit IdentifyMetrics(Metrics& metrics);

  Counter& asked;     // we learned who a peer is
  Counter& answered;  // we told one who we are
  Counter& pushed;    // we told one what changed
  Counter& heard;     // one told us what changed
  Counter& pushes_triggered;
  Family<Counter>& errors;
  Histogram& protocols_received;
  Histogram& addresses_received;

 private:
  IdentifyMetrics(Metrics& metrics, Family<Counter>& exchanges, Family<Counter>& pushes);
};

}  // namespace mesocosm
