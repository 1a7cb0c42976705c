// The flow backend in the conformance suite: two hosts 20 ms apart.
#include "sim/flow/flow_network.h"
#include "tests/conformance/env_conformance.h"
#include "tests/simulation/uniform_paths.h"

namespace mesocosm::conformance {
namespace {

class FlowBackend final : public ConformanceBackend {
 public:
  FlowBackend(IpVersion version, UniformPaths paths)
      : version_(version), paths_(paths), network_(kernel_, paths_, Rng(1)) {
    network_.directory().register_name("known.example", {network_.address_v4(1), network_.address_v6(1)});
  }

  Clock& clock() override { return kernel_; }
  Network& network(int host) override { return network_.attach(static_cast<HostIndex>(host)); }
  IpAddress address(int host) override {
    const auto index = static_cast<HostIndex>(host);
    return version_ == IpVersion::v4 ? network_.address_v4(index) : network_.address_v6(index);
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
  FlowNetwork network_;
};

UniformPaths lossy() {
  UniformPaths paths;
  paths.loss = 0.02;
  paths.spread = 15ms;
  return paths;
}

const BackendRegistration kFlow4("flow/ipv4",
                                 [] { return std::make_unique<FlowBackend>(IpVersion::v4, UniformPaths()); });
const BackendRegistration kFlow6("flow/ipv6",
                                 [] { return std::make_unique<FlowBackend>(IpVersion::v6, UniformPaths()); });
const BackendRegistration kLossy("flow/lossy",
                                 [] { return std::make_unique<FlowBackend>(IpVersion::v4, lossy()); });

}  // namespace
}  // namespace mesocosm::conformance
