// Subscription: counts what gossipsub delivers of one topic, and checks it. Also makes the messages.
#pragma once

#include <chrono>
#include <cstdint>
#include <map>
#include <string>

#include "stack/protocols/gossipsub/gossipsub.h"
#include "tests/interop/ours/json.h"

namespace mesocosm::interop {

inline constexpr std::size_t kSmallestMessage = 8;

// Message `index` of `size` bytes: the index, big-endian, then the pattern. Requires size >= kSmallestMessage.
Bytes make_message(std::uint64_t index, std::size_t size);

class Subscription final : public GossipSubHandler {
 public:
  void on_message(const GossipSubDelivery& delivery) override;

  std::uint64_t count() const { return count_; }
  Json summary() const;  // the answer to await_messages

 private:
  using Moment = std::chrono::steady_clock::time_point;  // CLOCK_MONOTONIC, the same in all processes

  std::uint64_t count_ = 0;
  std::uint64_t valid_ = 0;
  std::map<std::string, std::uint64_t> authors_;  // by their peer ids' bytes
  Moment first_, last_;
};

}  // namespace mesocosm::interop
