// Log: what a node does, in lines for people and for tools, by component and level.
//
//   MC_LOG(env.log, swarm, debug, "dial failed", {"peer", peer.to_string()}, {"error", error.message()});
//
// A line that is not wanted costs one comparison: its fields are not even made. The environment knows the node
// and the time, which come from its clock: in simulation the same run logs the same lines.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <initializer_list>
#include <span>
#include <string>
#include <string_view>
#include <type_traits>

#include "stack/base/result.h"
#include "stack/base/time.h"

namespace mesocosm {

enum class LogLevel : std::uint8_t { debug, info, warn, error, off };
enum class LogComponent : std::uint8_t { node, swarm, transport, identify, ping, gossipsub, metrics };
inline constexpr std::size_t kLogComponents = static_cast<std::size_t>(LogComponent::metrics) + 1;

std::string_view to_string(LogLevel level);
std::string_view to_string(LogComponent component);

// From which level on each component's lines are wanted.
class LogLevels {
 public:
  LogLevels() : LogLevels(LogLevel::off) {}
  explicit LogLevels(LogLevel all) { least_.fill(all); }
  // "info", "swarm=debug,gossipsub=info" (the others stay off) or "warn,swarm=debug". Errors: bad_encoding, which
  // names what is wrong and what there is.
  static Result<LogLevels> parse(std::string_view text);

  LogLevel of(LogComponent component) const { return least_[static_cast<std::size_t>(component)]; }
  void set(LogComponent component, LogLevel least) { least_[static_cast<std::size_t>(component)] = least; }
  bool any() const;  // whether any line is wanted

 private:
  std::array<LogLevel, kLogComponents> least_;
};

// A field's value, for the duration of the call: text is not copied.
class LogValue {
 public:
  enum class Type : std::uint8_t { text, integer, unsigned_integer, real, boolean };

  LogValue(std::string_view text) : type_(Type::text), text_(text) {}
  LogValue(const std::string& text) : LogValue(std::string_view(text)) {}
  LogValue(const char* text) : LogValue(std::string_view(text)) {}
  LogValue(bool value) : type_(Type::boolean), unsigned_(value ? 1 : 0) {}
  template <class Integer, class = std::enable_if_t<std::is_integral_v<Integer>>>
  LogValue(Integer value)
      : type_(std::is_signed_v<Integer> ? Type::integer : Type::unsigned_integer),
        unsigned_(static_cast<std::uint64_t>(value)) {}
  LogValue(double value) : type_(Type::real), real_(value) {}
  LogValue(Duration duration) : LogValue(to_seconds(duration)) {}  // seconds

  Type type() const { return type_; }
  std::string_view text() const { return text_; }
  std::string number() const;  // of the other types

 private:
  Type type_;
  std::string_view text_;
  union {
    std::uint64_t unsigned_ = 0;
    double real_;
  };
};

struct LogField {
  std::string_view key;  // a literal: letters and underscores
  LogValue value;
};

class Log {
 public:
  explicit Log(LogLevels levels) : levels_(levels) {}
  Log(const Log&) = delete;
  Log& operator=(const Log&) = delete;
  virtual ~Log() = default;

  static Log& none();  // wants nothing

  bool wants(LogComponent component, LogLevel level) const { return level >= levels_.of(component); }
  // The line is wanted. `message` is a literal, the same for every line of its kind; what varies is in the fields.
  void write(LogComponent component, LogLevel level, std::string_view message,
             std::initializer_list<LogField> fields) {
    on_line(component, level, message, {fields.begin(), fields.size()});
  }

 private:
  virtual void on_line(LogComponent component, LogLevel level, std::string_view message,
                       std::span<const LogField> fields) = 0;

  LogLevels levels_;
};

// MC_LOG(log, component, level, "message", {"key", value}...): names without their enumerations.
#define MC_LOG(log, component, level, ...)                                                                \
  do {                                                                                                    \
    if ((log).wants(::mesocosm::LogComponent::component, ::mesocosm::LogLevel::level))                    \
      MC_LOG_WRITE((log), ::mesocosm::LogComponent::component, ::mesocosm::LogLevel::level, __VA_ARGS__); \
  } while (false)
#define MC_LOG_WRITE(log, component, level, message, ...) \
  (log).write(component, level, message, {__VA_ARGS__})

}  // namespace mesocosm
