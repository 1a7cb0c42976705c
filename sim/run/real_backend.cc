#include "sim/run/real_backend.h"

#include <algorithm>
#include <vector>

#include "sim/run/world.h"
#include "stack/asio/asio_env.h"

namespace mesocosm {
namespace {

class RealBackend final : public Backend {
 public:
  explicit RealBackend(std::uint16_t port) : port_(port) {}

  Clock& clock() override { return loop_; }

  Network& attach(NodeIndex) override {
    AsioNetwork::Options options;
    options.addresses = {loopback()};
    networks_.push_back(std::make_unique<AsioNetwork>(loop_, std::move(options)));
    return *networks_.back();
  }

  Network* machine() override { return &machine_; }
  std::unique_ptr<Entropy> entropy(const Rng&) override { return std::make_unique<SystemEntropy>(); }

  TransportFactory transport_factory(NodeIndex, const UpgradeOptions& options) override {
    return tcp_factory(options);
  }

  Multiaddr listen_address(NodeIndex node) const override {
    const std::uint32_t port = port_ == 0 ? 0 : port_ + node;
    if (port > 65535)
      throw ConfigError("no TCP port " + std::to_string(port) + " for node " + std::to_string(node));
    return Multiaddr::tcp({loopback(), static_cast<std::uint16_t>(port)});
  }
  void use_ipv6() override { throw ConfigError("nodes of a real world listen on 127.0.0.1, not on IPv6"); }

  void put_behind(const NatConfig&, std::span<const NodeIndex>) override {
    throw ConfigError("real nodes have no simulated middleboxes before them");
  }

  void slow_down(NodeIndex, Duration) override {
    throw ConfigError("slowdown: real nodes are as fast as they are");
  }

  bool advance(Time until, Duration wall) override {
    loop_.run_until(std::min(until, loop_.now() + wall));
    return loop_.now() >= until;
  }
  void stop() override { loop_.stop(); }

  void run_in_real_time() override {
    throw ConfigError("attach: processes can join worlds on the packet backend only");
  }
  void hand_over(NodeIndex, Tun) override { run_in_real_time(); }
  void capture(capture::Captures&) override {
    throw ConfigError(
        "capture: real nodes are on the loopback interface, where tcpdump and Wireshark capture");
  }
  std::uint64_t events() const override { return 0; }

 private:
  static IpAddress loopback() { return IpAddress::v4(0x7f000001); }

  std::uint16_t port_;
  AsioLoop loop_;
  AsioNetwork machine_{loop_};
  std::vector<std::unique_ptr<AsioNetwork>> networks_;
};

}  // namespace

std::unique_ptr<Backend> make_real_backend(std::uint16_t port) { return std::make_unique<RealBackend>(port); }

}  // namespace mesocosm
