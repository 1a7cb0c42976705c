// NodeLog: binds a log file to one node and its clock: the Log of the node's Env.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <utility>

#include "stack/env/clock.h"
#include "stack/observe/log_lines.h"

namespace mesocosm {

class NodeLog final : public Log {
 public:
  enum class Times : std::uint8_t { since_start, utc };

  // `file` and `clock` must outlive it. `node` may be empty: there is only one.
  NodeLog(LogLevels levels, LogFile& file, const Clock& clock, Times times, std::string node)
      : Log(levels), file_(file), clock_(clock), times_(times), node_(std::move(node)) {}

 private:
  void on_line(LogComponent component, LogLevel level, std::string_view message,
               std::span<const LogField> fields) override {
    const std::string time =
        times_ == Times::utc ? log_time_utc(clock_.unix_nanoseconds()) : log_time(clock_.now());
    file_.write({time, level, component, node_, message, fields});
  }

  LogFile& file_;
  const Clock& clock_;
  Times times_;
  std::string node_;
};

}  // namespace mesocosm
