// Redis's protocol (RESP2), as much of it as a client of lists needs: commands out, replies in.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "stack/base/bytes.h"
#include "stack/base/result.h"

namespace mesocosm::interop {

struct RedisReply {
  enum class Kind : std::uint8_t { text, error, number, nothing, list };

  Kind kind = Kind::nothing;
  std::string text;  // of a text or an error
  std::int64_t number = 0;
  std::vector<RedisReply> items;
};

Bytes redis_command(std::span<const std::string_view> words);

// Cuts a stream of bytes into replies.
class RedisReader {
 public:
  static constexpr std::size_t kMaxLine = 512;
  static constexpr std::size_t kMaxText = 16 * 1024;
  static constexpr std::size_t kMaxItems = 16;  // of a list
  static constexpr unsigned kMaxDepth = 3;      // of lists in lists

  void on_bytes(ByteView bytes) { buffer_ += as_text(bytes); }
  // The next reply, or nothing until more has come; to be asked until there is none. Errors, after which
  // nothing can be read any more: bad_encoding, too_large.
  Result<std::optional<RedisReply>> next();

 private:
  std::string buffer_;
};

}  // namespace mesocosm::interop
