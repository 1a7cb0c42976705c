// Validators under load, in Worlds: adversaries whose messages only the application can refuse, and others whose messages
// are valid and take long. 20 honest nodes with one processor each, five adversaries at all of them from 8 s on, and
// a message of an honest node every half second.
#include <algorithm>
#include <memory>
#include <set>
#include <string>
#include <vector>

#include <catch2/catch.hpp>

#include "attacks/gossip/adversary.h"
#include "attacks/invalid_flood/invalid_flood.h"
#include "attacks/slow_validation/slow_validation.h"
#include "sim/run/world.h"
#include "tests/source_path.h"

using namespace mesocosm;
using mesocosm::testing::source_path;

namespace {

constexpr NodeIndex kHonest = 20, kAdversaries = 5;

// What honest nodes wrote and a node got, by number.
struct Inbox final : GossipSubHandler {
  void on_message(const GossipSubDelivery& delivery) override {
    const std::string_view text = as_text(delivery.message.data);
    if (text.starts_with("honest ")) seen.insert(std::stoi(std::string(text.substr(7))));
  }
  std::set<int> seen;
};

struct Outcome {
  double before = 0, during = 0;  // shares of honest nodes' messages that came
  std::uint64_t throttled = 0, graylisted = 0;
  std::vector<double> scores = {};  // of adversaries, at honest nodes, in the end
  std::uint64_t fingerprint = 0;
};

using MakeMischief = std::function<std::shared_ptr<attacks::Mischief>(World&)>;

class Siege {
 public:
  Siege(const GossipSubParams& params, const MakeMischief& make, std::uint64_t seed = 1)
      : world_(World::flow(seed, StackKind::collapsed, UniformLatency{20ms, 60ms, {}}, source_path("data"))),
        inboxes_(kHonest) {
    NodeKind honest, hostile;
    honest.gossipsub = params;
    for (NodeIndex i = 0; i < kHonest; ++i) nodes_.push_back(world_->add_node(honest));
    const auto mischief = make(*world_);
    mind_ = std::make_shared<attacks::Mind>(attacks::AdversaryParams{}, [mischief] { return mischief; });
    hostile.pubsub = attacks::recruit(mind_);
    for (NodeIndex i = 0; i < kAdversaries; ++i) adversaries_.push_back(world_->add_node(hostile));
  }

  World& world() { return *world_; }

  Outcome run() {
    world_->start("", "{}");
    world_->bootstrap(world_->overlay(nodes_, 6), 1s);
    world_->bootstrap(world_->approaches(adversaries_, nodes_, kHonest), 1s);
    for (const NodeIndex node : nodes_) {
      world_->subscribe(node, "t");
      REQUIRE(world_->node(node).gossipsub()->subscribe("t", inboxes_[node]));
    }
    world_->call_at(Time(8s), [&] { mind_->enter(attacks::Phase::attacking); });
    world_->call_every(Time(3s), 500ms, [&] {
      const NodeIndex author = static_cast<NodeIndex>(published_) % kHonest;
      world_->publish(author, "t", Bytes::copy("honest " + std::to_string(published_++)));
    });
    while (!world_->advance(Time(25s), 1s)) {
    }
    return look();
  }

 private:
  Outcome look() {
    // 0 to 9 were published before the attack, 18 to 37 from 12 s to 22 s.
    Outcome found{.before = came(0, 9), .during = came(18, 37)};
    for (const NodeIndex node : nodes_) {
      const GossipSub& gossip = *world_->node(node).gossipsub();
      found.throttled += gossip.counters().throttled;
      found.graylisted += gossip.counters().rpcs_graylisted;
      for (const auto& [peer, score] : gossip.scores()) {
        const auto who = world_->find(peer);
        if (who && *who >= kHonest) found.scores.push_back(score.total);
      }
    }
    found.fingerprint = world_->finish("complete", 0);
    return found;
  }

  double came(int first, int last) const {
    std::size_t count = 0;
    for (const Inbox& inbox : inboxes_) {
      for (int number = first; number <= last; ++number) count += inbox.seen.count(number);
    }
    return static_cast<double>(count) / (last - first + 1) / (kHonest - 1);
  }

