// Application: what runs above a node's GossipSub, as far as a World models it: its word on each message, and for how
// long the node's processors work to come to it.
#pragma once

#include <array>
#include <cstdint>
#include <exception>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "sim/run/backend.h"
#include "stack/protocols/gossipsub/gossipsub.h"

namespace mesocosm {

struct Ruling {
  Validation verdict = Validation::accept;
  std::optional<Duration> work = {};  // none: GossipSubParams::validation_delay
};

// An application's word on a message, which is valid during the call, that `from` handed to the node. Called once for
// each message that is new there and well signed.
using Judge = std::function<Ruling(NodeIndex node, const Message& message, const PeerId& from)>;

// Payloads that begin like this are known to all applications of a World, and judged alike: what adversaries send who know
// an application's weakness.
struct Weakness {
  using Mark = std::array<std::uint8_t, 16>;
  Mark mark;
  Ruling ruling;
};

class Application {
 public:
  using Failed = std::function<void(std::exception_ptr)>;  // told what a judge threw

  // `standard` is for rulings that name no work; `weaknesses` outlives it, and comes before every judge.
  Application(NodeIndex node, Duration standard, const std::vector<Weakness>& weaknesses, Failed failed);
  ~Application();
  Application(const Application&) = delete;
  Application& operator=(const Application&) = delete;

  // Null: everything is accepted, after the standard work.
  void set_judge(std::string_view topic, std::shared_ptr<const Judge> judge);
  // From now on judges what comes in the topic, if there is anything to say; it outlives the GossipSub. Null: there is
  // none now.
  void attend(GossipSub* gossipsub, std::string_view topic);
  void attend(GossipSub& gossipsub);  // all topics that were attended or judged

 private:
  class Seat;
  Seat& seat(std::string_view topic);

  NodeIndex node_;
  Duration standard_;
  const std::vector<Weakness>& weaknesses_;
  Failed failed_;
  std::vector<std::unique_ptr<Seat>> seats_;  // one a topic, in order of first mention
};

}  // namespace mesocosm
