// WebSocket's opening handshake (RFC 6455, section 4): an HTTP request to upgrade the connection, and its answer.
// Any path, no subprotocols, no extensions: those that a client offers are passed over.
#pragma once

#include <array>
#include <cstdint>
#include <string>
#include <string_view>

#include "stack/base/bytes.h"
#include "stack/base/result.h"
#include "stack/http/http.h"

namespace mesocosm {

using WebSocketNonce = std::array<std::uint8_t, 16>;  // fresh random bytes

// Sec-WebSocket-Key of a client.
std::string websocket_key(const WebSocketNonce& nonce);
// Sec-WebSocket-Accept, which shows that the server understood.
std::string websocket_accept(std::string_view key);

// The client's request. `host`: name or address, and port. Error: bad_encoding, for a host that cannot be written.
Result<Bytes> websocket_request(std::string_view host, std::string_view key);
// Whether the server agreed. Errors: negotiation_failed (it refused), protocol_violation.
Result<void> check_websocket_response(const HttpResponse& response, std::string_view key);

struct WebSocketAnswer {
  Bytes response;  // to be sent
  Error error;     // none: upgraded; negotiation_failed: it was no request for that
};
WebSocketAnswer answer_websocket_request(const HttpRequest& request);
// To what was not even HTTP.
Bytes websocket_bad_request();

}  // namespace mesocosm
