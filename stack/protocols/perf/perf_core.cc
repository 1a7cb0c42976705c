#include "stack/protocols/perf/perf_core.h"

#include <algorithm>

namespace mesocosm {

namespace {
constexpr std::size_t kPage = 64 * 1024;
std::uint8_t zeros[kPage];  // never written
}  // namespace

Bytes perf_zeros(std::uint64_t left, std::size_t room) {
  const std::uint64_t size = std::min({left, std::uint64_t{room}, std::uint64_t{kPage}});
  return Bytes::unowned({zeros, static_cast<std::size_t>(size)});
}

Bytes PerfClientCore::next(std::size_t room) {
  if (!header_sent_) {
    header_sent_ = true;
    return Bytes::build(kPerfHeaderSize, [this](MutableByteView out) {
      for (std::size_t i = 0; i < out.size(); ++i)
        out[i] = static_cast<std::uint8_t>(download_ >> (56 - 8 * i));
    });
  }
  Bytes part = perf_zeros(upload_left_, room);
  upload_left_ -= part.size();
  return part;
}

Result<> PerfClientCore::on_bytes(std::size_t size) {
  received_ += size;
  if (received_ > download_) return fail(ErrorCode::protocol_violation, "more bytes than were asked for");
  return {};
}

Result<> PerfClientCore::on_end() const {
  if (!sent_all()) return fail(ErrorCode::protocol_violation, "an end before the upload's");
  if (received_ < download_) return fail(ErrorCode::protocol_violation, "fewer bytes than were asked for");
  return {};
}

void PerfServerCore::on_bytes(ByteView bytes) {
  for (std::size_t i = 0; i < bytes.size() && header_ < kPerfHeaderSize; ++i, ++header_) {
    reply_left_ = reply_left_ << 8 | bytes[i];
  }
}

Result<> PerfServerCore::on_end() {
  if (header_ < kPerfHeaderSize) return fail(ErrorCode::protocol_violation, "an end within the header");
  ended_ = true;
  return {};
}

Bytes PerfServerCore::next(std::size_t room) {
  if (!ended_) return {};
  Bytes part = perf_zeros(reply_left_, room);
  reply_left_ -= part.size();
  return part;
}

}  // namespace mesocosm
