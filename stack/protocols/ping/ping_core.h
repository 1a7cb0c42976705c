// Ping's client as a pure core: 32 bytes out, the same 32 bytes back (libp2p/specs ping/ping.md).
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <optional>

#include "stack/base/bytes.h"
#include "stack/base/result.h"
#include "stack/base/time.h"

namespace mesocosm {

inline constexpr std::size_t kPingSize = 32;
using PingPayload = std::array<std::uint8_t, kPingSize>;

//   kIdle ──send──▶ kWaiting ──32 right bytes──▶ kIdle
//     └──any bytes──────┴──a wrong byte──▶ kFailed (stays)
class PingCore {
 public:
  // Begins a round trip; what is returned is to be sent. Requires that none is under way.
  Bytes send(const PingPayload& payload, Time now);
  // Bytes of the echo. The round trip when it is complete; protocol_violation for bytes that were not sent.
  Result<std::optional<Duration>> on_bytes(ByteView bytes, Time now);

 private:
  enum class State : std::uint8_t {
    kIdle,     // nothing is under way
    kWaiting,  // sent at sent_, `matched_` bytes have come back
    kFailed,   // the peer sent something else
  };

  PingPayload payload_{};
  Time sent_{};
  std::uint8_t matched_ = 0;
  State state_ = State::kIdle;
};

}  // namespace mesocosm
