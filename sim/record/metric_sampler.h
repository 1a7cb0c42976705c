// MetricSampler: writes what was counted into the record, as Prometheus would have scraped it.
#pragma once

#include <cstdint>
#include <vector>

#include "sim/record/record_sink.h"
#include "stack/observe/metrics.h"

namespace mesocosm {

class MetricSampler {
 public:
  // Both must outlive it.
  MetricSampler(const Metrics& metrics, RecordSink& sink) : metrics_(metrics), sink_(sink) {}

  // Records each value that is new or has changed since the last sample.
  void sample(Time now);

 private:
  struct Series {
    std::uint32_t id;
    double last;
  };

  void sample_member(const MetricFamily& family, std::size_t member, std::vector<Series>& series, Time now);
  void add_series(const MetricFamily& family, std::size_t member, std::vector<Series>& series);

  const Metrics& metrics_;
  RecordSink& sink_;
  std::vector<std::vector<Series>> families_;  // as metrics_.families(); member by member
  std::vector<double> values_;                 // of the member at hand
};

}  // namespace mesocosm
