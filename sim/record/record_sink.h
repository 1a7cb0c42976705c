// RecordSink: what is told of a run while it goes on; to the file (Recorder), or on the way there.
#pragma once

#include <cstdint>
#include <string_view>

#include "stack/base/time.h"
#include "stack/env/clock.h"
#include "stack/env/trace.h"

namespace mesocosm {

class RecordSink {
 public:
  virtual ~RecordSink() = default;
  virtual void record(Time now, std::uint32_t node, const TraceEvent& event) = 0;
  // Bytes in and out of `node` for one protocol since the node started.
  virtual void bytes(Time now, std::uint32_t node, std::string_view protocol, std::uint64_t in_bytes,
                     std::uint64_t out_bytes) = 0;
  // A series of the World's metrics (see MetricSampler), and a value of it.
  virtual std::uint32_t metric_series(std::string_view name, std::string_view labels) = 0;
  virtual void metric(Time now, std::uint32_t series, double value) = 0;
};

// Binds a sink to one node: the Trace of the node's Env.
class NodeTrace final : public Trace {
 public:
  NodeTrace(RecordSink& sink, const Clock& clock, std::uint32_t node)
      : sink_(sink), clock_(clock), node_(node) {}
  void record(const TraceEvent& event) override { sink_.record(clock_.now(), node_, event); }

 private:
  RecordSink& sink_;
  const Clock& clock_;
  std::uint32_t node_;
};

}  // namespace mesocosm
