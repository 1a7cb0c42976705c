#include "stack/protocols/ping/ping_core.h"

#include "stack/base/assert.h"

namespace mesocosm {

Bytes PingCore::send(const PingPayload& payload, Time now) {
  MC_ASSERT(state_ == State::kIdle);
  payload_ = payload;
  sent_ = now;
  matched_ = 0;
  state_ = State::kWaiting;
  return Bytes::copy(payload_);
}

Result<std::optional<Duration>> PingCore::on_bytes(ByteView bytes, Time now) {
  if (bytes.empty()) return std::nullopt;
  const std::size_t missing = kPingSize - matched_;
  const bool right = state_ == State::kWaiting && bytes.size() <= missing &&
                     equal(bytes, ByteView(payload_).subspan(matched_, bytes.size()));
  if (!right) {
    state_ = State::kFailed;
    return fail(ErrorCode::protocol_violation, "not the echo of the ping");
  }
  matched_ = static_cast<std::uint8_t>(matched_ + bytes.size());
  if (matched_ < kPingSize) return std::nullopt;
  state_ = State::kIdle;
  return now - sent_;
}

}  // namespace mesocosm
