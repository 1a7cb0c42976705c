// What the peer program is told on its command line (tests/interop/README.md).
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <string>

#include "stack/base/result.h"
#include "stack/base/time.h"
#include "stack/observe/log.h"
#include "stack/protocols/gossipsub/params.h"

namespace mesocosm::interop {

enum class Bench : std::uint8_t { none, mesh, memory };

struct Options {
  bool websocket = false;
  bool tls = false;
  bool early_muxer = true;
  bool listen = true;
  bool checksums = false;
  std::optional<std::uint64_t> seed;       // of the identity
  std::optional<GossipSubParams> scoring;  // peers are scored, in a mesh of these numbers
  Duration time_limit = 120s;
  LogLevels log;  // what is logged to standard error: the environment variable MESOCOSM_LOG

  Bench bench = Bench::none;
  std::uint32_t nodes = 10;
  std::uint32_t connections = 8;
  std::uint32_t messages = 2000;
  std::uint32_t size = 1000;
};

// Error: bad_encoding, naming the argument or the variable that is wrong.
Result<Options> parse_options(std::span<char*> arguments);

}  // namespace mesocosm::interop
