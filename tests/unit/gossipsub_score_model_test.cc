// PeerScore beside a plain, slow model of what go-libp2p-pubsub's score.go does, for random events.
#include <map>
#include <set>
#include <vector>

#include <catch2/catch.hpp>

#include "stack/base/hash.h"
#include "stack/base/rng.h"
#include "stack/protocols/gossipsub/score.h"

namespace mesocosm {
namespace {

// Everything in maps, recomputed whenever it is asked for, nothing forgotten early.
class PlainScore {
 public:
  explicit PlainScore(const PeerScoreParams& params) : params_(params) {}

  void decay(Time now) {
    for (auto it = peers_.begin(); it != peers_.end();) {
      Peer& peer = it->second;
      if (!peer.connected) {
        it = now > peer.expires ? peers_.erase(it) : std::next(it);
        continue;
      }
      for (auto& [index, stats] : peer.topics) {
        const TopicScoreParams& topic = params_.topics[index];
        fade(stats.first, topic.first_message_deliveries_decay);
        fade(stats.mesh, topic.mesh_message_deliveries_decay);
        fade(stats.failure, topic.mesh_failure_penalty_decay);
        fade(stats.invalid, topic.invalid_message_deliveries_decay);
        if (!stats.in_mesh) continue;
        stats.mesh_time = now - stats.grafted;
        if (stats.mesh_time > topic.mesh_message_deliveries_activation) stats.active = true;
      }
      fade(peer.behaviour, params_.behaviour_penalty_decay);
      ++it;
    }
  }
  void add(std::uint64_t id, const IpAddress& ip) {
    Peer& peer = peers_[id];
    peer.connected = true;
    peer.ips = {ip};
    if (!ip.is_v4()) {
      auto octets = ip.octets();
      std::fill(octets.begin() + 8, octets.end(), std::uint8_t{0});
      peer.ips.insert(IpAddress::v6(octets));
    }
    peer.app = app_[id];
  }
  void remove(std::uint64_t id, Time now) {
    const auto found = peers_.find(id);
    if (found == peers_.end() || !found->second.connected) return;
    if (score(id) > 0) {
      peers_.erase(found);
      return;
    }
    for (auto& [index, stats] : found->second.topics) {
      stats.first = 0;
      if (stats.in_mesh) fail(index, stats);
      stats.in_mesh = false;
    }
    found->second.connected = false;
    found->second.expires = now + params_.retain_score;
  }
  void graft(std::uint64_t id, ScoreTopic topic, Time now) {
    if (Stats* stats = of(id, topic)) {
      stats->in_mesh = true;
      stats->grafted = now;
      stats->mesh_time = Duration::zero();
      stats->active = false;
    }
  }
  void prune(std::uint64_t id, ScoreTopic topic) {
    if (Stats* stats = of(id, topic)) {
      fail(topic, *stats);
      stats->in_mesh = false;
    }
  }
  void penalty(std::uint64_t id, unsigned count) {
    if (peers_.contains(id)) peers_[id].behaviour += count;
  }
  void app(std::uint64_t id, double value) {
    app_[id] = value;
    if (peers_.contains(id)) peers_[id].app = value;
  }
  void deliver(std::uint64_t id, ScoreTopic topic, std::uint64_t message, Time now) {
    if (topic == kUnscored) return;
    if (Stats* stats = of(id, topic)) {
      stats->first = std::min(stats->first + 1, params_.topics[topic].first_message_deliveries_cap);
      if (stats->in_mesh) credit(topic, *stats);
    }
    Record& record = records_[message];
    record.status = Status::valid;
    record.validated = now;
    for (std::uint64_t sender : record.senders) {
      Stats* stats = sender == id ? nullptr : of(sender, topic);
      if (stats != nullptr && stats->in_mesh) credit(topic, *stats);
    }
  }
  void reject(std::uint64_t id, ScoreTopic topic, std::uint64_t message) {
    Record& record = records_[message];
    record.status = Status::invalid;
    invalid(id, topic);
    for (std::uint64_t sender : record.senders) invalid(sender, topic);
  }
  void undecided(std::uint64_t message) { records_[message].status = Status::undecided; }
  void duplicate(std::uint64_t id, ScoreTopic topic, std::uint64_t message, Time now) {
    Record& record = records_[message];
    if (record.status == Status::invalid) return invalid(id, topic);
    if (record.status == Status::undecided || !record.senders.insert(id).second) return;
    if (record.status == Status::unknown) return;
    Stats* stats = of(id, topic);
    if (stats == nullptr || !stats->in_mesh) return;
    if (now - record.validated <= params_.topics[topic].mesh_message_deliveries_window) credit(topic, *stats);
  }
  void invalid(std::uint64_t id, ScoreTopic topic) {
    if (Stats* stats = of(id, topic)) stats->invalid += 1;
  }
  double score(std::uint64_t id) const {
    const auto found = peers_.find(id);
    if (found == peers_.end()) return 0;
    const Peer& peer = found->second;
    double score = 0;
    for (const auto& [index, stats] : peer.topics) score += topic_score(params_.topics[index], stats);
    if (params_.topic_score_cap > 0) score = std::min(score, params_.topic_score_cap);
    score += peer.app * params_.app_specific_weight;
    for (const IpAddress& ip : peer.ips) {
      double sharing = 0;
      for (const auto& [other, stats] : peers_) sharing += stats.ips.contains(ip) ? 1 : 0;
      const double surplus = sharing - params_.ip_colocation_threshold;
      if (surplus > 0) score += surplus * surplus * params_.ip_colocation_weight;
    }
    const double excess = peer.behaviour - params_.behaviour_penalty_threshold;
    if (excess > 0) score += excess * excess * params_.behaviour_penalty_weight;
    return score;
  }
  std::size_t size() const { return peers_.size(); }

