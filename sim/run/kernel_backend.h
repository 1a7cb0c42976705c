// What the simulated backends have in common: virtual time on the event kernel, and seeded secrets.
#pragma once

#include <algorithm>
#include <chrono>
#include <memory>
#include <vector>

#include "sim/hosts/directory.h"
#include "sim/kernel/kernel.h"
#include "sim/run/backend.h"

namespace mesocosm {

class KernelBackend : public Backend {
 public:
  Clock& clock() override { return kernel_; }
  std::unique_ptr<Entropy> entropy(const Rng& node_rng) override {
    return std::make_unique<SeededEntropy>(node_rng.fork("entropy"));
  }
  Multiaddr listen_address(NodeIndex node) const override {
    return Multiaddr::tcp({ipv6_ ? directory().address_v6(node) : directory().address_v4(node), kListenPort});
  }
  void use_ipv6() override { ipv6_ = true; }

  void put_behind(const NatConfig& box, std::span<const NodeIndex> nodes) override {
    behind_.push_back({box, {nodes.begin(), nodes.end()}});
  }

  // Looks at the wall's clock only between batches of turns: it decides when to return, never what happens.
  bool advance(Time until, Duration wall) override {
    const auto deadline = std::chrono::steady_clock::now() + wall;
    stopping_ = false;
    for (std::uint32_t turn = 1; !stopping_; ++turn) {
      const Time end = std::min(until, granted_);
      bool look = turn % kTurnsPerLook == 0;
      if (kernel_.next_event() < end) {
        kernel_.step();
      } else {
        kernel_.run_until(end - Duration(1));
        if (end == until) return true;
        granted_ = meet();
        look = true;
      }
      if (look && std::chrono::steady_clock::now() >= deadline) return false;
    }
    return false;
  }
  void stop() override { stopping_ = true; }
  std::uint64_t events() const override { return kernel_.events(); }

 protected:
  virtual const hosts::Directory& directory() const = 0;

  // When everything before granted_ is done: the time before which everything may be done then.
  virtual Time meet() { return kNever; }

  Kernel kernel_;
  Time granted_ = kNever;
  std::vector<hosts::Behind> behind_;
  bool ipv6_ = false;

 private:
  static constexpr std::uint32_t kTurnsPerLook = 1024;
  static constexpr std::uint16_t kListenPort = 4001;

  bool stopping_ = false;
};

}  // namespace mesocosm
