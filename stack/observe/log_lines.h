// Log lines as text, and where they go.
#pragma once

#include <cstdint>
#include <cstdio>
#include <memory>
#include <span>
#include <string>
#include <string_view>

#include "stack/base/result.h"
#include "stack/observe/log.h"

namespace mesocosm {

// text: key=value pairs (logfmt), for people; json: an object a line, for tools. Both have the keys time, level,
// component, node (where there are several) and msg first, then the line's own.
enum class LogFormat : std::uint8_t { text, json };
Result<LogFormat> parse_log_format(std::string_view name);  // "text", "json"; error: bad_encoding

struct LogLine {
  std::string_view time;  // see log_time
  LogLevel level;
  LogComponent component;
  std::string_view node;  // empty: left out
  std::string_view message;
  std::span<const LogField> fields;
};

std::string format_log_line(LogFormat format, const LogLine& line);  // with its newline

std::string log_time(Time now);                           // seconds since the start: 12.000345000
std::string log_time_utc(std::int64_t unix_nanoseconds);  // 2026-11-22T10:00:00.000345Z

// A file, or standard error, that lines are appended to.
class LogFile {
 public:
  // Makes or empties the file; "-": standard error. Errors: io, with the path and the reason.
  static Result<std::unique_ptr<LogFile>> open(const std::string& path, LogFormat format);
  ~LogFile();
  LogFile(const LogFile&) = delete;
  LogFile& operator=(const LogFile&) = delete;

  void write(const LogLine& line);
  // Hands on what is in memory; standard error gets every line at once. Error: io, also of earlier lines.
  Result<> flush();

 private:
  LogFile(std::FILE* file, std::string path, LogFormat format)
      : file_(file), path_(std::move(path)), format_(format) {}

  std::FILE* file_;
  std::string path_;
  LogFormat format_;
  int error_ = 0;  // errno of the first line that could not be written
};

}  // namespace mesocosm
