// Perf over a swarm: measures how fast bytes go up and down, and lets others measure (libp2p/specs
// perf/perf.md).
#pragma once

#include <cstdint>
#include <memory>

#include "stack/protocols/perf/perf_core.h"
#include "stack/swarm/session_set.h"
#include "stack/swarm/swarm.h"

namespace mesocosm {

inline constexpr ProtocolId kPerfProtocol = "/perf/1.0.0";

struct PerfResult {
  std::uint64_t uploaded = 0;    // bytes
  std::uint64_t downloaded = 0;  // bytes
  Duration upload{};             // from the first write until the stream took the last byte
  Duration download{};           // from there to the end of the answer
};

class PerfEvents {
 public:
  virtual void on_perf_done(const PeerId& peer, const PerfResult& result) = 0;
  virtual void on_perf_failed(const PeerId& peer, const Error& error) = 0;

 protected:
  ~PerfEvents() = default;
};

class Perf final : public ProtocolHandler {
 public:
  Perf(Env& env, Swarm& swarm);
  ~Perf();

  // One of `events` follows, in a later turn; it must live until then. There is no time limit.
  // Errors: not_found (not connected), protocol_violation, what closed the stream.
  void run(const PeerId& peer, std::uint64_t upload, std::uint64_t download, PerfEvents& events);

  void on_stream(std::unique_ptr<Stream> stream) override;

 private:
  struct Client;
  struct Server;

  Env& env_;
  Swarm& swarm_;
  SessionSet<Client> clients_;
  SessionSet<Server> servers_;
};

}  // namespace mesocosm
