#include "stack/protocols/gossipsub/score_params.h"

#include <algorithm>
#include <charconv>
#include <cmath>

#include "stack/base/assert.h"

namespace mesocosm {

Result<IpNetwork> IpNetwork::parse(std::string_view text) {
  const auto slash = text.find('/');
  auto ip = IpAddress::parse(text.substr(0, slash));
  if (!ip) return tl::unexpected(ip.error());
  const std::uint8_t most = ip->is_v4() ? 32 : 128;
  std::uint8_t bits = most;
  if (slash != std::string_view::npos) {
    const std::string_view number = text.substr(slash + 1);
    const auto [end, error] = std::from_chars(number.data(), number.data() + number.size(), bits);
    if (error != std::errc() || end != number.data() + number.size() || bits > most) {
      return fail(ErrorCode::bad_encoding, "no network: " + std::string(text));
    }
  }
  return IpNetwork{*ip, bits};
}

bool IpNetwork::contains(const IpAddress& ip) const {
  if (ip.is_v4() != address.is_v4()) return false;
  for (unsigned bit = 0; bit < bits; bit += 8) {
    const unsigned left = std::min(8u, bits - bit);
    const auto mask = static_cast<std::uint8_t>(0xff << (8 - left));
    if (((ip.octets()[bit / 8] ^ address.octets()[bit / 8]) & mask) != 0) return false;
  }
  return true;
}

double score_decay(Duration lifetime, Duration decay_interval, double to_zero) {
  const auto ticks = static_cast<double>(lifetime / decay_interval);
  MC_ASSERT(ticks >= 1);
  return std::pow(to_zero, 1 / ticks);
}

namespace {

// Gathers the first complaint; later ones would only follow from it.
class Checks {
 public:
  explicit Checks(std::string prefix) : prefix_(std::move(prefix)) {}

  void not_negative(const char* name, double value) {
    check(std::isfinite(value) && value >= 0, name, value, "be a number of at least 0");
  }
  void not_positive(const char* name, double value) {
    check(std::isfinite(value) && value <= 0, name, value, "be a number of at most 0");
  }
  void positive(const char* name, double value) {
    check(std::isfinite(value) && value > 0, name, value, "be a number above 0");
  }
  void share(const char* name, double value) {
    check(value > 0 && value < 1, name, value, "be between 0 and 1, and neither");
  }
  void at_least(const char* name, Duration value, Duration least, const char* must) {
    if (value < least) complain(name, std::to_string(to_seconds(value)) + " s", must);
  }
  void check(bool good, const char* name, double value, const char* must) {
    if (!good) complain(name, std::to_string(value), must);
  }
  void complain(const char* name, const std::string& value, const char* must) {
    if (!problem_.empty()) return;
    problem_ = "score: " + prefix_ + name + " (" + value + ") must " + must;
  }

  Result<> result() const {
    if (problem_.empty()) return {};
    return fail(ErrorCode::protocol_violation, problem_);
  }

 private:
  std::string prefix_;
  std::string problem_;
};

Result<> validate_topic(const TopicScoreParams& p) {
  Checks checks("topic '" + p.topic + "': ");
  checks.not_negative("weight", p.weight);

  checks.not_negative("time_in_mesh_weight", p.time_in_mesh_weight);
  checks.at_least("time_in_mesh_quantum", p.time_in_mesh_quantum, Duration(1), "be longer than zero");
  if (p.time_in_mesh_weight != 0) checks.positive("time_in_mesh_cap", p.time_in_mesh_cap);

  checks.not_negative("first_message_deliveries_weight", p.first_message_deliveries_weight);
  if (p.first_message_deliveries_weight != 0) {
    checks.share("first_message_deliveries_decay", p.first_message_deliveries_decay);
    checks.positive("first_message_deliveries_cap", p.first_message_deliveries_cap);
  }

  checks.not_positive("mesh_message_deliveries_weight", p.mesh_message_deliveries_weight);
  checks.at_least("mesh_message_deliveries_window", p.mesh_message_deliveries_window, Duration(0),
                  "not be negative");
  if (p.mesh_message_deliveries_weight != 0) {
    checks.share("mesh_message_deliveries_decay", p.mesh_message_deliveries_decay);
    checks.positive("mesh_message_deliveries_cap", p.mesh_message_deliveries_cap);
    checks.positive("mesh_message_deliveries_threshold", p.mesh_message_deliveries_threshold);
    checks.at_least("mesh_message_deliveries_activation", p.mesh_message_deliveries_activation, 1s,
                    "be at least 1 s");
  }

  checks.not_positive("mesh_failure_penalty_weight", p.mesh_failure_penalty_weight);
  if (p.mesh_failure_penalty_weight != 0)
    checks.share("mesh_failure_penalty_decay", p.mesh_failure_penalty_decay);

  checks.not_positive("invalid_message_deliveries_weight", p.invalid_message_deliveries_weight);
  checks.share("invalid_message_deliveries_decay", p.invalid_message_deliveries_decay);
  return checks.result();
}

}  // namespace

Result<> PeerScoreParams::validate() const {
  for (const TopicScoreParams& topic : topics) {
    if (auto valid = validate_topic(topic); !valid) return valid;
    const auto same = [&](const TopicScoreParams& other) { return other.topic == topic.topic; };
    if (std::count_if(topics.begin(), topics.end(), same) > 1) {
      return fail(ErrorCode::protocol_violation, "score: topic '" + topic.topic + "' is given twice");
    }
  }
  Checks checks("");
  checks.check(topics.size() < UINT16_MAX, "topics", static_cast<double>(topics.size()),
               "be fewer than 65535");
  checks.not_negative("topic_score_cap", topic_score_cap);
  checks.check(std::isfinite(app_specific_weight), "app_specific_weight", app_specific_weight, "be a number");

  checks.not_positive("ip_colocation_weight", ip_colocation_weight);
  if (ip_colocation_weight != 0) {
    checks.check(ip_colocation_threshold >= 1, "ip_colocation_threshold", ip_colocation_threshold,
                 "be at least 1");
  }

  checks.not_positive("behaviour_penalty_weight", behaviour_penalty_weight);
  if (behaviour_penalty_weight != 0) checks.share("behaviour_penalty_decay", behaviour_penalty_decay);
  checks.not_negative("behaviour_penalty_threshold", behaviour_penalty_threshold);

  checks.at_least("decay_interval", decay_interval, 1s, "be at least 1 s");
  checks.share("decay_to_zero", decay_to_zero);
  checks.at_least("retain_score", retain_score, Duration(0), "not be negative");
  checks.at_least("seen_ttl", seen_ttl, Duration(0), "not be negative");
  return checks.result();
}

}  // namespace mesocosm
