#include "sim/capture/pcapng.h"

#include "stack/base/byte_writer.h"

namespace mesocosm::capture {
namespace {

enum class BlockType : std::uint32_t {
  section = 0x0a0d0d0a,
  interface = 1,
  names = 4,
  packet = 6,
  secrets = 10,
};
constexpr std::uint32_t kByteOrder = 0x1a2b3c4d;
constexpr std::uint32_t kTlsKeyLog = 0x544c534b;
constexpr std::uint16_t kRawIp = 101;  // LINKTYPE_RAW
constexpr std::uint8_t kNanoseconds = 9;

// Numbers in this file are little-endian, as its section's head says.
class Block {
 public:
  explicit Block(BlockType type) {
    put32(static_cast<std::uint32_t>(type));
    put32(0);  // the length, when it is known
  }
  void put16(std::uint16_t value) { put_number(value, 2); }
  void put32(std::uint32_t value) { put_number(value, 4); }
  void put64(std::uint64_t value) { put_number(value, 8); }
  void put(ByteView bytes) { out_.put(bytes); }
  void put(std::string_view text) { out_.put(text); }
  void pad() {
    while (out_.size() % 4 != 0) out_.put(std::uint8_t{0});
  }
  void option(std::uint16_t code, ByteView value) {
    put16(code);
    put16(static_cast<std::uint16_t>(value.size()));
    put(value);
    pad();
  }
  void option(std::uint16_t code, std::string_view value) { option(code, as_bytes(value)); }
  void end_options() { put32(0); }

  Bytes finish() {
    const auto length = static_cast<std::uint32_t>(out_.size() + 4);
    put32(length);
    for (std::size_t i = 0; i < 4; ++i)
      out_.mutable_view()[4 + i] = static_cast<std::uint8_t>(length >> (8 * i));
    return out_.take();
  }

 private:
  void put_number(std::uint64_t value, int octets) {
    for (int i = 0; i < octets; ++i) out_.put(static_cast<std::uint8_t>(value >> (8 * i)));
  }

  ByteWriter out_;
};

}  // namespace

Bytes section_block(std::string_view comment) {
  Block block(BlockType::section);
  block.put32(kByteOrder);
  block.put16(1);
  block.put16(0);
  block.put64(~std::uint64_t{0});  // the section's length is not told
  block.option(1, comment);
  block.option(4, "Mesocosm");
  block.end_options();
  return block.finish();
}

Bytes interface_block(std::string_view name, std::string_view description) {
  Block block(BlockType::interface);
  block.put16(kRawIp);
  block.put16(0);
  block.put32(0);  // packets are not cut
  block.option(2, name);
  block.option(3, description);
  block.option(9, {&kNanoseconds, 1});
  block.end_options();
  return block.finish();
}

Bytes name_block(std::span<const std::pair<IpAddress, std::string>> names) {
  Block block(BlockType::names);
  for (const auto& [ip, name] : names) {
    const std::size_t octets = ip.is_v4() ? 4 : 16;
    block.put16(ip.is_v4() ? 1 : 2);
    block.put16(static_cast<std::uint16_t>(octets + name.size() + 1));
    block.put(ByteView(ip.octets()).first(octets));
    block.put(std::string_view(name.c_str(), name.size() + 1));
    block.pad();
  }
  block.put32(0);
  return block.finish();
}

Bytes packet_block(std::int64_t unix_nanoseconds, PacketDirection direction, ByteView packet) {
  const auto time = static_cast<std::uint64_t>(unix_nanoseconds);
  const auto size = static_cast<std::uint32_t>(packet.size());
  Block block(BlockType::packet);
  block.put32(0);  // the interface
  block.put32(static_cast<std::uint32_t>(time >> 32));
  block.put32(static_cast<std::uint32_t>(time));
  block.put32(size);
  block.put32(size);
  block.put(packet);
  block.pad();
  block.put16(2);
  block.put16(4);
  block.put32(static_cast<std::uint32_t>(direction));
  block.end_options();
  return block.finish();
}

Bytes secrets_block(std::string_view lines) {
  Block block(BlockType::secrets);
  block.put32(kTlsKeyLog);
  block.put32(static_cast<std::uint32_t>(lines.size()));
  block.put(lines);
  block.pad();
  return block.finish();
}

}  // namespace mesocosm::capture
