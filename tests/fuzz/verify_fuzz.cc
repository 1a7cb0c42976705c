// Verifying with RSA, ECDSA and secp256k1 keys: true signatures with edits, keys whose numbers are the input, and keys
// that are the input as they are.
#include <algorithm>
#include <array>
#include <span>
#include <string_view>
#include <vector>

#include "stack/base/assert.h"
#include "stack/base/byte_writer.h"
#include "stack/crypto/keys.h"
#include "stack/wire/multibase.h"
#include "stack/wire/protobuf.h"
#include "tests/fuzz/fuzz_input.h"

using namespace mesocosm;

namespace {

constexpr std::string_view kMessage = "a message";

// Public keys and signatures of kMessage, made by go-libp2p.
constexpr std::string_view kSigned[][2] = {
    {"08021221037777e994e452c21604f91de093ce415f5432f701dd8cd1a7a6fea0e630bfca99",
     "30440220693275d4f354b81832f1360477b5a56342aef97d24547a0807d869e273353d0102203fdeb0fd556eb5bc37c2adc09e"
     "063df4c6040e720fb0f7171e572b298ab0a900"},
    {"0803125b3059301306072a8648ce3d020106082a8648ce3d03010703420004de3d300fa36ae0e8f5d530899d83abab44abf316"
     "1f162a4bc901d8e6ecda020e8b6d5f8da30525e71d6851510c098e5c47c646a597fb4dcec034e9f77c409e62",
     "30450220435f62290eb1e775729bca15369c3434dac4823ec2618f80b73c06aad1d1c902022100dbeaee642fd8a380bcf7845f"
     "aa8ea5051eb0072f84c43940ed0836ce49ce1c47"},
};

Bytes hex(std::string_view text) { return decode_base(Base::base16, text).value(); }

Bytes edited(const Bytes& bytes, FuzzInput& input) {
  std::vector<std::uint8_t> copy(bytes.begin(), bytes.end());
  for (std::size_t edits = input.below(4); edits > 0; --edits) {
    switch (input.below(3)) {
      case 0:
        copy[input.below(copy.size())] = input.byte();
        break;
      case 1:
        copy.insert(copy.begin() + static_cast<std::ptrdiff_t>(input.below(copy.size())), input.byte());
        break;
      case 2:
        copy.resize(copy.size() - input.below(copy.size()));
        break;
    }
  }
  return Bytes::copy(copy);
}

void verify_edited(FuzzInput& input) {
  const auto& pair = kSigned[input.below(std::size(kSigned))];
  const Bytes true_key = hex(pair[0]), true_signature = hex(pair[1]);
  const Bytes key = edited(true_key, input), signature = edited(true_signature, input);
  const auto decoded = PublicKey::decode(key);
  const bool valid = decoded && decoded->verify(as_bytes(kMessage), signature);
  const bool same = decoded && decoded->serialized() == true_key && signature == true_signature;
  MC_ASSERT(valid == same);
}

void put_der(ByteWriter& out, std::uint8_t tag, ByteView content) {
  out.put(tag);
  out.put(0x82);
  out.put_u16_be(static_cast<std::uint16_t>(content.size()));
  out.put(content);
}

// Lengths always take three bytes here, so that short ones are not DER: the bits must be many.
Bytes rsa_message(ByteView modulus, ByteView exponent) {
  constexpr std::array<std::uint8_t, 15> kAlgorithm{0x30, 0x0d, 0x06, 0x09, 0x2a, 0x86, 0x48, 0x86,
                                                    0xf7, 0x0d, 0x01, 0x01, 0x01, 0x05, 0x00};
  ByteWriter numbers, key, bits, info, spki, message;
  put_der(numbers, 0x02, modulus);
  numbers.put(0x02);
  numbers.put(static_cast<std::uint8_t>(exponent.size()));
  numbers.put(exponent);
  bits.put(0);
  put_der(bits, 0x30, numbers.view());
  info.put(kAlgorithm);
  put_der(info, 0x03, bits.view());
  put_der(spki, 0x30, info.view());
  ProtoWriter proto(message);
  proto.varint(1, 0);
  proto.bytes(2, spki.view());
  return message.take();
}

void verify_rsa_numbers(FuzzInput& input) {
  const std::size_t size = 256 + input.below(4) * 256 + input.below(3);
  const Bytes exponent = input.bytes(1 + input.below(5));
  const Bytes seed = input.bytes(1040);
  const Bytes modulus = Bytes::build(size, [&](MutableByteView out) {
    std::fill(out.begin(), out.end(), 0x5b);
    std::copy_n(seed.begin(), std::min(seed.size(), out.size()), out.begin());
  });
  const auto key = PublicKey::decode(rsa_message(modulus, exponent));
  if (key) MC_ASSERT(!key->verify(as_bytes(kMessage), seed) && !key->verify(as_bytes(kMessage), modulus));
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  FuzzInput input(data, size);
  switch (input.below(3)) {
    case 0:
      verify_edited(input);
      break;
    case 1:
      verify_rsa_numbers(input);
      break;
    case 2: {
      const auto key = PublicKey::decode(input.bytes(SIZE_MAX));
      if (key) static_cast<void>(key->verify(as_bytes(kMessage), key->raw()));
      break;
    }
  }
  return 0;
}
