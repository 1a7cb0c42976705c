// The packet backend in the conformance suite: two hosts 20 ms apart.
#include "sim/packet/packet_network.h"
#include "tests/conformance/env_conformance.h"
#include "tests/simulation/uniform_paths.h"

namespace mesocosm::conformance {
namespace {

class PacketBackend final : public ConformanceBackend {
 public:
  PacketBackend(IpVersion version, UniformPaths paths)
      : version_(version),
        paths_(paths),
        network_(kernel_, paths_, Rng(1), {}, nullptr, version == IpVersion::v6) {
    network_.directory().register_name("known.example", {address(1)});
  }

  Clock& clock() override { return kernel_; }
  Network& network(int host) override { return network_.attach(static_cast<HostIndex>(host)); }
  IpAddress address(int host) override {
    const auto index = static_cast<HostIndex>(host);
    const hosts::Directory& directory = network_.directory();
    return version_ == IpVersion::v4 ? directory.address_v4(index) : directory.address_v6(index);
  }
  bool run_until(const std::function<bool()>& predicate, Duration timeout) override {
    const Time end = kernel_.now() + timeout;
    while (!predicate()) {
      if (kernel_.next_event() > end || !kernel_.step()) {
        kernel_.run_until(end);
        return predicate();
      }
    }
    return true;
  }
  bool loses_datagrams() const override { return paths_.loss > 0; }
  Duration quiet() const override { return 5s; }
  std::string known_name() const override { return "known.example"; }
  std::string unknown_name() const override { return "unknown.example"; }

 private:
  IpVersion version_;
  UniformPaths paths_;
  Kernel kernel_;
  PacketNetwork network_;
};

UniformPaths lossy() {
  UniformPaths paths;
  paths.loss = 0.005;
  paths.spread = 15ms;
  return paths;
}

const BackendRegistration kPacket4("packet/ipv4", [] {
  return std::make_unique<PacketBackend>(IpVersion::v4, UniformPaths());
});
const BackendRegistration kPacket6("packet/ipv6", [] {
  return std::make_unique<PacketBackend>(IpVersion::v6, UniformPaths());
});
const BackendRegistration kLossy("packet/lossy",
                                 [] { return std::make_unique<PacketBackend>(IpVersion::v4, lossy()); });

}  // namespace
}  // namespace mesocosm::conformance
