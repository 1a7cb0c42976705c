#include "tests/interop/ours/options.h"

#include <charconv>
#include <cstdlib>
#include <initializer_list>
#include <string_view>
#include <utility>

#include "tests/interop/scores/params.h"

namespace mesocosm::interop {
namespace {

GossipSubParams scored_params(const Json& of) {
  GossipSubParams params;
  const Json &mesh = of.at("mesh"), &thresholds = of.at("thresholds");
  params.d = mesh.at("d");
  params.d_low = mesh.at("d_low");
  params.d_high = mesh.at("d_high");
  params.d_score = mesh.at("d_score");
  params.d_out = mesh.at("d_out");
  params.heartbeat = seconds(mesh.at("heartbeat"));
  params.iwant_followup = seconds(mesh.at("iwant_followup"));
  params.thresholds = {.gossip = thresholds.at("gossip"),
                       .publish = thresholds.at("publish"),
                       .graylist = thresholds.at("graylist"),
                       .accept_px = thresholds.at("accept_px"),
                       .opportunistic_graft = thresholds.at("opportunistic_graft")};
  params.score = std::make_shared<const PeerScoreParams>(score_params(of));
  return params;
}

// Takes the arguments one by one; the first error stays.
class Parser {
 public:
  explicit Parser(std::span<char*> rest) : rest_(rest) {}

  bool next() {
    if (rest_.empty() || !error_.ok()) return false;
    name_ = take();
    return true;
  }
  std::string_view name() const { return name_; }
  const Error& error() const { return error_; }
  void refuse(const std::string& why) {
    if (error_.ok()) error_ = {ErrorCode::bad_encoding, std::string(name_) + ": " + why};
  }

  // Which of the words the value is.
  std::size_t word(std::initializer_list<std::string_view> words) {
    const std::string_view given = value();
    std::string all;
    std::size_t index = 0;
    for (const std::string_view each : words) {
      if (each == given) return index;
      all += (index++ == 0 ? "" : " or ") + std::string(each);
    }
    refuse("expected " + all + ", not '" + std::string(given) + "'");
    return 0;
  }
  GossipSubParams scoring() {
    try {
      return scored_params(Json::parse(value()));
    } catch (const Json::exception& error) {
      refuse(error.what());
      return {};
    }
  }
  template <class Number>
  Number number() {
    const std::string_view given = value();
    Number parsed{};
    const auto [end, fault] = std::from_chars(given.data(), given.data() + given.size(), parsed);
    if (fault != std::errc() || end != given.data() + given.size()) {
      refuse("not a number in range: '" + std::string(given) + "'");
    }
    return parsed;
  }

 private:
  std::string_view take() {
    const std::string_view first = rest_.front();
    rest_ = rest_.subspan(1);
    return first;
  }
  std::string_view value() {
    if (!rest_.empty()) return take();
    refuse("a value is missing");
    return {};
  }

  std::span<char*> rest_;
  std::string_view name_;
  Error error_;
};

void parse_one(Parser& parser, Options& options) {
  const std::string_view name = parser.name();
  if (name == "--transport") {
    options.websocket = parser.word({"tcp", "ws"}) == 1;
  } else if (name == "--security") {
    options.tls = parser.word({"noise", "tls"}) == 1;
  } else if (name == "--early-muxer") {
    options.early_muxer = parser.word({"off", "on"}) == 1;
  } else if (name == "--seed") {
    options.seed = parser.number<std::uint64_t>();
  } else if (name == "--time-limit") {
    options.time_limit = from_seconds(parser.number<std::uint32_t>());
  } else if (name == "--no-listen") {
    options.listen = false;
  } else if (name == "--checksums") {
    options.checksums = true;
  } else if (name == "--scoring") {
    options.scoring = parser.scoring();
  } else if (name == "--bench") {
    options.bench = parser.word({"mesh", "memory"}) == 0 ? Bench::mesh : Bench::memory;
  } else if (name == "--nodes") {
    options.nodes = parser.number<std::uint32_t>();
  } else if (name == "--connections") {
    options.connections = parser.number<std::uint32_t>();
  } else if (name == "--messages") {
    options.messages = parser.number<std::uint32_t>();
  } else if (name == "--size") {
    options.size = parser.number<std::uint32_t>();
  } else {
    parser.refuse("no such option (see tests/interop/README.md)");
  }
}

}  // namespace

Result<Options> parse_options(std::span<char*> arguments) {
  Options options;
  Parser parser(arguments);
  while (parser.next()) parse_one(parser, options);
  if (!parser.error().ok()) return tl::unexpected(parser.error());
  if (const char* const wanted = std::getenv("MESOCOSM_LOG")) {
    const auto levels = LogLevels::parse(wanted);
    if (!levels) return fail(ErrorCode::bad_encoding, "MESOCOSM_LOG: " + levels.error().detail);
    options.log = *levels;
  }
  return options;
}

}  // namespace mesocosm::interop
