#include "sim/run/flow_backend.h"

#include <optional>

#include "sim/flow/collapsed_transport.h"
#include "sim/flow/flow_network.h"
#include "sim/run/kernel_backend.h"

namespace mesocosm {
namespace {

class FlowBackend final : public KernelBackend {
 public:
  FlowBackend(const PathModel& internet, StackKind stack, const Rng& rng)
      : stack_(stack), internet_(internet), rng_(rng) {}

  // The first node to attach ends the placing of hosts: the network has as many as the model then.
  Network& attach(NodeIndex node) override {
    if (!network_) {
      network_.emplace(kernel_, internet_, rng_, behind_);
      if (captures_ != nullptr) network_->capture(*captures_);
    }
    return network_->attach(node);
  }

  void capture(capture::Captures& captures) override {
    if (stack_ == StackKind::collapsed) {
      throw ConfigError("capture: the collapsed stack sends no packets; use the full one");
    }
    captures_ = &captures;
  }

  void run_in_real_time() override {
    throw ConfigError("attach: processes can join worlds on the packet backend only");
  }
  void hand_over(NodeIndex, Tun) override { run_in_real_time(); }

  TransportFactory transport_factory(NodeIndex node, const UpgradeOptions& options) override {
    if (stack_ == StackKind::full) return tcp_factory(options);
    return [this, node, options](const TransportHost& host) {
      return std::make_unique<CollapsedTransport>(*network_, node, host.env, host.key.public_key(),
                                                  host.protocols, &host.traffic, options);
    };
  }

  const hosts::Middleboxes* middleboxes() const override {
    return network_ && network_->middleboxes().any() ? &network_->middleboxes() : nullptr;
  }
  Faults* faults() override { return &network_->faults(); }
  std::optional<std::uint64_t> packets_lost() const override {
    return network_ ? network_->packets_lost() : 0;
  }
  void slow_down(NodeIndex node, Duration each) override { network_->slow_down(node, each); }

 private:
  const hosts::Directory& directory() const override { return network_->directory(); }

  StackKind stack_;
  const PathModel& internet_;
  Rng rng_;
  capture::Captures* captures_ = nullptr;  // null: nothing is captured
  std::optional<FlowNetwork> network_;
};

}  // namespace

std::unique_ptr<Backend> make_flow_backend(const PathModel& internet, StackKind stack, const Rng& rng) {
  return std::make_unique<FlowBackend>(internet, stack, rng);
}

}  // namespace mesocosm
