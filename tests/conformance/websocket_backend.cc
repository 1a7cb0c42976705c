// WebSocketStream in the conformance suite: what the seam promises of byte streams holds inside a WebSocket too,
// on simulated and on real ones, but for the half-close.
#include <algorithm>

#include "stack/websocket/stream.h"
#include "tests/conformance/env_conformance.h"

namespace mesocosm::conformance {
namespace {

// A network whose streams are WebSockets over those of another.
class WebSocketNetwork final : public Network {
 public:
  explicit WebSocketNetwork(Env env) : env_(env) {}

  std::unique_ptr<ByteStream> connect(const Endpoint& to, ByteStream::Events& events,
                                      const Endpoint& from) override {
    return WebSocketStream::connect(env_, to, to.to_string(), events, {in_, out_}, from);
  }
  Result<std::unique_ptr<Listener>> listen(const Endpoint& at, Listener::Events& events) override {
    auto acceptor = std::make_unique<Acceptor>(*this, events);
    auto listener = env_.network.listen(at, *acceptor);
    if (!listener) return listener;
    acceptor->under = std::move(*listener);
    return acceptor;
  }
  Result<std::unique_ptr<Datagrams>> bind(const Endpoint& at, Datagrams::Events& events) override {
    return env_.network.bind(at, events);
  }
  std::unique_ptr<Resolution> resolve(std::string_view name, RecordType type,
                                      Resolution::Events& events) override {
    return env_.network.resolve(name, type, events);
  }
  std::vector<IpAddress> local_addresses() const override { return env_.network.local_addresses(); }

 private:
  struct Acceptor final : Listener, Listener::Events {
    Acceptor(WebSocketNetwork& network, Listener::Events& theirs) : net(network), events(theirs) {}
    void on_accept(std::unique_ptr<ByteStream> stream) override {
      events.on_accept(WebSocketStream::accept(net.env_, std::move(stream), {net.in_, net.out_}));
    }
    Endpoint local() const override { return under->local(); }

    WebSocketNetwork& net;
    Listener::Events& events;
    std::unique_ptr<Listener> under;
  };

  Env env_;
  std::uint64_t in_ = 0;
  std::uint64_t out_ = 0;
};

class WebSocketBackend final : public ConformanceBackend {
 public:
  explicit WebSocketBackend(std::unique_ptr<ConformanceBackend> under)
      : under_(std::move(under)), networks_{WebSocketNetwork(env(0)), WebSocketNetwork(env(1))} {}

  Clock& clock() override { return under_->clock(); }
  Network& network(int host) override { return networks_[host]; }
  IpAddress address(int host) override { return under_->address(host); }
  bool run_until(const std::function<bool()>& predicate, Duration timeout) override {
    return under_->run_until(predicate, timeout);
  }
  Duration quiet() const override { return under_->quiet(); }
  bool loses_datagrams() const override { return under_->loses_datagrams(); }
  bool half_closes() const override { return false; }
  std::string known_name() const override { return under_->known_name(); }
  std::string unknown_name() const override { return under_->unknown_name(); }

 private:
  Env env(int host) { return {under_->clock(), under_->network(host), rng_, entropy_, trace_}; }

  std::unique_ptr<ConformanceBackend> under_;
  Rng rng_{1};
  SeededEntropy entropy_{Rng(2)};
  NoTrace trace_;
  WebSocketNetwork networks_[2];
};

std::unique_ptr<ConformanceBackend> over(std::string_view name) {
  const auto entry = std::find_if(backends().begin(), backends().end(),
                                  [&](const BackendEntry& other) { return other.name == name; });
  REQUIRE(entry != backends().end());
  auto under = entry->make();
  if (under == nullptr) return nullptr;
  return std::make_unique<WebSocketBackend>(std::move(under));
}

const BackendRegistration kFlow("ws/flow/ipv4", [] { return over("flow/ipv4"); });
const BackendRegistration kReal("ws/real/ipv4", [] { return over("real/ipv4"); });

}  // namespace
}  // namespace mesocosm::conformance
