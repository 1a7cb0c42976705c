#include "sim/run/packet_backend.h"

#ifdef MESOCOSM_NS3

#include <chrono>
#include <memory>
#include <optional>
#include <vector>

#include "sim/packet/packet_network.h"
#include "sim/run/kernel_backend.h"
#include "stack/base/assert.h"

namespace mesocosm {
namespace {

// Packets between a tun device and the simulated network.
class Outsider final : public PacketNetwork::Outside, public RealTime::Reader {
 public:
  Outsider(PacketNetwork& network, NodeIndex node, Tun device)
      : network_(network), node_(node), device_(std::move(device)) {
    network.hand_over(node, *this);
  }
  int descriptor() const { return device_.descriptor(); }

 private:
  void on_packet(const Bytes& packet) override { device_.write(packet); }
  void on_readable() override {
    constexpr int kMost = 256;  // the rest in the next turn: there are others
    for (int i = 0; i < kMost; ++i) {
      const auto packet = device_.read();
      if (!packet) return;
      network_.inject(node_, *packet);
    }
  }

  PacketNetwork& network_;
  NodeIndex node_;
  Tun device_;
};

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
      if (captures_ != nullptr && internet_.wifi() != nullptr) {
        throw ConfigError("capture: radios are not captured");
      }
      if (ipv6_ && internet_.wifi() != nullptr) {
        throw ConfigError("internet: Wi-Fi has no IPv6: OLSR finds ways for IPv4 only");
      }
      if (!behind_.empty() && (ipv6_ || internet_.wifi() != nullptr)) {
        throw ConfigError("NATs and firewalls are not for IPv6 and Wi-Fi on the packet backend");
      }
      network_.emplace(kernel_, internet_, rng_, behind_, ranked_, ipv6_);
      if (captures_ != nullptr) network_->capture(*captures_);
    }
    return network_->attach(node);
  }
  void capture(capture::Captures& captures) override { captures_ = &captures; }
  void run_in_real_time() override {
    if (ranked_ != nullptr) throw ConfigError("attach: a world that several processes run has no real time");
    if (real_time_) return;
    real_time_.emplace(kernel_);
    // Real peers check dates, of certificates for example.
    const auto today = std::chrono::system_clock::now().time_since_epoch();
    kernel_.set_unix_epoch(std::chrono::duration_cast<Duration>(today).count());
    granted_ = Time{};
  }
  void hand_over(NodeIndex node, Tun device) override {
    if (internet_.wifi() != nullptr) throw ConfigError("attach: radios are simulated only");
    attach(node);
    outsiders_.push_back(std::make_unique<Outsider>(*network_, node, std::move(device)));
    real_time_->watch(outsiders_.back()->descriptor(), *outsiders_.back());
  }
  Lateness lateness() const override { return real_time_ ? real_time_->lateness() : Lateness{}; }
  TransportFactory transport_factory(NodeIndex, const UpgradeOptions& options) override {
    return tcp_factory(options);
  }
  void end() override {
    if (outsiders_.empty()) network_.reset();
  }

  const hosts::Middleboxes* middleboxes() const override {
    return network_ && network_->middleboxes().any() ? &network_->middleboxes() : nullptr;
  }
  Faults* faults() override { return &network_->faults(); }
  std::optional<std::uint64_t> packets_lost() const override {
    return network_ ? network_->packets_lost() : 0;
  }
  void slow_down(NodeIndex node, Duration each) override {
    if (internet_.wifi() != nullptr) throw ConfigError("slowdown: not of radios");
    network_->slow_down(node, each);
  }

 private:
  const hosts::Directory& directory() const override { return network_->directory(); }
  Time meet() override { return real_time_ ? real_time_->wait() : ranked_->meet(*this); }

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
  std::optional<RealTime> real_time_;
  std::vector<std::unique_ptr<Outsider>> outsiders_;
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
