// WebSocketStream: a byte stream inside the binary messages of a WebSocket (RFC 6455; libp2p/specs,
// websockets/README.md), over any other byte stream: sockets, the simulated network, a test's memory.
//
// WebSocket has no half-close: finish() sends Close, which ends both directions once the peer has answered it;
// what the peer wrote before its answer still arrives. Pings are answered, none are sent (Yamux has its own).
//
// Boost.Beast's websocket::stream is not used: it wants Asio's executors and keeps its time-outs by the
// machine's clock, so it cannot run on the seam, where the same code has to run in virtual time.
#pragma once

#include <cstdint>
#include <memory>
#include <string>

#include "stack/env/env.h"
#include "stack/websocket/frames.h"

namespace mesocosm {

// Bytes under the stream beyond those that are read from it and written to it.
struct WebSocketOverhead {
  std::uint64_t& in;
  std::uint64_t& out;
};

//                                   101                 a Close was sent
//   connecting ──▶ upgrading ────────────▶ open ─────────────────────▶ closing ──▶ closed ── on_closed
//   (an inbound stream begins with upgrading; errors lead from anywhere to closed)
class WebSocketStream final : public ByteStream, private ByteStream::Events {
 public:
  // The first on_writable means that the server agreed. `host` is what the request asks for: a name or an
  // address, and the port. Errors beside those of the stream below: negotiation_failed (it is no WebSocket
  // server, or refuses), bad_encoding, too_large, protocol_violation, unsupported.
  static std::unique_ptr<WebSocketStream> connect(Env& env, const Endpoint& to, std::string host,
                                                  ByteStream::Events& events, WebSocketOverhead overhead,
                                                  const Endpoint& from = {});
  // A stream that was accepted. What is written before the client has asked for the upgrade waits.
  static std::unique_ptr<WebSocketStream> accept(Env& env, std::unique_ptr<ByteStream> accepted,
                                                 WebSocketOverhead overhead);
  ~WebSocketStream() override;

  void set_events(ByteStream::Events& events) override;
  Bytes read(std::size_t max) override;
  bool ended() const override { return reader_.closed(); }
  std::size_t writable() const override { return state_ == State::open ? under_->writable() : 0; }
  void write(Bytes bytes) override;
  void finish() override;
  Endpoint local() const override { return under_->local(); }
  Endpoint remote() const override { return under_->remote(); }

 private:
  struct Upgrade;
  enum class State : std::uint8_t {
    connecting,  // the stream below is not connected
    upgrading,   // HTTP
    open,        // frames
    closing,     // our Close is sent; the peer's has not come, or the connection still stands
    closed,      // on_closed follows, or was
  };

  WebSocketStream(Env& env, WebSocketRole role, WebSocketOverhead overhead);

  void on_readable() override;
  void on_writable() override;
  void on_closed(Error error) override;
  void on_notice();

  bool flowing() const { return state_ == State::open || state_ == State::closing; }
  void ask();
  bool upgrade();
  Result<bool> on_request(Bytes& input);
  Result<bool> on_response(Bytes& input);
  void become_open();

  void pull();
  void settle();
  void tell_readable();
  void answer_ping();
  void send(Bytes bytes, std::size_t carried = 0);  // so much of it is payload from above
  void send_frame(WebSocketOpcode opcode, Bytes payload);
  void send_close(WebSocketCode code);
  void finish_under();
  void fail_with(Error error);
  void notify() { clock_.arm(notice_, clock_.now()); }

  Clock& clock_;
  Entropy& entropy_;
  WebSocketOverhead overhead_;
  ByteStream::Events* events_ = nullptr;
  std::unique_ptr<ByteStream> under_;
  std::unique_ptr<Upgrade> upgrade_;  // until it is open
  WebSocketReader reader_;
  Bytes input_;  // read from below and not taken by reader_ yet
  Error error_;  // when closed
  MemberTimer<&WebSocketStream::on_notice> notice_{*this};
  WebSocketRole role_;
  State state_;
  bool end_told_ = false;        // by on_readable
  bool under_finished_ = false;  // our side of the stream below was finished
};

static_assert(sizeof(WebSocketStream) <= 448);  // and idle no buffers

}  // namespace mesocosm
