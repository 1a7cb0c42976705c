// Perf as pure cores (libp2p/specs perf/perf.md): the client sends a 64-bit big-endian number of bytes that
// it wants, uploads what it likes and ends; the server then sends that many bytes and ends. No buffers: all
// payload is zeros from one static page.
#pragma once

#include <cstddef>
#include <cstdint>

#include "stack/base/bytes.h"
#include "stack/base/result.h"

namespace mesocosm {

inline constexpr std::size_t kPerfHeaderSize = 8;

// The next zeros to send: at most `room`, `left` and 64 KiB; allocates nothing.
Bytes perf_zeros(std::uint64_t left, std::size_t room);

//   kSending ──everything was taken──▶ kReceiving ──end of stream──▶ kDone
class PerfClientCore {
 public:
  PerfClientCore(std::uint64_t upload, std::uint64_t download) : upload_left_(upload), download_(download) {}

  // What to send next, at most `room` bytes (room >= 8), or empty when everything was sent: then finish.
  Bytes next(std::size_t room);
  bool sent_all() const { return header_sent_ && upload_left_ == 0; }
  // Errors: protocol_violation when the peer sends more or less than was asked for.
  Result<> on_bytes(std::size_t size);
  Result<> on_end() const;
  std::uint64_t received() const { return received_; }

 private:
  std::uint64_t upload_left_;
  std::uint64_t download_;
  std::uint64_t received_ = 0;
  bool header_sent_ = false;
};

//   kHeader ──8 bytes──▶ kUpload ──end of stream──▶ kReply ──everything was taken──▶ done
class PerfServerCore {
 public:
  void on_bytes(ByteView bytes);
  Result<> on_end();             // protocol_violation: before the header was complete
  Bytes next(std::size_t room);  // empty before the end of the upload, and when everything was sent
  bool replied() const { return ended_ && reply_left_ == 0; }

 private:
  std::uint64_t reply_left_ = 0;
  std::uint8_t header_ = 0;  // bytes of it that have come
  bool ended_ = false;
};

}  // namespace mesocosm
