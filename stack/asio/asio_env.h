// The real environment: clock, sockets, names and secrets of the machine, through Boost.Asio in one thread.
//
//     AsioLoop loop;
//     AsioNetwork network(loop);              // several nodes may share one loop, each with its own network
//     ... make nodes ...
//     loop.run_for(10s);
//
// Destroy what uses a network before the network, and networks before the loop.
#pragma once

#include <cstdint>
#include <memory>
#include <vector>

#include "stack/base/bytes.h"
#include "stack/env/clock.h"
#include "stack/env/env.h"
#include "stack/env/network.h"

namespace mesocosm {

namespace asio {
class Loop;
}

// Runs the turns. now() is the time since the loop was made, steady, read once a turn; outside a run it is
// read at each call.
class AsioLoop final : public Clock {
 public:
  AsioLoop();
  ~AsioLoop() override;
  AsioLoop(const AsioLoop&) = delete;
  AsioLoop& operator=(const AsioLoop&) = delete;

  // Each returns when its time has come or stop() was called, which it says: true means stopped.
  bool run();  // until stop()
  bool run_until(Time end);
  bool run_for(Duration duration) { return run_until(now() + duration); }
  // Runs what is ready, or waits until something is (not after `end`); for callers who look between turns.
  void step(Time end);
  // Runs what is ready and does not wait.
  void poll();
  // Ends the current run after its turn, or else the next one at once; from any thread.
  void stop();

  Time now() const override;
  std::int64_t unix_nanoseconds() const override;
  void arm(Timer& timer, Time at) override;
  void disarm(Timer& timer) noexcept override;
  void defer(Task& task) override;

 private:
  friend class AsioNetwork;
  friend class AsioInput;
  std::unique_ptr<asio::Loop> loop_;
};

// The machine's sockets as one node sees them.
class AsioNetwork final : public Network {
 public:
  struct Options {
    // The node's own addresses: it listens and connects only from these (the first of the family that is
    // asked for), and they are its local_addresses(). Empty: all that the machine has.
    std::vector<IpAddress> addresses = {};
  };

  explicit AsioNetwork(AsioLoop& loop);
  AsioNetwork(AsioLoop& loop, Options options);
  ~AsioNetwork() override;

  // With a port in `from`, shares it with a listener of ours on the same port, so that peers see its address.
  std::unique_ptr<ByteStream> connect(const Endpoint& to, ByteStream::Events& events,
                                      const Endpoint& from = {}) override;
  Result<std::unique_ptr<Listener>> listen(const Endpoint& at, Listener::Events& events) override;
  Result<std::unique_ptr<Datagrams>> bind(const Endpoint& at, Datagrams::Events& events) override;
  // Text records are unsupported. Destroying the loop waits for look-ups that the system has begun.
  std::unique_ptr<Resolution> resolve(std::string_view name, RecordType type,
                                      Resolution::Events& events) override;
  std::vector<IpAddress> local_addresses() const override;

 private:
  Endpoint at_own_address(const Endpoint& endpoint) const;

  asio::Loop& loop_;
  Options options_;
};

// Reads a descriptor that is no socket, such as standard input, within the loop's turns. Destroying it stops
// the reading and leaves the descriptor open.
class AsioInput {
 public:
  class Events {
   public:
    virtual void on_input(Bytes bytes) = 0;  // never empty
    virtual void on_input_end() = 0;         // once, last; also after an error

   protected:
    ~Events() = default;
  };

  AsioInput(AsioLoop& loop, int fd, Events& events);
  ~AsioInput();

 private:
  class Reader;
  std::unique_ptr<Reader> reader_;
};

// Secrets from the operating system (getrandom).
class SystemEntropy final : public Entropy {
 public:
  void fill(MutableByteView out) override;
};

}  // namespace mesocosm
