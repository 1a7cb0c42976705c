// The server's side of the contract's protocols, perf included: the stack's own answers with zeros instead of
// the pattern.
#pragma once

#include <functional>
#include <memory>

#include "stack/swarm/swarm.h"
#include "tests/interop/ours/json.h"

namespace mesocosm::interop {

inline constexpr ProtocolId kEchoProtocol = "/interop/echo/1.0.0";
inline constexpr ProtocolId kResetProtocol = "/interop/reset/1.0.0";
inline constexpr ProtocolId kHoldProtocol = "/interop/hold/1.0.0";

// Registers all four with a swarm, and must go before it.
class Services {
 public:
  using Tell = std::function<void(const Json& event)>;

  // `checksums`: what perf's clients upload is hashed.
  Services(Swarm& swarm, bool checksums, Tell tell);
  ~Services();

  bool checksums() const { return checksums_; }
  const Tell& tell() const { return tell_; }

 private:
  struct Perf;
  struct Echo;
  struct Reset;
  struct Hold;
  template <class Session>
  struct Service;

  bool checksums_;
  Tell tell_;
  std::unique_ptr<Service<Perf>> perf_;
  std::unique_ptr<Service<Echo>> echo_;
  std::unique_ptr<Service<Reset>> reset_;
  std::unique_ptr<Service<Hold>> hold_;
};

}  // namespace mesocosm::interop
