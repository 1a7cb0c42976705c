// The client's side of the contract's protocols and of ping: each exchange has a stream of its own and tells
// its outcome once.
#pragma once

#include <cstdint>
#include <functional>

#include "stack/env/env.h"
#include "stack/swarm/session_set.h"
#include "stack/swarm/swarm.h"
#include "tests/interop/ours/json.h"

namespace mesocosm::interop {

using Done = std::function<void(Result<Json>)>;  // the fields of the answer

class Exchanges {
 public:
  Exchanges(Env& env, Swarm& swarm, bool checksums);
  ~Exchanges();

  // `done` is called in a later turn, or at once with not_found when the peer is not connected.
  void ping(const PeerId& peer, std::uint32_t count, Done done);
  void perf(const PeerId& peer, std::uint64_t up, std::uint64_t down, Done done);
  void echo(const PeerId& peer, std::uint32_t streams, std::uint64_t bytes, Done done);
  void remote_reset(const PeerId& peer, Done done);
  void local_reset(const PeerId& peer, Done done);

 private:
  class Exchange;
  class Ping;
  class Perf;
  class Echo;
  class RemoteReset;
  class LocalReset;
  void start(std::unique_ptr<Exchange> exchange, const PeerId& peer, const ProtocolId& protocol);

  Env& env_;
  Swarm& swarm_;
  bool checksums_;
  SessionSet<Exchange> running_;
};

}  // namespace mesocosm::interop
