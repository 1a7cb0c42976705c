// Replays a script of scoring events (see test_scores_with_go.py) on our PeerScore and prints the scores that the script asks for.
// probe_test.go does the same on go-libp2p-pubsub's.
#include <cstdio>
#include <iostream>
#include <map>
#include <memory>
#include <optional>
#include <string>

#include "stack/base/hash.h"
#include "stack/protocols/gossipsub/score.h"
#include "tests/interop/scores/params.h"

namespace {

using namespace mesocosm;
using interop::Json;
using interop::seconds;

class Replay {
 public:
  explicit Replay(const Json& script)
      : score_(std::make_shared<const PeerScoreParams>(interop::score_params(script))) {
    score_.advance(Time{});
    for (const auto& [peer, value] : script.at("app").items()) score_.set_app_score(hash(peer), value);
  }

  // False: there is no such event.
  bool apply(const Json& event) {
    score_.advance(Time(seconds(event.at("at"))));
    const std::string what = event.at("do"), name = event.value("peer", "");
    const std::uint64_t peer = name.empty() ? 0 : hash(name);
    const ScoreTopic topic = score_.find_topic(event.value("topic", ""));
    const std::uint64_t message = hash(event.value("message", ""));
    if (!name.empty()) names_[name] = peer;
    if (what == "add")
      score_.on_peer_added(peer, IpAddress::parse(event.at("ip").get<std::string>()).value());
    else if (what == "remove")
      score_.on_peer_removed(peer);
    else if (what == "graft")
      score_.on_grafted(peer, topic);
    else if (what == "prune")
      score_.on_pruned(peer, topic);
    else if (what == "penalty")
      score_.on_penalty(peer, event.at("count"));
    else if (what == "validating")
      score_.on_validating(topic, message);
    else if (what == "delivered")
      score_.on_delivered(peer, topic, message);
    else if (what == "rejected")
      score_.on_rejected(peer, topic, message);
    else if (what == "ignored" || what == "throttled")
      score_.on_undecided(message);
    else if (what == "invalid")
      score_.on_invalid(peer, topic);
    else if (what == "duplicate")
      score_.on_duplicate(peer, topic, message);
    else if (what == "scores")
      print();
    else
      return false;
    return true;
  }

 private:
  static std::uint64_t hash(const std::string& name) { return hash64(as_bytes(name)); }

  void print() {
    Json scores = Json::object();
    for (const auto& [name, peer] : names_) scores[name] = score_.score(peer);
    std::printf("%s\n", scores.dump().c_str());
  }

  PeerScore score_;
  std::map<std::string, std::uint64_t> names_;
};

}  // namespace

int main() {
  const Json script = Json::parse(std::cin);
  Replay replay(script);
  for (const Json& event : script.at("events")) {
    if (!replay.apply(event)) {
      std::fprintf(stderr, "error: no such event: %s\n", event.dump().c_str());
      return 2;
    }
  }
}
