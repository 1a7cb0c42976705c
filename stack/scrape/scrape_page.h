// ScrapePage: serves what was counted to Prometheus: GET /metrics over HTTP/1.1, one request a connection.
#pragma once

#include <cstddef>
#include <memory>
#include <vector>

#include "stack/env/clock.h"
#include "stack/env/network.h"
#include "stack/observe/metrics.h"

namespace mesocosm {

struct ScrapeOptions {
  std::size_t connections = 16;  // at once; further ones are dropped
  Duration timeout = 10s;        // for a connection, from its beginning to its end
};

class ScrapePage final : private Listener::Events {
 public:
  // All three must outlive it. Errors: those of Network::listen.
  static Result<std::unique_ptr<ScrapePage>> open(Clock& clock, Network& network, const Metrics& metrics,
                                                  const Endpoint& at, ScrapeOptions options = {});
  ~ScrapePage();

  Endpoint local() const { return listener_->local(); }  // with the port that was chosen
  std::size_t connections() const { return sessions_.size(); }

 private:
  class Session;

  ScrapePage(Clock& clock, const Metrics& metrics, ScrapeOptions options);
  void on_accept(std::unique_ptr<ByteStream> stream) override;
  void remove(Session& session);

  Clock& clock_;
  const Metrics& metrics_;
  ScrapeOptions options_;
  std::unique_ptr<Listener> listener_;
  std::vector<std::unique_ptr<Session>> sessions_;
};

}  // namespace mesocosm