 private:
  enum class Status { unknown, valid, invalid, undecided };
  struct Stats {
    bool in_mesh = false;
    bool active = false;
    Time grafted{};
    Duration mesh_time{};
    double first = 0, mesh = 0, failure = 0, invalid = 0;
  };
  struct Peer {
    bool connected = false;
    Time expires{};
    std::map<ScoreTopic, Stats> topics;
    std::set<IpAddress> ips;
    double behaviour = 0, app = 0;
  };
  struct Record {
    Status status = Status::unknown;
    Time validated{};
    std::set<std::uint64_t> senders;
  };

  void fade(double& counter, double factor) const {
    counter *= factor;
    if (counter < params_.decay_to_zero) counter = 0;
  }
  Stats* of(std::uint64_t id, ScoreTopic topic) {
    return topic == kUnscored || !peers_.contains(id) ? nullptr : &peers_[id].topics[topic];
  }
  void credit(ScoreTopic topic, Stats& stats) const {
    stats.mesh = std::min(stats.mesh + 1, params_.topics[topic].mesh_message_deliveries_cap);
  }
  void fail(ScoreTopic topic, Stats& stats) const {
    const double deficit = params_.topics[topic].mesh_message_deliveries_threshold - stats.mesh;
    if (stats.active && deficit > 0) stats.failure += deficit * deficit;
  }
  static double topic_score(const TopicScoreParams& topic, const Stats& stats) {
    double score = 0;
    if (stats.in_mesh) {
      const auto quanta = static_cast<double>(stats.mesh_time / topic.time_in_mesh_quantum);
      score += std::min(quanta, topic.time_in_mesh_cap) * topic.time_in_mesh_weight;
    }
    score += stats.first * topic.first_message_deliveries_weight;
    const double deficit = topic.mesh_message_deliveries_threshold - stats.mesh;
    if (stats.active && deficit > 0) score += deficit * deficit * topic.mesh_message_deliveries_weight;
    score += stats.failure * topic.mesh_failure_penalty_weight;
    score += stats.invalid * stats.invalid * topic.invalid_message_deliveries_weight;
    return score * topic.weight;
  }

