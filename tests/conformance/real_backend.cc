// The real backend in the conformance suite: two nodes of one process on loopback.
#include <netdb.h>

#include "stack/asio/asio_env.h"
#include "tests/conformance/env_conformance.h"

namespace mesocosm::conformance {
namespace {

class RealBackend final : public ConformanceBackend {
 public:
  explicit RealBackend(IpVersion version)
      : version_(version),
        networks_{AsioNetwork(loop_, {{address(0)}}), AsioNetwork(loop_, {{address(1)}})} {}

  Clock& clock() override { return loop_; }
  Network& network(int host) override { return networks_[host]; }
  // All of 127.0.0.0/8 is the machine's, but only one IPv6 address. Host 1 is "localhost".
  IpAddress address(int host) override {
    if (version_ == IpVersion::v4) return IpAddress::v4(0x7f000002 - static_cast<std::uint32_t>(host));
    return IpAddress::v6({0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1});
  }

  bool run_until(const std::function<bool()>& predicate, Duration timeout) override {
    const Time end = loop_.now() + timeout;
    while (!predicate()) {
      if (loop_.now() >= end) return false;
      loop_.step(end);
    }
    return true;
  }
  Duration quiet() const override { return 30ms; }

  // Not every machine knows localhost's IPv6 address.
  std::string known_name() const override {
    addrinfo hints{}, *found = nullptr;
    hints.ai_family = version_ == IpVersion::v4 ? AF_INET : AF_INET6;
    if (::getaddrinfo("localhost", nullptr, &hints, &found) != 0) return {};
    ::freeaddrinfo(found);
    return "localhost";
  }
  // The resolver refuses such a label by itself, without asking a name server.
  std::string unknown_name() const override { return std::string(70, 'x') + ".invalid"; }

  bool possible() {
    class Nobody final : public Listener::Events {
      void on_accept(std::unique_ptr<ByteStream>) override {}
    } nobody;
    return networks_[0].listen({address(0), 0}, nobody).has_value();
  }

 private:
  IpVersion version_;
  AsioLoop loop_;
  AsioNetwork networks_[2];
};

std::unique_ptr<ConformanceBackend> make(IpVersion version) {
  auto backend = std::make_unique<RealBackend>(version);
  if (!backend->possible()) return nullptr;
  return backend;
}

const BackendRegistration kReal4("real/ipv4", [] { return make(IpVersion::v4); });
const BackendRegistration kReal6("real/ipv6", [] { return make(IpVersion::v6); });

}  // namespace
}  // namespace mesocosm::conformance
