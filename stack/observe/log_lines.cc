#include "stack/observe/log_lines.h"

#include <algorithm>
#include <cerrno>
#include <chrono>
#include <cstring>

#include "stack/observe/text.h"

namespace mesocosm {
namespace {

bool plain(std::string_view text) {  // needs no quotes in logfmt
  return !text.empty() && std::all_of(text.begin(), text.end(), [](char c) {
    return c > ' ' && c != 0x7f && c != '"' && c != '=' && c != '\\';
  });
}

void append_quoted(std::string& out, std::string_view text) {
  out += '"';
  append_escaped(out, text);
  out += '"';
}

class LineText {
 public:
  explicit LineText(LogFormat format) : json_(format == LogFormat::json) {
    if (json_) out_ += '{';
  }

  void add(std::string_view key, const LogValue& value) {
    if (value.type() == LogValue::Type::text) return add_text(key, value.text());
    add_key(key);
    out_ += value.number();
  }
  void add_text(std::string_view key, std::string_view text) {
    add_key(key);
    if (!json_ && plain(text)) {
      out_ += text;
    } else {
      append_quoted(out_, text);
    }
  }
  std::string take() {
    out_ += json_ ? "}\n" : "\n";
    return std::move(out_);
  }

 private:
  void add_key(std::string_view key) {
    if (!first_) out_ += json_ ? ',' : ' ';
    first_ = false;
    if (json_) {
      append_quoted(out_, key);
      out_ += ':';
    } else {
      out_ += key;
      out_ += '=';
    }
  }

  bool json_;
  bool first_ = true;
  std::string out_;
};

std::string padded(std::int64_t value, std::size_t width) {
  const std::string digits = std::to_string(value);
  return std::string(width - std::min(width, digits.size()), '0') + digits;
}

}  // namespace

Result<LogFormat> parse_log_format(std::string_view name) {
  if (name == "text") return LogFormat::text;
  if (name == "json") return LogFormat::json;
  return fail(ErrorCode::bad_encoding, "no log format '" + std::string(name) + "': one of text, json");
}

std::string format_log_line(LogFormat format, const LogLine& line) {
  LineText text(format);
  text.add_text("time", line.time);
  text.add_text("level", to_string(line.level));
  text.add_text("component", to_string(line.component));
  if (!line.node.empty()) text.add_text("node", line.node);
  text.add_text("msg", line.message);
  for (const LogField& field : line.fields) text.add(field.key, field.value);
  return text.take();
}

std::string log_time(Time now) {
  const std::int64_t ns = now.time_since_epoch().count();
  return std::to_string(ns / 1'000'000'000) + '.' + padded(ns % 1'000'000'000, 9);
}

std::string log_time_utc(std::int64_t unix_nanoseconds) {
  using std::chrono::floor;
  const std::chrono::sys_time<std::chrono::nanoseconds> at{std::chrono::nanoseconds(unix_nanoseconds)};
  const auto midnight = floor<std::chrono::days>(at);
  const std::chrono::year_month_day day(midnight);
  const std::chrono::hh_mm_ss<std::chrono::microseconds> time(
      floor<std::chrono::microseconds>(at - midnight));
  return padded(static_cast<int>(day.year()), 4) + '-' + padded(static_cast<unsigned>(day.month()), 2) + '-' +
         padded(static_cast<unsigned>(day.day()), 2) + 'T' + padded(time.hours().count(), 2) + ':' +
         padded(time.minutes().count(), 2) + ':' + padded(time.seconds().count(), 2) + '.' +
         padded(time.subseconds().count(), 6) + 'Z';
}

Result<std::unique_ptr<LogFile>> LogFile::open(const std::string& path, LogFormat format) {
  if (path == "-") return std::unique_ptr<LogFile>(new LogFile(stderr, "standard error", format));
  std::FILE* file = std::fopen(path.c_str(), "w");
  if (file == nullptr) return fail(ErrorCode::io, "cannot log to " + path + ": " + std::strerror(errno));
  return std::unique_ptr<LogFile>(new LogFile(file, path, format));
}

LogFile::~LogFile() {
  if (file_ != stderr) std::fclose(file_);
}

void LogFile::write(const LogLine& line) {
  const std::string text = format_log_line(format_, line);
  if (std::fwrite(text.data(), 1, text.size(), file_) != text.size() && error_ == 0) error_ = errno;
}

Result<> LogFile::flush() {
  if (std::fflush(file_) != 0 && error_ == 0) error_ = errno;
  if (error_ == 0) return {};
  return fail(ErrorCode::io, "cannot log to " + path_ + ": " + std::strerror(error_));
}

}  // namespace mesocosm
