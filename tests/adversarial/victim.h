// The node under attack, on real sockets of the loopback interface, in a thread of its own; and those who use it
// honestly meanwhile.
#pragma once

#include <cstddef>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "stack/asio/asio_env.h"
#include "stack/node/node.h"
#include "stack/transport/tcp_transport.h"
#include "tests/adversarial/threads.h"

namespace mesocosm::testing {

struct VictimOptions {
  TcpOptions tcp = {};
  SwarmLimits limits = {};
  std::optional<GossipSubParams> gossipsub = {};  // subscribed to "topic"
};

// Why connections ended or never came to be, and what protocols complained of: "inbound: too large: multistream: length
// over 1,024", how often.
using Complaints = std::map<std::string, std::size_t>;

class Victim final {
 public:
  explicit Victim(const VictimOptions& options = {});
  ~Victim();

  const PeerId& peer() const { return peer_; }
  const Multiaddr& address() const { return address_; }
  Endpoint endpoint() const { return address_.tcp_endpoint().value(); }

  Complaints complaints() const;
  std::size_t complaints_like(std::string_view part) const;  // whose text has this in it

  // In the victim's thread, between turns.
  template <class Question>
  auto ask(Question question) {
    decltype(question(std::declval<Node&>())) answer{};
    thread_.ask([&] { answer = question(*node_); });
    return answer;
  }
  std::size_t memory();  // bytes that its thread holds on the heap
  Duration cpu() { return thread_.cpu(); }

 private:
  class Watcher;
  class ComplaintLog;
  struct Deaf final : GossipSubHandler {
    void on_message(const GossipSubDelivery&) override {}
  };
  void write_down(std::string complaint);
  void begin(AsioLoop& loop, const VictimOptions& options);
  void end();

  mutable std::mutex mutex_;
  Complaints complaints_;
  PeerId peer_;
  Multiaddr address_;
  Deaf deaf_;
  std::unique_ptr<ComplaintLog> log_;
  std::unique_ptr<RealEnv> env_;
  std::unique_ptr<Watcher> watcher_;
  std::unique_ptr<Node> node_;
  LoopThread thread_;
};

// How long something took: on the clock, and in the victim's processor time, which tells how much other work came before
// it, however busy the machine is.
struct Wait {
  Duration clock{}, work{};
};

// A node that behaves.
class Honest final : private PingEvents {
 public:
  Honest(AsioLoop& loop, Victim& victim, std::uint64_t seed);
  ~Honest();

  void connect();
  bool connected() const;
  // Pings the victim all the time, one ping after the other.
  void keep_pinging() { send(); }
  std::size_t pongs() const { return pongs_; }
  std::size_t failures() const { return failures_; }
  Wait worst();  // since the last call, the ping under way included

 private:
  void on_pong(const PeerId& peer, Duration round_trip) override;
  void on_ping_failed(const PeerId& peer, const Error& error) override;
  void send();
  void note();

  AsioLoop& loop_;
  Victim& victim_;
  RealEnv env_;
  std::unique_ptr<Node> node_;
  Time sent_{};
  Duration work_{};  // the victim's when the ping was sent
  Wait worst_;
  std::size_t pongs_ = 0, failures_ = 0;
  bool pinging_ = false;
  MemberTimer<&Honest::send> next_{*this};
};

// Runs the loop until `done`, at most for `limit`; whether it was done.
bool run_until(AsioLoop& loop, Duration limit, const std::function<bool()>& done);

// What a node needs which nobody has seen before, from its dial to the answer to its first ping; nothing if it is not
// served within the limit.
std::optional<Wait> newcomer(AsioLoop& loop, Victim& victim, std::uint64_t seed, Duration limit);

// Lets this process have so many descriptors. Throws if the system does not allow it: a test that needs them fails.
void need_descriptors(std::size_t count);

}  // namespace mesocosm::testing
