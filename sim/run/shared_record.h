// SharedRecord: what the nodes of several processes tell, on its way to the record that the first process keeps.
//
//   nodes, counters ──▶ SharedRecord ──(letter, once a window)──▶ SharedRecord of rank 0 ──in order of time──▶ Recorder
#pragma once

#include <cstdint>
#include <limits>
#include <map>
#include <string>
#include <vector>

#include "sim/mpi/ranks.h"
#include "sim/record/record_sink.h"
#include "sim/record/recorder.h"
#include "sim/run/letters.h"

namespace mesocosm {

class SharedRecord final : public RecordSink {
 public:
  explicit SharedRecord(std::uint32_t ranks) : series_(ranks) {}

  void record(Time now, std::uint32_t node, const TraceEvent& event) override;
  void bytes(Time now, std::uint32_t node, std::string_view protocol, std::uint64_t in_bytes,
             std::uint64_t out_bytes) override;
  std::uint32_t metric_series(std::string_view name, std::string_view labels) override;
  void metric(Time now, std::uint32_t series, double value) override;

  // The script took another step: what is told from now on comes after what was told before, in all processes.
  void step() { ++steps_; }

  // What was told since the last call.
  Letter take() { return writer_.take(); }
  // In the process that keeps the record: what all told of one window, by rank.
  void merge(const std::vector<Letter>& letters, Recorder& recorder);

 private:
  enum class Kind : std::uint8_t { event, bytes, series, metric };
  struct Entry;

  // A metric is the sum of what the processes counted.
  struct Metric {
    std::uint32_t id = 0;
    std::vector<double> parts;  // by rank
    double last = std::numeric_limits<double>::quiet_NaN();
    bool touched = false;
  };

  void begin(Kind kind, Time now);
  void read(const Letter& letter, std::uint32_t rank, Recorder& recorder, std::vector<Entry>& entries);
  void add_series(std::uint32_t rank, std::string_view name, std::string_view labels, Recorder& recorder);
  void write_metrics(Time now, Recorder& recorder);

  LetterWriter writer_;
  std::uint32_t steps_ = 0;
  std::uint32_t own_series_ = 0;
  // Rank 0 alone:
  std::map<std::string, std::size_t> known_;  // place in metrics_, by name and labels
  std::vector<Metric> metrics_;
  std::vector<std::vector<std::size_t>> series_;  // place in metrics_, by rank and its own number
  std::vector<std::size_t> touched_;              // in metrics_, at one time
};

}  // namespace mesocosm
