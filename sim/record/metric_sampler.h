// MetricSampler: writes what was counted into the record, as Prometheus would have scraped it.
#pragma once

#include <cstdint>
#include <vector>

#include "sim/record/recorder.h"
#include "stack/observe/metrics.h"

namespace mesocosm {

class MetricSampler {
 public:
  // Both must outlive it.
  MetricSampler(const Metrics& metrics, Recorder& recorder) : metrics_(metrics), recorder_(recorder) {}

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
  Recorder& recorder_;
  std::vector<std::vector<Series>> families_;  // as metrics_.families(); member by member
  std::vector<double> values_;                 // of the member at hand
};

}  // namespace mesocosm