  PeerScoreParams params_;
  std::map<std::uint64_t, Peer> peers_;
  std::map<std::uint64_t, Record> records_;
  std::map<std::uint64_t, double> app_;
};

PeerScoreParams everything() {
  PeerScoreParams params;
  for (const char* name : {"all", "no mesh deliveries"}) {
    TopicScoreParams topic;
    topic.topic = name;
    topic.weight = params.topics.empty() ? 1 : 0.3;
    topic.time_in_mesh_weight = 0.1;
    topic.time_in_mesh_cap = 20;
    topic.first_message_deliveries_weight = 2;
    topic.first_message_deliveries_decay = 0.9;
    topic.first_message_deliveries_cap = 7;
    topic.mesh_message_deliveries_threshold = 3;
    topic.mesh_message_deliveries_cap = 6;
    topic.mesh_message_deliveries_decay = 0.8;
    topic.mesh_message_deliveries_window = 50ms;
    topic.mesh_message_deliveries_activation = 3s;
    topic.invalid_message_deliveries_weight = -3;
    topic.invalid_message_deliveries_decay = 0.7;
    if (params.topics.empty()) {
      topic.mesh_message_deliveries_weight = -1.5;
      topic.mesh_failure_penalty_weight = -0.5;
      topic.mesh_failure_penalty_decay = 0.95;
    }
    params.topics.push_back(topic);
  }
  params.topic_score_cap = 12;
  params.app_specific_weight = 0.5;
  params.ip_colocation_weight = -4;
  params.ip_colocation_threshold = 2;
  params.behaviour_penalty_weight = -2;
  params.behaviour_penalty_threshold = 1;
  params.behaviour_penalty_decay = 0.9;
  params.retain_score = 12s;
  params.seen_ttl = 120s;
  return params;
}

struct Recent {
  std::uint64_t message;
  ScoreTopic topic;
  Time since;
  bool validating;
};

}  // namespace

TEST_CASE("score: agrees with a plain model over random events", "[gossipsub][score]") {
  const PeerScoreParams params = everything();
  for (std::uint64_t seed = 1; seed <= 20; ++seed) {
    Rng rng(seed);
    PeerScore core(std::make_shared<const PeerScoreParams>(params));
    PlainScore model(params);
    Time now{1h};
    Time next_decay = now + params.decay_interval;
    core.advance(now);
    std::vector<Recent> recent;
    std::uint64_t messages = 0;
    for (int step = 0; step < 3000; ++step) {
      now += Duration(rng.below(120'000'000));
      for (; next_decay <= now; next_decay += params.decay_interval) model.decay(next_decay);
      core.advance(now);
      std::erase_if(recent, [&](const Recent& r) { return now - r.since > 100s; });
      const std::uint64_t peer = mix64(rng.below(12)) | 1;
      const ScoreTopic topic = std::array<ScoreTopic, 3>{0, 1, kUnscored}[rng.below(3)];
      const IpAddress ip =
          rng.chance(0.5)
              ? IpAddress::v4(0xc6336400 + static_cast<std::uint32_t>(rng.below(4)))
              : IpAddress::v6({0x20, 1, 0xd, 0xb8, 0, 0, 0, static_cast<std::uint8_t>(rng.below(2)), 0, 0, 0,
                               0, 0, 0, 0, static_cast<std::uint8_t>(rng.below(3))});
      Recent* known = recent.empty() ? nullptr : &recent[rng.below(recent.size())];
      switch (rng.below(12)) {
        case 0:
          core.on_peer_added(peer, ip);
          model.add(peer, ip);
          break;
        case 1:
          if (!rng.chance(0.3)) break;
          model.remove(peer, now);
          core.on_peer_removed(peer);
          break;
        case 2:
          core.on_grafted(peer, topic);
          model.graft(peer, topic, now);
          break;
        case 3:
          core.on_pruned(peer, topic);
          model.prune(peer, topic);
          break;
        case 4: {
          const auto count = static_cast<unsigned>(1 + rng.below(2));
          core.on_penalty(peer, count);
          model.penalty(peer, count);
          break;
        }
        case 5: {
          const double value = static_cast<double>(rng.below(20)) - 10;
          core.set_app_score(peer, value);
          model.app(peer, value);
          break;
        }
        case 6:  // validated at once
          recent.push_back({mix64(++messages), topic, now, false});
          core.on_delivered(peer, topic, recent.back().message);
          model.deliver(peer, topic, recent.back().message, now);
          break;
        case 7:  // refused at once
          if (!rng.chance(0.3)) break;
          recent.push_back({mix64(++messages), topic, now, false});
          core.on_rejected(peer, topic, recent.back().message);
          model.reject(peer, topic, recent.back().message);
          break;
        case 8:
          recent.push_back({mix64(++messages), topic, now, true});
          core.on_validating(topic, recent.back().message);
          break;
        case 9:  // the verdict comes
          if (known == nullptr || !known->validating) break;
          known->validating = false;
          if (rng.chance(0.6)) {
            core.on_delivered(peer, known->topic, known->message);
            model.deliver(peer, known->topic, known->message, now);
          } else if (rng.chance(0.5)) {
            core.on_rejected(peer, known->topic, known->message);
            model.reject(peer, known->topic, known->message);
          } else {
            core.on_undecided(known->message);
            model.undecided(known->message);
          }
          break;
        case 10:
          if (known == nullptr) break;
          core.on_duplicate(peer, known->topic, known->message);
          model.duplicate(peer, known->topic, known->message, now);
          break;
        case 11:  // soon after the first, within the window
          if (recent.empty()) break;
          core.on_duplicate(peer, recent.back().topic, recent.back().message);
          model.duplicate(peer, recent.back().topic, recent.back().message, now);
          break;
      }
      for (std::uint64_t other = 0; other < 12; ++other) {
        const std::uint64_t id = mix64(other) | 1;
        INFO("seed " << seed << " step " << step << " peer " << other);
        // Both add the same numbers, in different orders.
        REQUIRE(core.score(id) == Approx(model.score(id)).epsilon(1e-12).margin(1e-9));
        REQUIRE(core.parts(id).total == core.score(id));
      }
      REQUIRE(core.known_peers() == model.size());
    }
  }
}

TEST_CASE("score: the same events give the same scores and the same memory", "[gossipsub][score]") {
  const auto run = [] {
    PeerScore core(std::make_shared<const PeerScoreParams>(everything()));
    Rng rng(9);
    Time now{1h};
    std::vector<double> scores;
    for (int step = 0; step < 2000; ++step) {
      core.advance(now += Duration(rng.below(50'000'000)));
      const std::uint64_t peer = mix64(rng.below(40)) | 1;
      if (rng.chance(0.1))
        core.on_peer_added(peer, IpAddress::v4(static_cast<std::uint32_t>(1 + rng.below(9))));
      if (rng.chance(0.02)) core.on_peer_removed(peer);
      if (rng.chance(0.2)) core.on_grafted(peer, 0);
      core.on_delivered(peer, 0, rng.next());
      scores.push_back(core.score(peer));
    }
    scores.push_back(static_cast<double>(core.memory()));
    return scores;
  };
  CHECK(run() == run());
}

}  // namespace mesocosm
