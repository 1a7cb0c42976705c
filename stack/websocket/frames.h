// WebSocket's framing (RFC 6455, section 5) as a pure core: payload out of frames, frames out of payload. Message
// boundaries carry no meaning here: payload is handed on as it comes, so that no frame is ever held whole.
//
//    0               1               2               3
//    0 1 2 3 4 5 6 7 0 1 2 3 4 5 6 7 0 1 2 3 4 5 6 7 0 1 2 3 4 5 6 7
//   +-+-+-+-+-------+-+-------------+-------------------------------+
//   |F|0 0 0|opcode |M|   length    |  length of 126: 16 bits,      |
//   |I|     |  (4)  |A|    (7)      |            127: 64 bits       |
//   |N|     |       |S|             | then, if M: 4 bytes of mask   |
//   +-+-----+-------+-+-------------+-------------------------------+
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <string>

#include "stack/base/bytes.h"
#include "stack/base/result.h"

namespace mesocosm {

enum class WebSocketRole : std::uint8_t { client, server };  // what clients send is masked

enum class WebSocketOpcode : std::uint8_t {
  continuation = 0,
  text = 1,
  binary = 2,
  close = 8,
  ping = 9,
  pong = 10,
};

enum class WebSocketCode : std::uint16_t {  // of Close
  normal = 1000,
  going_away = 1001,
  protocol_error = 1002,
  unsupported = 1003,
  none = 1005,  // there was no code; never on the wire
  too_large = 1009,
};

inline constexpr std::size_t kWebSocketMaxHead = 14;
inline constexpr std::size_t kWebSocketMaxControl = 125;                // bytes of payload in a control frame
inline constexpr std::uint64_t kWebSocketMaxFrame = 256 * 1024 * 1024;  // that we accept, as rust-libp2p

using WebSocketMask = std::uint32_t;  // the four bytes in the order of memory

// out[i] = in[i] ^ mask[i % 4]; both of one size, and the same place or apart.
void apply_mask(ByteView in, MutableByteView out, WebSocketMask mask);

// A whole frame: of a server, or of a client with its mask. Control payloads are at most kWebSocketMaxControl.
Bytes encode_frame(WebSocketOpcode opcode, ByteView payload);
Bytes encode_frame(WebSocketOpcode opcode, ByteView payload, WebSocketMask mask);
// A server's frame without its payload, which follows as it is.
Bytes encode_frame_head(WebSocketOpcode opcode, std::uint64_t size);

// The payload of a Close; of `none`: none.
Bytes encode_close(WebSocketCode code);

// Reads what the other role sends.
//
//   at a head ──▶ in a payload ──▶ at a head ...        Close ──▶ closed()        anything wrong ──▶ fault()
class WebSocketReader {
 public:
  explicit WebSocketReader(WebSocketRole role) : role_(role) {}

  // Takes heads and control frames off the front of `input`. Afterwards payload is at its front (readable()), or
  // all of it was taken, or this is the end: closed() or not fault().ok().
  void advance(Bytes& input);
  // At most `max` bytes of payload: a slice of `input`, or from a client, unmasked, the payload of as many
  // frames as have come. Ends with advance().
  Bytes read(Bytes& input, std::size_t max);

  bool readable(const Bytes& input) const { return payload_left_ > 0 && !in_control() && !input.empty(); }
  bool closed() const { return closed_; }                   // the Close came
  WebSocketCode close_code() const { return close_code_; }  // when closed()
  // protocol_violation, unsupported (text), too_large.
  const Error& fault() const { return fault_; }
  // The payload of the last Ping that has come since the last call. Earlier ones need no answer.
  bool ping_came() const { return ping_came_; }
  Bytes take_ping();

 private:
  bool in_control() const { return opcode_ >= WebSocketOpcode::close; }
  bool take_head(Bytes& input);
  void on_head();
  void on_control_payload(Bytes& input);
  void on_control_frame();
  void on_close();
  void violation(std::string what);
  void unmask(ByteView in, MutableByteView out);

  Error fault_;
  std::uint64_t payload_left_ = 0;
  Bytes ping_;
  WebSocketMask mask_ = 0;  // turned so that it begins with the next byte's
  WebSocketCode close_code_ = WebSocketCode::none;
  WebSocketOpcode opcode_ = WebSocketOpcode::binary;
  WebSocketRole role_;
  bool in_message_ = false;  // a message's first frame has come, its last has not
  bool ping_came_ = false;
  bool closed_ = false;
  std::uint8_t head_size_ = 0;     // bytes of the head that have come
  std::uint8_t control_size_ = 0;  // of the control payload
  std::array<std::uint8_t, kWebSocketMaxHead> head_{};
  std::array<std::uint8_t, kWebSocketMaxControl> control_{};
};

}  // namespace mesocosm
