#include "sim/run/packet_backend.h"

#ifdef MESOCOSM_NS3

#include <optional>

#include "sim/packet/packet_network.h"
#include "sim/run/kernel_backend.h"
#include "stack/base/assert.h"

namespace mesocosm {
namespace {

class PacketBackend final : public KernelBackend, private RankedRun::Ground {
 public:
  PacketBackend(const PathModel& internet, const Rng& rng, RankedRun* ranked)
      : internet_(internet), rng_(rng), ranked_(ranked) {
    if (ranked_ != nullptr) granted_ = Time{};
  }

  // The first node to attach ends the placing of hosts: the network has as many as the model then.
  Network& attach(NodeIndex node) override {
    if (!network_) {
      if (PacketNetwork::exists()) {
        throw ConfigError("only one World on the packet backend can run at a time in a process");
      }
      network_.emplace(kernel_, internet_, rng_, behind_, ranked_);
      if (captures_ != nullptr) network_->capture(*captures_);
    }
    return network_->attach(node);
  }
  void capture(capture::Captures& captures) override { captures_ = &captures; }
  TransportFactory transport_factory(NodeIndex, const UpgradeOptions& options) override {
    return tcp_factory(options);
  }

  const hosts::Middleboxes* middleboxes() const override {
    return network_ && network_->middleboxes().any() ? &network_->middleboxes() : nullptr;
  }
  Faults* faults() override { return &network_->faults(); }

 private:
  const hosts::Directory& directory() const override { return network_->directory(); }
  Time meet() override { return ranked_->meet(*this); }

  // --- RankedRun::Ground
  Time next_event() override { return kernel_.next_event(); }
  void arrive(const hosts::Crossing& crossing) override {
    MC_ASSERT(crossing.first_in >= granted_);  // else the lookahead was no bound, and the past would change
    network_->arrive(crossing);
  }
  void arrive(const hosts::Listening& listening) override { network_->arrive(listening); }

  const PathModel& internet_;
  Rng rng_;
  RankedRun* ranked_;                      // null: this process runs all nodes
  capture::Captures* captures_ = nullptr;  // null: nothing is captured
  std::optional<PacketNetwork> network_;
};

}  // namespace

std::unique_ptr<Backend> make_packet_backend(const PathModel& internet, const Rng& rng, RankedRun* ranked) {
  return std::make_unique<PacketBackend>(internet, rng, ranked);
}

}  // namespace mesocosm

#else

namespace mesocosm {

std::unique_ptr<Backend> make_packet_backend(const PathModel&, const Rng&, RankedRun*) {
  throw ConfigError("this build has no packet backend: it was configured with MESOCOSM_NS3=OFF");
}

}  // namespace mesocosm

#endif
