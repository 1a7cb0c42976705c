// The queue before a link, as a core: which packet leaves next, and which are dropped. Drop-tail, CoDel (RFC 8289) and
// FQ-CoDel (RFC 8290).
#pragma once

#include <array>
#include <cstdint>
#include <deque>
#include <memory>
#include <optional>
#include <vector>

#include "sim/net/path_model.h"
#include "stack/base/time.h"

namespace mesocosm {

struct QueuedPacket {
  void* item = nullptr;    // the owner's
  std::uint32_t size = 0;  // IP bytes
  std::uint64_t flow = 0;  // a hash of addresses, protocol and ports
  Time since{};            // when it came
};

// Takes the time as an argument, which never runs backwards. A packet is refused when more than `limit` bytes wait
// before it, so that one always finds room in an empty queue.
class PacketQueue {
 public:
  using Dropped = std::vector<QueuedPacket>;

  static std::unique_ptr<PacketQueue> make(QueueDiscipline discipline, std::uint64_t limit);
  virtual ~PacketQueue() = default;

  // What is dropped for it, or itself, is added to `dropped`.
  virtual void put(QueuedPacket packet, Dropped& dropped) = 0;
  // The next to leave, if any; those that are dropped instead are added to `dropped`.
  virtual std::optional<QueuedPacket> take(Time now, Dropped& dropped) = 0;
};

class DropTailQueue final : public PacketQueue {
 public:
  explicit DropTailQueue(std::uint64_t limit) : limit_(limit) {}
  void put(QueuedPacket packet, Dropped& dropped) override;
  std::optional<QueuedPacket> take(Time now, Dropped& dropped) override;

 private:
  std::uint64_t limit_;
  std::uint64_t bytes_ = 0;
  std::deque<QueuedPacket> waiting_;
};

// Drops from its head, ever more often, while packets have waited longer than kTarget for kInterval (RFC 8289, section 5,
// by whose names this goes).
class CodelQueue final : public PacketQueue {
 public:
  static constexpr Duration kTarget = 5ms;
  static constexpr Duration kInterval = 100ms;
  static constexpr std::uint32_t kLargestPacket = 1500;  // so much may always wait

  explicit CodelQueue(std::uint64_t limit) : limit_(limit) {}
  void put(QueuedPacket packet, Dropped& dropped) override;
  std::optional<QueuedPacket> take(Time now, Dropped& dropped) override;

  std::uint64_t bytes() const { return bytes_; }
  void drop_head(Dropped& dropped);

 private:
  struct Head {
    std::optional<QueuedPacket> packet;
    bool ok_to_drop = false;
  };
  Head dodequeue(Time now);
  static Time control_law(Time at, std::uint32_t count);

  std::uint64_t limit_;
  std::uint64_t bytes_ = 0;
  std::deque<QueuedPacket> waiting_;
  std::optional<Time> first_above_time_;
  Time drop_next_{};
  std::uint32_t count_ = 0, last_count_ = 0;
  bool dropping_ = false;
};

// A CodelQueue for each flow, served in turn by bytes, those that just began first (RFC 8290, section 4).
class FqCodelQueue final : public PacketQueue {
 public:
  static constexpr std::size_t kFlows = 1024;
  static constexpr std::int64_t kQuantum = CodelQueue::kLargestPacket;

  explicit FqCodelQueue(std::uint64_t limit) : limit_(limit) {}
  void put(QueuedPacket packet, Dropped& dropped) override;
  std::optional<QueuedPacket> take(Time now, Dropped& dropped) override;

 private:
  struct Flow {
    CodelQueue queue{~std::uint64_t{0}};  // the limit is that of all flows together
    std::int64_t deficit = 0;
    bool active = false;
  };
  void drop_from_fattest(Dropped& dropped);

  std::uint64_t limit_;
  std::uint64_t bytes_ = 0;
  std::array<std::unique_ptr<Flow>, kFlows> flows_;  // made when first used
  std::deque<Flow*> new_, old_;
};

}  // namespace mesocosm
