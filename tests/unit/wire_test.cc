// ByteWriter, unsigned varints, protobuf's wire format and length-prefixed framing.
#include <vector>

#include <catch2/catch.hpp>

#include "stack/base/byte_writer.h"
#include "stack/wire/framing.h"
#include "stack/wire/protobuf.h"
#include "stack/wire/varint.h"
#include "tests/unit/vector_file.h"

using namespace mesocosm;

namespace {

Bytes octets(std::initializer_list<std::uint8_t> list) {
  return Bytes::copy(ByteView(list.begin(), list.size()));
}

Varint decoded(std::initializer_list<std::uint8_t> list) {
  return decode_varint(ByteView(list.begin(), list.size()));
}

std::string encoded(std::uint64_t value) {
  ByteWriter out;
  append_varint(out, value);
  std::vector<std::uint8_t> vector;
  append_varint(vector, value);
  REQUIRE(equal(out.view(), vector));
  REQUIRE(out.size() == varint_size(value));
  return to_hex(out.view());
}

}  // namespace

TEST_CASE("a ByteWriter hands over its buffer", "[wire]") {
  ByteWriter out(5);
  out.put("he");
  out.put_u16_be(0x6c6c);
  out.put(std::uint8_t{'o'});
  const std::uint8_t* data = out.view().data();
  const Bytes bytes = out.take();
  CHECK(bytes.text() == "hello");
  CHECK(bytes.data() == data);
  CHECK(out.empty());
  CHECK(out.capacity() == 0);
}

TEST_CASE("a ByteWriter grows, inserts and moves", "[wire]") {
  ByteWriter out;
  for (int i = 0; i < 1000; ++i) out.put_u32_be(static_cast<std::uint32_t>(i));
  REQUIRE(out.size() == 4000);
  CHECK(to_hex(out.view().subspan(3996)) == "000003e7");
  std::memset(out.insert(4, 2).data(), 0xff, 2);
  CHECK(to_hex(out.view().first(10)) == "00000000ffff00000001");
  ByteWriter other = std::move(out);
  other.truncate(4);
  const Bytes bytes = other.take();  // far smaller than its buffer: copied
  CHECK(to_hex(bytes) == "00000000");
  ByteWriter nothing;
  CHECK(nothing.take().empty());
}

TEST_CASE("unsigned varints: the specification's examples", "[wire]") {
  for (const auto& vector : testing::read_vectors("unsigned-varints.txt", "varint")) {
    const std::uint64_t number = std::stoull(vector.at(0));
    CHECK(encoded(number) == vector.at(1));
    const Varint decoded = decode_varint(testing::from_hex(vector.at(1)));
    CHECK(decoded.ok());
    CHECK(decoded.value == number);
    CHECK(decoded.length == vector.at(1).size() / 2);
  }
  for (const auto& vector : testing::read_vectors("unsigned-varints.txt", "refused")) {
    INFO(vector.at(0) << " " << vector.at(1));
    CHECK(decode_varint(testing::from_hex(vector.at(0))).status == VarintStatus::invalid);
  }
}

TEST_CASE("unsigned varints decode to what was encoded and tell incomplete from invalid", "[wire]") {
  for (int bit = 0; bit < 63; ++bit) {
    for (std::uint64_t value : {(std::uint64_t{1} << bit) - 1, std::uint64_t{1} << bit}) {
      ByteWriter out;
      append_varint(out, value);
      const std::size_t size = out.size();
      out.put(std::uint8_t{0xff});
      const Varint back = decode_varint(out.view());
      REQUIRE(back.ok());
      CHECK(back.value == value);
      CHECK(back.length == size);
      for (std::size_t cut = 0; cut < size; ++cut)
        CHECK(decode_varint(out.view().first(cut)).status == VarintStatus::incomplete);
    }
  }
  CHECK(decoded({0x80, 0x00}).status == VarintStatus::invalid);        // not the shortest form
  CHECK(decoded({0x81, 0x80, 0x00}).status == VarintStatus::invalid);  // nor this
  CHECK(decoded({0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff}).status == VarintStatus::invalid);
  CHECK(decoded({0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff}).status == VarintStatus::incomplete);
  CHECK(decoded({0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x01}).status ==
        VarintStatus::invalid);
}

TEST_CASE("protobuf: known encodings", "[wire]") {
  ByteWriter out;
  ProtoWriter proto(out);
  proto.varint(1, 150);  // the encoding guide's examples
  CHECK(to_hex(out.view()) == "089601");
  out.clear();
  proto.string(2, "testing");
  CHECK(to_hex(out.view()) == "120774657374696e67");
  out.clear();
  proto.message(3, [](ProtoWriter& nested) { nested.varint(1, 150); });
  CHECK(to_hex(out.view()) == "1a03089601");
  out.clear();
  proto.fixed64(4, 0x0102030405060708);
  proto.fixed32(5, 0x01020304);
  proto.varint(100, UINT64_MAX);
  proto.boolean(6, true);
  CHECK(to_hex(out.view()) ==
        "210807060504030201"
        "2d04030201"
        "a006ffffffffffffffffff01"
        "3001");
}

