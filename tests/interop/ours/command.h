// Command: one line of the runner's, which gives its arguments and takes its answer.
#pragma once

#include <memory>
#include <stdexcept>
#include <string>
#include <string_view>

#include "stack/base/result.h"
#include "stack/wire/peer_id.h"
#include "tests/interop/ours/json.h"

namespace mesocosm::interop {

// An argument that is missing or malformed; caught where commands are executed.
class BadCommand : public std::runtime_error {
 public:
  using std::runtime_error::runtime_error;
};

class Command {
 public:
  // Without an id or an op it still can be refused.
  explicit Command(Json line) : line_(std::move(line)) {}

  std::string op() const { return text("op"); }
  std::string text(const char* name) const { return get<std::string>(name, &Json::is_string, "a string"); }
  template <class Number>
  Number count(const char* name) const {
    return get<Number>(name, &Json::is_number_unsigned, "a number that is not negative");
  }
  double number(const char* name) const { return get<double>(name, &Json::is_number, "a number"); }
  Duration seconds(const char* name) const {
    return from_seconds(get<double>(name, &Json::is_number, "a number of seconds"));
  }
  PeerId peer() const {
    const std::string name = text("peer");
    const auto parsed = PeerId::parse(name);
    if (!parsed) throw BadCommand("peer: '" + name + "': " + parsed.error().message());
    return *parsed;
  }

  void answer(const Json& fields = Json::object()) const {
    Json line{{"id", id()}, {"ok", true}};
    line.update(fields);
    print_line(line);
  }
  void refuse(std::string_view error) const { print_line({{"id", id()}, {"ok", false}, {"error", error}}); }
  void finish(const Result<Json>& outcome) const {
    if (outcome) {
      answer(*outcome);
    } else {
      refuse(outcome.error().message());
    }
  }

 private:
  Json id() const { return line_.is_object() && line_.contains("id") ? line_["id"] : Json(); }

  template <class T>
  T get(const char* name, bool (Json::*is_right)() const noexcept, const char* kind) const {
    if (!line_.is_object() || !line_.contains(name)) throw BadCommand(std::string(name) + " is missing");
    const Json& value = line_[name];
    if (!(value.*is_right)())
      throw BadCommand(std::string(name) + ": expected " + kind + ", not " + value.dump());
    return value.get<T>();
  }

  Json line_;
};

}  // namespace mesocosm::interop
