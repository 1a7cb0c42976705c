#include "stack/websocket/stream.h"

#include <array>
#include <bit>
#include <utility>
#include <vector>

#include "stack/http/http.h"
#include "stack/websocket/handshake.h"

namespace mesocosm {
namespace {

constexpr std::size_t kReadSize = 256 * 1024;
constexpr std::size_t kMaxSent = 1024 * 1024;  // payload of a frame; peers hold whole messages

WebSocketCode code_for(const Error& error) {
  switch (error.code) {
    case ErrorCode::too_large:
      return WebSocketCode::too_large;
    case ErrorCode::unsupported:
      return WebSocketCode::unsupported;
    default:
      return WebSocketCode::protocol_error;
  }
}

}  // namespace

struct WebSocketStream::Upgrade {
  std::string host;  // of a client, as is the rest of this line
  std::string key;
  HttpResponseParser response{{}, HttpExtent::head_only};
  HttpRequestParser request{{}, HttpExtent::head_only};
  std::vector<Bytes> waiting;  // written before the stream is open
  bool finish = false;         // finish() was called meanwhile
};

// --- Life

WebSocketStream::WebSocketStream(Env& env, WebSocketRole role, WebSocketOverhead overhead)
    : clock_(env.clock),
      entropy_(env.entropy),
      overhead_(overhead),
      upgrade_(std::make_unique<Upgrade>()),
      reader_(role),
      role_(role),
      state_(role == WebSocketRole::client ? State::connecting : State::upgrading) {}

WebSocketStream::~WebSocketStream() {
  if (state_ == State::closing) finish_under();  // a Close that was sent shall arrive
}

std::unique_ptr<WebSocketStream> WebSocketStream::connect(Env& env, const Endpoint& to, std::string host,
                                                          ByteStream::Events& events,
                                                          WebSocketOverhead overhead, const Endpoint& from) {
  std::unique_ptr<WebSocketStream> stream(new WebSocketStream(env, WebSocketRole::client, overhead));
  stream->events_ = &events;
  stream->upgrade_->host = std::move(host);
  stream->under_ = env.network.connect(to, *stream, from);
  return stream;
}

std::unique_ptr<WebSocketStream> WebSocketStream::accept(Env& env, std::unique_ptr<ByteStream> accepted,
                                                         WebSocketOverhead overhead) {
  std::unique_ptr<WebSocketStream> stream(new WebSocketStream(env, WebSocketRole::server, overhead));
  stream->under_ = std::move(accepted);
  stream->under_->set_events(*stream);
  return stream;
}

void WebSocketStream::set_events(ByteStream::Events& events) {
  events_ = &events;
  if (ended() || reader_.readable(input_)) notify();
}

// --- The stream below. To tell the one above is the last act: it may destroy us.

void WebSocketStream::on_writable() {
  if (state_ == State::connecting) {
    ask();
  } else if (state_ == State::open) {
    answer_ping();
    events_->on_writable();
  }
}

void WebSocketStream::on_readable() {
  if (state_ == State::upgrading) {
    if (!upgrade()) return;
    pull();
    if (ended() || reader_.readable(input_)) notify();
    events_->on_writable();
    return;
  }
  tell_readable();
}

void WebSocketStream::on_closed(Error error) {
  if (state_ == State::closed) return;  // on_notice() tells why
  if (error.ok()) {
    error = {ErrorCode::reset, flowing() ? "the connection ended without a Close"
                                         : "the connection ended in the WebSocket handshake"};
  }
  if (ended()) error = {};
  state_ = State::closed;
  clock_.disarm(notice_);
  events_->on_closed(std::move(error));
}

// A turn of our own, for what was found out within a call.
void WebSocketStream::on_notice() {
  if (state_ == State::closed) {
    events_->on_closed(std::move(error_));
  } else {
    tell_readable();
  }
}

void WebSocketStream::tell_readable() {
  pull();
  if (state_ == State::closed) return;
  const bool end = ended() && !std::exchange(end_told_, true);
  if (end || reader_.readable(input_)) events_->on_readable();
}

// --- The handshake

void WebSocketStream::ask() {
  WebSocketNonce nonce;
  entropy_.fill(nonce);
  upgrade_->key = websocket_key(nonce);
  auto request = websocket_request(upgrade_->host, upgrade_->key);
  if (!request) return fail_with(std::move(request.error()));
  state_ = State::upgrading;
  send(std::move(*request));
}

// What has come of the other side's message. True: open.
bool WebSocketStream::upgrade() {
  while (true) {
    Bytes input = under_->read(kReadSize);
    if (input.empty()) {
      if (under_->ended()) fail_with({ErrorCode::reset, "the connection ended in the WebSocket handshake"});
      return false;
    }
    const std::size_t size = input.size();
    auto done = role_ == WebSocketRole::client ? on_response(input) : on_request(input);
    overhead_.in += size - input.size();
    if (!done) {
      fail_with(std::move(done.error()));
      return false;
    }
    if (!*done) continue;
    input_ = std::move(input);
    become_open();
    return true;
  }
}

Result<bool> WebSocketStream::on_request(Bytes& input) {
  auto request = upgrade_->request.on_bytes(input);
  if (!request) {
    send(websocket_bad_request());
    return tl::unexpected<Error>(std::move(request.error()));
  }
  if (!*request) return false;
  WebSocketAnswer answer = answer_websocket_request(**request);
  send(std::move(answer.response));
  if (!answer.error.ok()) return tl::unexpected<Error>(std::move(answer.error));
  return true;
}

Result<bool> WebSocketStream::on_response(Bytes& input) {
  auto response = upgrade_->response.on_bytes(input);
  if (!response) return tl::unexpected<Error>(std::move(response.error()));
  if (!*response) return false;
  if (auto good = check_websocket_response(**response, upgrade_->key); !good) {
    return tl::unexpected<Error>(std::move(good.error()));
  }
  return true;
}

void WebSocketStream::become_open() {
  state_ = State::open;
  const std::unique_ptr<Upgrade> upgrade = std::move(upgrade_);
  for (Bytes& bytes : upgrade->waiting) write(std::move(bytes));
  if (upgrade->finish) finish();
}

// --- Reading

// Goes on to the next payload, through all before it that has come.
void WebSocketStream::pull() {
  while (flowing() && !ended() && !reader_.readable(input_)) {
    if (input_.empty()) input_ = under_->read(kReadSize);
    if (input_.empty()) {
      if (under_->ended()) fail_with({ErrorCode::reset, "the connection ended without a Close"});
      return;
    }
    const std::size_t size = input_.size();
    reader_.advance(input_);
    overhead_.in += size - input_.size();
    settle();
  }
}

Bytes WebSocketStream::read(std::size_t max) {
  if (!flowing() || ended()) return {};
  pull();
  const std::size_t size = input_.size();
  Bytes payload = reader_.read(input_, max);
  overhead_.in += size - input_.size() - payload.size();
  settle();
  if (ended()) notify();  // whoever reads in a callback of another may wait for on_readable
  return payload;
}

// Does what the reader came upon.
void WebSocketStream::settle() {
  if (!flowing()) return;
  if (!reader_.fault().ok()) return fail_with(Error(reader_.fault()));
  answer_ping();
  if (!ended()) return;
  if (state_ == State::open) send_close(reader_.close_code());
  state_ = State::closing;
  finish_under();
}

// The last Ping alone, and when there is room: whoever sends many and reads nothing gains nothing by it.
void WebSocketStream::answer_ping() {
  if (!reader_.ping_came() || state_ != State::open || under_->writable() == 0) return;
  send_frame(WebSocketOpcode::pong, reader_.take_ping());
}

// --- Writing

void WebSocketStream::write(Bytes bytes) {
  if (upgrade_ != nullptr) {
    if (!upgrade_->finish) upgrade_->waiting.push_back(std::move(bytes));
    return;
  }
  while (state_ == State::open && !bytes.empty()) {
    send_frame(WebSocketOpcode::binary, bytes.take_front(kMaxSent));
  }
}

void WebSocketStream::finish() {
  if (upgrade_ != nullptr) {
    upgrade_->finish = true;
  } else if (state_ == State::open) {
    send_close(WebSocketCode::normal);
    state_ = State::closing;
  }
}

void WebSocketStream::send_frame(WebSocketOpcode opcode, Bytes payload) {
  const std::size_t carried = opcode == WebSocketOpcode::binary ? payload.size() : 0;
  if (role_ == WebSocketRole::client) {
    std::array<std::uint8_t, sizeof(WebSocketMask)> random;
    entropy_.fill(random);
    send(encode_frame(opcode, payload, std::bit_cast<WebSocketMask>(random)), carried);
  } else {
    send(encode_frame_head(opcode, payload.size()));
    send(std::move(payload), carried);
  }
}

void WebSocketStream::send_close(WebSocketCode code) {
  send_frame(WebSocketOpcode::close, encode_close(code));
}

void WebSocketStream::send(Bytes bytes, std::size_t carried) {
  overhead_.out += bytes.size() - carried;
  under_->write(std::move(bytes));
}

// --- The end

void WebSocketStream::finish_under() {
  if (!std::exchange(under_finished_, true)) under_->finish();
}

void WebSocketStream::fail_with(Error error) {
  if (state_ == State::open && error.code != ErrorCode::reset) send_close(code_for(error));
  state_ = State::closed;
  error_ = std::move(error);
  finish_under();
  notify();
}

}  // namespace mesocosm