  std::unique_ptr<World> world_;
  std::vector<Inbox> inboxes_;
  std::vector<NodeIndex> nodes_, adversaries_;
  std::shared_ptr<attacks::Mind> mind_;
  int published_ = 0;
};

GossipSubParams with_queue(PeerKind version) {
  GossipSubParams params;
  params.version = version;
  params.validation_delay = 10ms;
  params.topic_validation_queue = 16;
  return params;
}

GossipSubParams scored() {
  GossipSubParams params = with_queue(PeerKind::gossipsub_11);
  PeerScoreParams score;
  TopicScoreParams topic;
  topic.topic = "t";
  topic.first_message_deliveries_weight = 1;
  topic.first_message_deliveries_decay = 0.99;
  topic.first_message_deliveries_cap = 20;
  topic.invalid_message_deliveries_weight = -10;
  topic.invalid_message_deliveries_decay = 0.99;
  score.topics = {topic};
  params.score = std::make_shared<const PeerScoreParams>(score);
  params.thresholds = {.gossip = -20, .publish = -40, .graylist = -80};
  return params;
}

// 40 messages a second of each adversary: two seconds of work a second.
std::shared_ptr<attacks::Mischief> refused_by_applications(World& world) {
  const auto mark = world.add_weakness({.verdict = Validation::reject});
  return std::make_shared<attacks::InvalidFlood>(attacks::Invalidity::application, 4, 100, 100ms, mark);
}

// The same by four messages a second.
std::shared_ptr<attacks::Mischief> slow_to_validate(World& world) {
  const auto mark = world.add_weakness({.work = 100ms});
  return std::make_shared<attacks::SlowValidation>(Duration::zero(), 2, 100, 500ms, mark);
}

}  // namespace

TEST_CASE("validators: what applications reject starves others in v1.0, and in v1.1 whoever sends it",
          "[gossip][attacks]") {
  const Outcome old = Siege(with_queue(PeerKind::gossipsub_10), refused_by_applications).run();
  CHECK(old.before == 1);
  CHECK(old.during < 0.75);
  CHECK(old.throttled > 1000);
  CHECK(old.graylisted == 0);
  const Outcome strict = Siege(scored(), refused_by_applications).run();
  CHECK(strict.before == 1);
  CHECK(strict.during == 1);
  CHECK(strict.graylisted > 1000);
  REQUIRE(strict.scores.size() == kHonest * kAdversaries);
  CHECK(std::all_of(strict.scores.begin(), strict.scores.end(), [](double score) { return score < -80; }));
}

TEST_CASE("validators: what is valid and slow starves others, and scores commend it", "[gossip][attacks]") {
  const Outcome slow = Siege(scored(), slow_to_validate).run();
  CHECK(slow.before == 1);
  CHECK(slow.during < 0.75);
  CHECK(slow.throttled > 100);
  CHECK(slow.graylisted == 0);
  CHECK(std::count_if(slow.scores.begin(), slow.scores.end(), [](double score) { return score > 0; }) >
        kHonest * kAdversaries / 2);
  CHECK(slow.fingerprint == Siege(scored(), slow_to_validate).run().fingerprint);
  GossipSubParams strong = scored();
  strong.validation_workers = 4;
  CHECK(Siege(strong, slow_to_validate).run().during == 1);
}

TEST_CASE("validators: a World's judges are asked about every new message but what all know", "[gossip]") {
  Siege siege(with_queue(PeerKind::gossipsub_11), slow_to_validate);
  std::size_t asked = 0;
  const auto judge = std::make_shared<const Judge>(
      [&](NodeIndex node, const Message& message, const PeerId& from) -> Ruling {
        CHECK(node == 3);
        CHECK(as_text(message.data).starts_with("honest "));
        CHECK(siege.world().find(from).has_value());
        ++asked;
        return {.verdict = Validation::ignore, .work = Duration::zero()};
      });
  siege.world().call_at(Time(2s), [&] { siege.world().judge(3, "t", judge); });
  siege.world().call_at(Time(8s), [&] { siege.world().judge(3, "t", nullptr); });
  siege.run();
  CHECK(asked == 9);  // of ten messages that were published until then one is its own
}
