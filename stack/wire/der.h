// DER (ITU-T X.690), the strict encoding of ASN.1, read without copying: definite lengths in their shortest form
// and nothing else.
//
//   DerReader reader(bytes);
//   const auto body = reader.take(der::kSequence);   // empty optional: something else, or malformed
//   if (!body || !reader.empty()) return fail(ErrorCode::bad_encoding);
#pragma once

#include <cstdint>
#include <optional>

#include "stack/base/bytes.h"

namespace mesocosm {

namespace der {
inline constexpr std::uint8_t kInteger = 0x02;
inline constexpr std::uint8_t kBitString = 0x03;
inline constexpr std::uint8_t kOctetString = 0x04;
inline constexpr std::uint8_t kNull = 0x05;
inline constexpr std::uint8_t kObjectId = 0x06;
inline constexpr std::uint8_t kSequence = 0x30;
}  // namespace der

// Takes elements off the front; constant memory, and each take's time does not depend on the element's size.
class DerReader {
 public:
  explicit DerReader(ByteView bytes) : rest_(bytes) {}

  bool empty() const { return rest_.empty(); }
  // The content of the next element, if it has this tag (of one byte) and is well-formed; else nothing is taken.
  std::optional<ByteView> take(std::uint8_t tag);
  // The magnitude of the next element, a positive INTEGER: big-endian, without leading zeros, not empty.
  std::optional<ByteView> take_positive();
  // The content of the next element, a BIT STRING of whole bytes.
  std::optional<ByteView> take_whole_bits();

 private:
  ByteView rest_;
};

}  // namespace mesocosm
