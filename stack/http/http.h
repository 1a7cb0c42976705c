// HTTP/1.1 messages (RFC 9112) as values: parsed from bytes that are cut anywhere, and written. No sockets, no
// clock, bounded; for the WebSocket upgrade and for pages such as the metrics'. Boost.Beast does the work, behind
// this header alone.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "stack/base/bytes.h"
#include "stack/base/result.h"

namespace mesocosm {

struct HttpField {
  std::string name;
  std::string value;
};

struct HttpMessage {
  unsigned version = 11;  // 10: HTTP/1.0
  std::vector<HttpField> fields;
  std::string body;
  bool keep_alive = true;  // when parsed: whether the sender would use the connection again

  // Names are compared without regard to case.
  std::string_view field(std::string_view name) const;  // the first of that name; empty: none
  // Whether a token stands in a comma-separated field, such as "upgrade" in "Connection: keep-alive, Upgrade".
  bool lists(std::string_view name, std::string_view token) const;
};

struct HttpRequest : HttpMessage {
  std::string method = "GET";
  std::string target = "/";
};

struct HttpResponse : HttpMessage {
  unsigned status = 200;
  std::string reason;  // empty when written: the usual one
};

struct HttpLimits {
  std::size_t head = 8 * 1024;   // bytes of the start line and the fields
  std::size_t body = 64 * 1024;  // bytes
};

enum class HttpExtent : std::uint8_t {
  whole,      // a message with its body
  head_only,  // what follows the fields is no business of this parser
};

// Messages from one connection, one after the other. Holds at most what the limits say. Bodies have a length or
// last until the connection's end; chunked ones are not supported.
template <class Message>
class HttpParser {
 public:
  explicit HttpParser(HttpLimits limits = {}, HttpExtent extent = HttpExtent::whole)
      : limits_(limits), extent_(extent) {}

  // Takes what belongs to the next message off `input`; the message once it is whole. Errors: bad_encoding,
  // too_large, unsupported. Nothing can be parsed after an error.
  Result<std::optional<Message>> on_bytes(Bytes& input);
  // The connection ended: the response whose body lasts until then. Error: bad_encoding (it was cut).
  Result<Message> on_end();

 private:
  Result<bool> take_head(Bytes& input);
  Result<void> on_head();
  Message take_message();

  HttpLimits limits_;
  HttpExtent extent_;
  std::string collected_;                   // of the head, then of the body
  std::unique_ptr<Message> head_;           // once it is complete
  std::optional<std::uint64_t> body_left_;  // bytes; none: to the connection's end
};

using HttpRequestParser = HttpParser<HttpRequest>;
using HttpResponseParser = HttpParser<HttpResponse>;
extern template class HttpParser<HttpRequest>;
extern template class HttpParser<HttpResponse>;

// The bytes of a message, with its Content-Length where one belongs. Errors: bad_encoding, for a method, target,
// field or reason with characters that could not be read back.
Result<Bytes> encode(const HttpRequest& request);
Result<Bytes> encode(const HttpResponse& response);

}  // namespace mesocosm
