// What the libp2p project's transport-interop contract asks of a program, in its older form (libp2p/test-plans,
// transport-interop) and its newer one (libp2p/unified-testing, transport): variables in, one report out.
#pragma once

#include <cstdint>
#include <functional>
#include <string>

#include "stack/base/ip.h"
#include "stack/base/result.h"
#include "stack/base/time.h"

namespace mesocosm::interop {

struct Contract {
  bool newer = false;
  bool dialer = false;
  bool websocket = false;
  bool tls = false;
  IpAddress ip;            // to listen at; unspecified: everywhere
  std::string redis_host;  // a name or an address
  std::uint16_t redis_port = 0;
  std::string key;  // of the Redis list that brings the listener's address to the dialer
  Duration timeout{};
};

// An environment variable's value, or null.
using Variables = std::function<const char*(const char* name)>;

// TEST_KEY makes it the newer form. Errors, naming the variable: bad_encoding, unsupported (a transport, security
// or muxer that we do not have).
Result<Contract> read_contract(const Variables& variables);

// What the dialer says on standard output.
std::string report(const Contract& contract, Duration handshake_plus_one_rtt, Duration ping_rtt);

}  // namespace mesocosm::interop
