#include "stack/websocket/handshake.h"

#include <utility>

#include "stack/base/assert.h"
#include "stack/crypto/sha1.h"
#include "stack/wire/multibase.h"

namespace mesocosm {
namespace {

constexpr std::string_view kVersion = "13";

std::string base64(ByteView bytes) {
  std::string text = encode_base(Base::base64, bytes);
  text.resize((text.size() + 3) / 4 * 4, '=');
  return text;
}

bool is_key(std::string_view text) {
  if (text.size() != 24 || !text.ends_with("==")) return false;
  const auto nonce = decode_base(Base::base64, text.substr(0, 22));
  return nonce && nonce->size() == sizeof(WebSocketNonce);
}

Bytes written(const HttpResponse& response) {
  auto bytes = encode(response);
  MC_ASSERT(bytes);
  return std::move(*bytes);
}

WebSocketAnswer refusal(unsigned status, const std::string& why) {
  HttpResponse response;
  response.status = status;
  response.fields = {{"Connection", "close"}, {"Content-Type", "text/plain"}};
  if (status == 426) {
    response.fields.push_back({"Upgrade", "websocket"});
    response.fields.push_back({"Sec-WebSocket-Version", std::string(kVersion)});
  }
  response.body = why + "\n";
  return {written(response), {ErrorCode::negotiation_failed, "websocket: " + why}};
}

}  // namespace

std::string websocket_key(const WebSocketNonce& nonce) { return base64(nonce); }

std::string websocket_accept(std::string_view key) {
  const std::string text = std::string(key) + "258EAFA5-E914-47DA-95CA-C5AB0DC85B11";
  return base64(sha1(as_bytes(text)));
}

Result<Bytes> websocket_request(std::string_view host, std::string_view key) {
  HttpRequest request;
  request.fields = {{"Host", std::string(host)},
                    {"Upgrade", "websocket"},
                    {"Connection", "Upgrade"},
                    {"Sec-WebSocket-Key", std::string(key)},
                    {"Sec-WebSocket-Version", std::string(kVersion)}};
  return encode(request);
}

Result<void> check_websocket_response(const HttpResponse& response, std::string_view key) {
  const auto violation = [](std::string_view what) {
    return fail(ErrorCode::protocol_violation, "websocket: " + std::string(what));
  };
  if (response.status != 101) {
    return fail(ErrorCode::negotiation_failed,
                "websocket: the server answered " + std::to_string(response.status) + " " + response.reason);
  }
  if (!response.lists("Upgrade", "websocket") || !response.lists("Connection", "upgrade")) {
    return violation("an upgrade to something else");
  }
  if (response.field("Sec-WebSocket-Accept") != websocket_accept(key)) return violation("a wrong accept key");
  if (!response.field("Sec-WebSocket-Extensions").empty())
    return violation("an extension that nobody offered");
  if (!response.field("Sec-WebSocket-Protocol").empty())
    return violation("a subprotocol that nobody offered");
  return {};
}

WebSocketAnswer answer_websocket_request(const HttpRequest& request) {
  if (!request.lists("Upgrade", "websocket") || !request.lists("Connection", "upgrade")) {
    return refusal(400, "only WebSocket connections are served here");
  }
  if (request.method != "GET" || request.version < 11 || request.field("Host").empty()) {
    return refusal(400, "an upgrade is a GET of HTTP/1.1 with a Host");
  }
  if (request.field("Sec-WebSocket-Version") != kVersion)
    return refusal(426, "WebSocket version 13 is spoken here");
  const std::string_view key = request.field("Sec-WebSocket-Key");
  if (!is_key(key)) return refusal(400, "a bad Sec-WebSocket-Key");
  HttpResponse response;
  response.status = 101;
  response.fields = {
      {"Upgrade", "websocket"}, {"Connection", "Upgrade"}, {"Sec-WebSocket-Accept", websocket_accept(key)}};
  return {written(response), {}};
}

Bytes websocket_bad_request() { return refusal(400, "bad request").response; }

}  // namespace mesocosm
