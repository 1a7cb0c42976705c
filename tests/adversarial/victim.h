// The node under attack, on real sockets of the loopback interface, in a thread of its own; and those who use it
// honestly meanwhile.
#pragma once

#include <condition_variable>
#include <cstddef>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <string>
#include <string_view>
#include <thread>
#include <vector>

#include "stack/asio/asio_env.h"
#include "stack/node/node.h"
#include "stack/transport/tcp_transport.h"

namespace mesocosm::testing {

// An Env of real sockets, with a loop that others may share.
struct RealEnv {
  explicit RealEnv(AsioLoop& loop, std::uint64_t seed);

  AsioNetwork network;
  Rng rng;
  SystemEntropy entropy;
  NoTrace trace;
  Env env;
};

struct VictimOptions {
  TcpOptions tcp;
  SwarmLimits limits;
  std::optional<GossipSubParams> gossipsub;  // with signatures, subscribed to "topic"
};

// Why connections ended or never came to be: "inbound: too_large: multistream: length over 1,024", how often.
using Complaints = std::map<std::string, std::size_t>;

class Victim final {
 public:
  explicit Victim(VictimOptions options = {});
  ~Victim();

  const PeerId& peer() const { return peer_; }
  const Multiaddr& address() const { return address_; }
  Endpoint endpoint() const { return address_.tcp_endpoint().value(); }

  Complaints complaints() const;
  std::size_t complaints_like(std::string_view part) const;  // whose text has this in it

  // Runs `question` in the victim's thread, between turns, and waits for its end.
  void ask(const std::function<void(Node&)>& question);
  std::size_t memory();  // bytes that its thread holds on the heap
  Duration cpu();        // time that its thread has had the processor

 private:
  class Watcher;
  void run(VictimOptions options);

  AsioLoop loop_;
  PeerId peer_;
  Multiaddr address_;
  mutable std::mutex mutex_;
  std::condition_variable changed_;
  Complaints complaints_;
  const std::function<void(Node&)>* question_ = nullptr;
  Node* node_ = nullptr;
  bool ready_ = false, quit_ = false;
  std::thread thread_;
};

// A node that behaves.
class Honest final : private PingEvents {
 public:
  Honest(AsioLoop& loop, std::uint64_t seed, std::optional<GossipSubParams> gossipsub = {});
  ~Honest();

  Node& node() { return *node_; }
  void connect(const Victim& victim);
  // Pings the victim all the time, one ping after the other.
  void keep_pinging(const Victim& victim);
  std::size_t pongs() const { return pongs_; }
  std::size_t failures() const { return failures_; }
  // The longest round trip since the last call, that of a ping under way included.
  Duration worst();

 private:
  void on_pong(const PeerId& peer, Duration round_trip) override;
  void on_ping_failed(const PeerId& peer, const Error& error) override;
  void send();

  AsioLoop& loop_;
  RealEnv env_;
  std::unique_ptr<Node> node_;
  PeerId pinged_;
  Time sent_{};
  Duration worst_{};
  std::size_t pongs_ = 0, failures_ = 0;
  bool pinging_ = false;
  MemberTimer<&Honest::send> next_{*this};
};

// Runs the loop until `done`, at most for `limit`; whether it was done.
bool run_until(AsioLoop& loop, Duration limit, const std::function<bool()>& done);

// The time that a node needs which nobody has seen before, from its dial to the answer to its first ping; `limit` if it
// is not served in that time.
Duration newcomer(AsioLoop& loop, const Victim& victim, std::uint64_t seed, Duration limit);

// Lets this process have so many descriptors. Throws if the system does not allow it: a test that needs them fails.
void need_descriptors(std::size_t count);

}  // namespace mesocosm::testing
