#include "stack/wire/multibase.h"

#include <algorithm>
#include <array>
#include <vector>

#include "stack/base/assert.h"
#include "stack/base/byte_writer.h"

namespace mesocosm {
namespace {

struct Alphabet {
  Base base;
  std::string_view digits;
  int bits;               // a digit's bits if the base is a power of two, else 0
  bool any_case = false;  // read in either case
};

constexpr std::array kAlphabets{
    Alphabet{Base::base16, "0123456789abcdef", 4, true},
    Alphabet{Base::base32, "abcdefghijklmnopqrstuvwxyz234567", 5, true},
    Alphabet{Base::base36, "0123456789abcdefghijklmnopqrstuvwxyz", 0, true},
    Alphabet{Base::base58btc, "123456789ABCDEFGHJKLMNPQRSTUVWXYZabcdefghijkmnopqrstuvwxyz", 0},
    Alphabet{Base::base64, "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/", 6},
    Alphabet{Base::base64url, "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_", 6},
};

const Alphabet* find_alphabet(char prefix) {
  for (const Alphabet& alphabet : kAlphabets)
    if (static_cast<char>(alphabet.base) == prefix) return &alphabet;
  return nullptr;
}

char lower(char letter) {
  return letter >= 'A' && letter <= 'Z' ? static_cast<char>(letter - 'A' + 'a') : letter;
}

// The digit's value, or a negative number.
int digit_value(const Alphabet& alphabet, char digit) {
  if (alphabet.any_case) digit = lower(digit);
  const std::size_t at = alphabet.digits.find(digit);
  return at == std::string_view::npos ? -1 : static_cast<int>(at);
}

std::string encode_bits(const Alphabet& alphabet, ByteView bytes) {
  MC_ASSERT(alphabet.bits > 0 && alphabet.bits < 8);
  std::string text;
  text.reserve((bytes.size() * 8 + 5) / static_cast<std::size_t>(alphabet.bits));
  const unsigned mask = (1u << alphabet.bits) - 1;
  unsigned pending = 0;
  int count = 0;
  for (std::uint8_t byte : bytes) {
    pending = pending << 8 | byte;
    for (count += 8; count >= alphabet.bits; count -= alphabet.bits)
      text += alphabet.digits[pending >> (count - alphabet.bits) & mask];
    pending &= (1u << count) - 1;
  }
  if (count > 0) text += alphabet.digits[pending << (alphabet.bits - count) & mask];
  return text;
}

bool decode_bits(const Alphabet& alphabet, std::string_view text, ByteWriter& out) {
  unsigned pending = 0;
  int count = 0;
  for (char digit : text) {
    const int value = digit_value(alphabet, digit);
    if (value < 0) return false;
    pending = pending << alphabet.bits | static_cast<unsigned>(value);
    count += alphabet.bits;
    if (count < 8) continue;
    count -= 8;
    out.put(static_cast<std::uint8_t>(pending >> count));
    pending &= (1u << count) - 1;
  }
  return count < alphabet.bits && pending == 0;  // what is left over can only be the last byte's filling
}

// Long division between bases, with the number's digits in `from` (most significant first). Leading zeros
// stay.
std::vector<std::uint8_t> convert(const std::vector<std::uint8_t>& from, unsigned from_base,
                                  unsigned to_base) {
  std::vector<std::uint8_t> reversed;
  for (std::uint8_t digit : from) {
    unsigned carry = digit;
    for (std::uint8_t& place : reversed) {
      carry += place * from_base;
      place = static_cast<std::uint8_t>(carry % to_base);
      carry /= to_base;
    }
    for (; carry > 0; carry /= to_base) reversed.push_back(static_cast<std::uint8_t>(carry % to_base));
  }
  const auto zeros = std::find_if(from.begin(), from.end(), [](std::uint8_t digit) { return digit != 0; });
  reversed.insert(reversed.end(), static_cast<std::size_t>(zeros - from.begin()), 0);
  std::reverse(reversed.begin(), reversed.end());
  return reversed;
}

std::string encode_number(const Alphabet& alphabet, ByteView bytes) {
  const auto base = static_cast<unsigned>(alphabet.digits.size());
  std::string text;
  for (std::uint8_t digit : convert({bytes.begin(), bytes.end()}, 256, base)) text += alphabet.digits[digit];
  return text;
}

bool decode_number(const Alphabet& alphabet, std::string_view text, ByteWriter& out) {
  std::vector<std::uint8_t> digits;
  digits.reserve(text.size());
  for (char digit : text) {
    const int value = digit_value(alphabet, digit);
    if (value < 0) return false;
    digits.push_back(static_cast<std::uint8_t>(value));
  }
  out.put(ByteView(convert(digits, static_cast<unsigned>(alphabet.digits.size()), 256)));
  return true;
}

}  // namespace

std::string encode_base(Base base, ByteView bytes) {
  const Alphabet& alphabet = *find_alphabet(static_cast<char>(base));
  return alphabet.bits > 0 ? encode_bits(alphabet, bytes) : encode_number(alphabet, bytes);
}

Result<Bytes> decode_base(Base base, std::string_view text) {
  if (text.size() > kMaxBaseText) return fail(ErrorCode::too_large, "encoded text too long");
  const Alphabet& alphabet = *find_alphabet(static_cast<char>(base));
  ByteWriter out;
  const bool good = alphabet.bits > 0 ? decode_bits(alphabet, text, out) : decode_number(alphabet, text, out);
  if (!good)
    return fail(ErrorCode::bad_encoding,
                "bad digits for multibase " + std::string(1, static_cast<char>(base)));
  return out.take();
}

std::string encode_multibase(Base base, ByteView bytes) {
  return static_cast<char>(base) + encode_base(base, bytes);
}

Result<Bytes> decode_multibase(std::string_view text) {
  if (text.empty()) return fail(ErrorCode::bad_encoding, "empty multibase text");
  const Alphabet* alphabet = find_alphabet(text.front());
  if (alphabet == nullptr) {
    alphabet = find_alphabet(lower(text.front()));
    if (alphabet == nullptr || !alphabet->any_case)
      return fail(ErrorCode::unsupported, "multibase " + std::string(1, text.front()));
  }
  return decode_base(alphabet->base, text.substr(1));
}

}  // namespace mesocosm
