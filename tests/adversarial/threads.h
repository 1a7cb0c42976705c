// Threads with a loop of real sockets each, so that the node under attack, its attackers and those who behave do not
// take turns on one.
#pragma once

#include <condition_variable>
#include <functional>
#include <memory>
#include <mutex>
#include <thread>
#include <utility>

#include "stack/asio/asio_env.h"

namespace mesocosm::testing {

// An Env of real sockets.
struct RealEnv {
  RealEnv(AsioLoop& loop, std::uint64_t seed, Log& log = Log::none())
      : network(loop), rng(seed), env{loop, network, rng, entropy, trace, Metrics::discarded(), log} {}

  AsioNetwork network;
  Rng rng;
  SystemEntropy entropy;
  NoTrace trace;
  Env env;
};

class LoopThread final {
 public:
  using Job = std::function<void()>;
  // Both in the thread: `begin` before the loop runs, and before the constructor returns; `end` after it.
  LoopThread(const std::function<void(AsioLoop&)>& begin, Job end);
  ~LoopThread();

  // Runs the job in the thread, between turns, and waits for its end.
  void ask(const Job& job);
  Duration cpu();  // time that the thread has had the processor

 private:
  void run(const Job& begin);

  AsioLoop loop_;
  Job end_;
  std::mutex mutex_;
  std::condition_variable changed_;
  const Job* job_ = nullptr;
  bool ready_ = false, quit_ = false;
  std::thread thread_;
};

// An attack in a thread of its own.
template <class Attack>
class Offence final {
 public:
  // `make(Env&)` gives a unique_ptr<Attack>.
  template <class Make>
  explicit Offence(Make make)
      : thread_(
            [&](AsioLoop& loop) {
              env_ = std::make_unique<RealEnv>(loop, 2);
              attack_ = make(env_->env);
            },
            [this] {
              attack_.reset();
              env_.reset();
            }) {}

  template <class Question>
  auto ask(Question question) {
    decltype(question(std::declval<Attack&>())) answer{};
    thread_.ask([&] { answer = question(*attack_); });
    return answer;
  }

 private:
  std::unique_ptr<RealEnv> env_;
  std::unique_ptr<Attack> attack_;
  LoopThread thread_;
};

}  // namespace mesocosm::testing
