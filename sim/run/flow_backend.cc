#include "sim/run/flow_backend.h"

#include <chrono>
#include <optional>

#include "sim/flow/collapsed_transport.h"
#include "sim/flow/flow_network.h"
#include "sim/kernel/kernel.h"

namespace mesocosm {
namespace {

class FlowBackend final : public Backend {
 public:
  FlowBackend(const PathModel& internet, StackKind stack, const Rng& rng)
      : stack_(stack), internet_(internet), rng_(rng) {}

  Clock& clock() override { return kernel_; }
  // The first node to attach ends the placing of hosts: the network has as many as the model then.
  Network& attach(NodeIndex node) override {
    if (!network_) network_.emplace(kernel_, internet_, rng_);
    return network_->attach(node);
  }
  std::unique_ptr<Entropy> entropy(const Rng& node_rng) override {
    return std::make_unique<SeededEntropy>(node_rng.fork("entropy"));
  }

  TransportFactory transport_factory(NodeIndex node) override {
    if (stack_ == StackKind::full) return tcp_transport;
    return [this, node](const TransportHost& host) {
      return std::make_unique<CollapsedTransport>(*network_, node, host.env, host.key.public_key(),
                                                  host.protocols, &host.traffic);
    };
  }

  Multiaddr listen_address(NodeIndex node) const override {
    return Multiaddr::tcp({network_->address_v4(node), kListenPort});
  }

  // Looks at the wall's clock only between batches of turns: it decides when to return, never what happens.
  bool advance(Time until, Duration wall) override {
    const auto deadline = std::chrono::steady_clock::now() + wall;
    stopping_ = false;
    for (std::uint32_t turn = 1; !stopping_; ++turn) {
      if (kernel_.next_event() >= until) {
        kernel_.run_until(until - Duration(1));
        return true;
      }
      kernel_.step();
      if (turn % kTurnsPerLook == 0 && std::chrono::steady_clock::now() >= deadline) return false;
    }
    return false;
  }

  void stop() override { stopping_ = true; }
  std::uint64_t events() const override { return kernel_.events(); }

  void cut(std::span<const NodeIndex> one_side, std::span<const NodeIndex> other_side) override {
    for (NodeIndex a : one_side) {
      for (NodeIndex b : other_side) network_->cuts().set_blocked(a, b, true);
    }
  }
  void heal() override { network_->cuts().heal_all(); }

 private:
  static constexpr std::uint32_t kTurnsPerLook = 1024;
  static constexpr std::uint16_t kListenPort = 4001;

  StackKind stack_;
  const PathModel& internet_;
  Rng rng_;
  Kernel kernel_;
  std::optional<FlowNetwork> network_;
  bool stopping_ = false;
};

}  // namespace

std::unique_ptr<Backend> make_flow_backend(const PathModel& internet, StackKind stack, const Rng& rng) {
  return std::make_unique<FlowBackend>(internet, stack, rng);
}

}  // namespace mesocosm
