#include "stack/observe/log.h"

#include <algorithm>
#include <charconv>

namespace mesocosm {
namespace {

constexpr std::array<std::string_view, 5> kLevels = {"debug", "info", "warn", "error", "off"};
constexpr std::array<std::string_view, kLogComponents> kComponents = {
    "node", "swarm", "transport", "identify", "ping", "gossipsub", "metrics"};

template <std::size_t n>
std::string listed(const std::array<std::string_view, n>& names) {
  std::string list;
  for (const std::string_view name : names) list += (list.empty() ? "" : ", ") + std::string(name);
  return list;
}

// The position of `name`, or an error that says what it was meant to be and what there is.
template <std::size_t n>
Result<std::size_t> find(const std::array<std::string_view, n>& names, std::string_view name,
                         const char* what) {
  const auto found = std::find(names.begin(), names.end(), name);
  if (found != names.end()) return static_cast<std::size_t>(found - names.begin());
  return fail(ErrorCode::bad_encoding,
              "no log " + std::string(what) + " '" + std::string(name) + "': one of " + listed(names));
}

class NoLog final : public Log {
 public:
  NoLog() : Log(LogLevels()) {}

 private:
  void on_line(LogComponent, LogLevel, std::string_view, std::span<const LogField>) override {}
};

}  // namespace

std::string_view to_string(LogLevel level) { return kLevels[static_cast<std::size_t>(level)]; }
std::string_view to_string(LogComponent component) {
  return kComponents[static_cast<std::size_t>(component)];
}

Result<LogLevels> LogLevels::parse(std::string_view text) {
  LogLevels levels;
  while (true) {
    const std::size_t comma = std::min(text.find(','), text.size());
    const std::string_view entry = text.substr(0, comma);
    const std::size_t equals = entry.find('=');
    const bool all = equals == std::string_view::npos;
    const auto level = find(kLevels, all ? entry : entry.substr(equals + 1), "level");
    if (!level) return tl::unexpected(level.error());
    const auto least = static_cast<LogLevel>(*level);
    if (all) {
      levels = LogLevels(least);
    } else {
      const auto component = find(kComponents, entry.substr(0, equals), "component");
      if (!component) return tl::unexpected(component.error());
      levels.set(static_cast<LogComponent>(*component), least);
    }
    if (comma == text.size()) return levels;
    text.remove_prefix(comma + 1);
  }
}

bool LogLevels::any() const {
  return std::any_of(least_.begin(), least_.end(), [](LogLevel least) { return least != LogLevel::off; });
}

std::string LogValue::number() const {
  char digits[32];
  const auto text_of = [&](auto value) {
    return std::string(digits, std::to_chars(std::begin(digits), std::end(digits), value).ptr);
  };
  switch (type_) {
    case Type::text:
      break;
    case Type::integer:
      return text_of(static_cast<std::int64_t>(unsigned_));
    case Type::unsigned_integer:
      return text_of(unsigned_);
    case Type::real:
      return text_of(real_);
    case Type::boolean:
      return unsigned_ != 0 ? "true" : "false";
  }
  return {};
}

Log& Log::none() {
  static NoLog log;
  return log;
}

}  // namespace mesocosm