TEST_CASE("protobuf: reads its own writing, sharing the buffer", "[wire]") {
  const std::string large(20000, 'x');
  ByteWriter out;
  ProtoWriter proto(out);
  proto.varint(1, 7);
  proto.message(2, [&](ProtoWriter& a) {
    a.string(1, large);
    a.message(2, [](ProtoWriter& b) { b.float64(1, 0.5); });
  });
  proto.fixed32(3, 9);
  const Bytes message = out.take();
  CHECK(message.size() ==
        proto_varint_size(1, 7) +
            proto_bytes_size(2, proto_bytes_size(1, large.size()) + proto_bytes_size(2, 9)) + 5);

  ProtoReader reader(message);
  REQUIRE(reader.next());
  CHECK(reader.tag() == proto_varint(1));
  CHECK(reader.value() == 7);
  REQUIRE(reader.next());
  CHECK(reader.tag() == proto_bytes(2));
  const Bytes nested = reader.bytes();
  CHECK(nested.data() > message.data());
  CHECK(nested.end() < message.end());
  REQUIRE(reader.next());
  CHECK(reader.tag() == proto_fixed32(3));
  CHECK(reader.value() == 9);
  CHECK_FALSE(reader.next());
  CHECK(reader.ok());

  ProtoReader inner(nested);
  REQUIRE(inner.next());
  CHECK(inner.bytes().text() == large);
  REQUIRE(inner.next());
  ProtoReader innermost(inner.bytes());
  REQUIRE(innermost.next());
  CHECK(std::bit_cast<double>(innermost.value()) == 0.5);
}

TEST_CASE("protobuf: malformed messages stop the reader", "[wire]") {
  const auto malformed = [](const Bytes& message) {
    ProtoReader reader(message);
    while (reader.next()) {
    }
    return !reader.ok();
  };
  CHECK_FALSE(malformed({}));
  CHECK_FALSE(malformed(octets({0x08, 0x81, 0x00})));  // longer forms are allowed here
  CHECK(malformed(octets({0x08})));                    // no value
  CHECK(malformed(octets({0x08, 0x80})));              // cut value
  CHECK(malformed(octets({0x00, 0x01})));              // field number 0
  CHECK(malformed(octets({0x0b})));                    // a group
  CHECK(malformed(octets({0x0e, 0x01})));              // no such wire type
  CHECK(malformed(octets({0x12, 0x02, 0x01})));        // length past the end
  CHECK(malformed(octets({0x12, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x01})));
  CHECK(malformed(octets({0x09, 1, 2, 3, 4, 5, 6, 7})));
  CHECK(malformed(octets({0x0d, 1, 2, 3})));
  CHECK(
      malformed(octets({0x08, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x02})));  // over 64 bits
  CHECK(malformed(octets({0xf8, 0xff, 0xff, 0xff, 0x1f, 0x00})));  // a tag over 32 bits
}

TEST_CASE("protobuf: packed varints", "[wire]") {
  const Bytes good = octets({0x03, 0x8e, 0x02, 0x9e, 0xa7, 0x05});
  PackedReader reader(good);
  std::vector<std::uint64_t> values;
  while (reader.next()) values.push_back(reader.value());
  CHECK(reader.ok());
  CHECK(values == std::vector<std::uint64_t>{3, 270, 86942});
  const Bytes cut = good.slice(0, 5);
  PackedReader bad(cut);
  while (bad.next()) {
  }
  CHECK_FALSE(bad.ok());
}

TEST_CASE("framing: any cut of the stream gives the same messages", "[wire]") {
  const std::string large(40000, 'y');
  const std::vector<std::string> sent = {"", "a", std::string(127, 'b'), std::string(128, 'c'), large, "end"};
  ByteWriter out;
  for (const std::string& message : sent) append_length_prefixed(out, as_bytes(message));
  const Bytes stream = out.take();
  for (std::size_t chunk :
       {std::size_t{1}, std::size_t{2}, std::size_t{3}, std::size_t{127}, std::size_t{4096}, stream.size()}) {
    LengthPrefixReader reader(40000);
    std::vector<std::string> received;
    for (Bytes rest = stream; !rest.empty();) {
      Bytes input = rest.take_front(chunk);
      while (true) {
        auto message = reader.next(input);
        REQUIRE(message);
        if (!*message) break;
        received.emplace_back((*message)->text());
      }
      REQUIRE(input.empty());
    }
    CHECK(received == sent);
    CHECK(reader.idle());
  }
}

TEST_CASE("framing: a message within one slice is not copied, another is gathered exactly", "[wire]") {
  const Bytes stream = length_prefixed(as_bytes(std::string(1000, 'z')));
  LengthPrefixReader reader(1000);
  Bytes whole = stream;
  auto message = reader.next(whole);
  REQUIRE(message);
  REQUIRE(*message);
  CHECK((*message)->data() == stream.data() + 2);

  Bytes first = stream.slice(0, 500), second = stream.slice(500);
  CHECK_FALSE(reader.next(first)->has_value());
  CHECK_FALSE(reader.idle());
  message = reader.next(second);
  REQUIRE(message);
  CHECK((*message)->size() == 1000);
}

TEST_CASE("framing: broken lengths are final", "[wire]") {
  const auto error = [](Bytes input) {
    LengthPrefixReader reader(1000);
    const auto first = reader.next(input);
    REQUIRE_FALSE(first);
    Bytes more = length_prefixed(as_bytes("fine"));
    const auto second = reader.next(more);
    REQUIRE_FALSE(second);
    CHECK(first.error().code == second.error().code);
    return first.error().code;
  };
  CHECK(error(octets({0xe9, 0x07})) == ErrorCode::too_large);  // 1001
  CHECK(error(octets({0xff, 0xff, 0xff, 0xff, 0xff})) == ErrorCode::too_large);
  CHECK(error(octets({0x81, 0x00})) == ErrorCode::bad_encoding);
  CHECK(error(octets({0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80})) == ErrorCode::bad_encoding);
}
