#include "stack/http/http.h"

#include <algorithm>
#include <type_traits>
#include <utility>

#include <boost/beast/http/empty_body.hpp>
#include <boost/beast/http/parser.hpp>
#include <boost/beast/http/rfc7230.hpp>
#include <boost/beast/http/serializer.hpp>
#include <boost/beast/http/string_body.hpp>

#include "stack/base/assert.h"
#include "stack/base/byte_writer.h"

namespace mesocosm {
namespace {

namespace beast = boost::beast;
namespace http = boost::beast::http;

beast::string_view to_beast(std::string_view text) { return {text.data(), text.size()}; }
std::string to_string(beast::string_view text) { return std::string(text.data(), text.size()); }

bool same_name(std::string_view a, std::string_view b) { return beast::iequals(to_beast(a), to_beast(b)); }

template <bool is_request>
void copy_start(const http::header<is_request, http::fields>& from, HttpRequest& to) {
  to.method = to_string(from.method_string());
  to.target = to_string(from.target());
}
template <bool is_request>
void copy_start(const http::header<is_request, http::fields>& from, HttpResponse& to) {
  to.status = from.result_int();
  to.reason = to_string(from.reason());
}

// What may stand in a start line or a field so that it ends where we say it ends.
bool is_token(std::string_view text) {
  constexpr std::string_view kOthers = "!#$%&'*+-.^_`|~";
  return !text.empty() && std::all_of(text.begin(), text.end(), [&](char c) {
    return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') ||
           kOthers.find(c) != std::string_view::npos;
  });
}
bool is_target(std::string_view text) {
  return !text.empty() && std::all_of(text.begin(), text.end(), [](char c) { return c > ' ' && c < 0x7f; });
}
bool is_value(std::string_view text) {
  return std::all_of(text.begin(), text.end(), [](char c) { return c == '\t' || (c >= ' ' && c < 0x7f); });
}

template <bool is_request>
Result<void> copy_fields(const HttpMessage& from, http::message<is_request, http::string_body>& to) {
  for (const HttpField& field : from.fields) {
    if (!is_token(field.name) || !is_value(field.value)) {
      return fail(ErrorCode::bad_encoding, "http: characters in a field: " + field.name);
    }
    to.insert(to_beast(field.name), to_beast(field.value));
  }
  to.body() = from.body;
  return {};
}

template <bool is_request>
Bytes serialize(http::message<is_request, http::string_body>& message) {
  http::serializer<is_request, http::string_body> serializer(message);
  ByteWriter out;
  beast::error_code error;
  while (!serializer.is_done() && !error) {
    serializer.next(error, [&](beast::error_code&, const auto& buffers) {
      for (const boost::asio::const_buffer piece : beast::buffers_range_ref(buffers)) {
        out.put(ByteView(static_cast<const std::uint8_t*>(piece.data()), piece.size()));
      }
      serializer.consume(beast::buffer_bytes(buffers));
    });
  }
  MC_ASSERT(!error);
  return out.take();
}

}  // namespace

std::string_view HttpMessage::field(std::string_view name) const {
  const auto at =
      std::find_if(fields.begin(), fields.end(), [&](const HttpField& f) { return same_name(f.name, name); });
  return at == fields.end() ? std::string_view{} : at->value;
}

bool HttpMessage::lists(std::string_view name, std::string_view token) const {
  return std::any_of(fields.begin(), fields.end(), [&](const HttpField& field) {
    return same_name(field.name, name) && http::token_list(to_beast(field.value)).exists(to_beast(token));
  });
}

// Whether this may become a message: who speaks something else is told at once and not when time is up.
template <class Message>
bool is_plausible(std::string_view start) {
  if (start.empty()) return true;
  constexpr std::string_view kVersion = "HTTP/1.";
  if (std::is_same_v<Message, HttpRequest>) return is_token(start.substr(0, 1));
  return start.substr(0, kVersion.size()) == kVersion.substr(0, start.size());
}

template <class Message>
Result<std::optional<Message>> HttpParser<Message>::on_bytes(Bytes& input) {
  if (!head_) {
    const auto whole = take_head(input);
    if (!whole) return tl::unexpected(whole.error());
    if (!*whole) return std::nullopt;
    if (auto parsed = on_head(); !parsed) return tl::unexpected(parsed.error());
  }
  const std::size_t wanted = body_left_ ? *body_left_ : SIZE_MAX;
  const Bytes piece = input.take_front(wanted);
  if (collected_.size() + piece.size() > limits_.body) return fail(ErrorCode::too_large, "http: body");
  collected_ += piece.text();
  if (!body_left_) return std::nullopt;
  *body_left_ -= piece.size();
  if (*body_left_ > 0) return std::nullopt;
  return take_message();
}

// Up to the empty line, which the parser wants to see in one piece.
template <class Message>
Result<bool> HttpParser<Message>::take_head(Bytes& input) {
  constexpr std::string_view kEnd = "\r\n\r\n";
  const std::size_t before = collected_.size();
  collected_.append(input.text().substr(0, limits_.head - before));
  const std::size_t end = collected_.find(kEnd, before < 3 ? 0 : before - 3);
  if (!is_plausible<Message>(collected_)) return fail(ErrorCode::bad_encoding, "http: another protocol");
  if (end == std::string::npos) {
    if (before + input.size() >= limits_.head) return fail(ErrorCode::too_large, "http: head");
    input = Bytes();  // clang 14 would leak what {} replaces
    return false;
  }
  collected_.resize(end + kEnd.size());
  input.take_front(collected_.size() - before);
  return true;
}

template <class Message>
Result<void> HttpParser<Message>::on_head() {
  http::parser<std::is_same_v<Message, HttpRequest>, http::empty_body> parser;
  parser.header_limit(static_cast<std::uint32_t>(limits_.head + 1));
  parser.body_limit(UINT64_MAX);  // bodies are not its business
  beast::error_code error;
  parser.put(boost::asio::buffer(collected_), error);
  if (error) return fail(ErrorCode::bad_encoding, "http: " + error.message());
  const auto& parsed = parser.get();
  head_ = std::make_unique<Message>();
  head_->version = parsed.version();
  head_->keep_alive = parser.keep_alive();
  for (const auto& field : parsed) {
    head_->fields.push_back({to_string(field.name_string()), to_string(field.value())});
  }
  copy_start(parsed.base(), *head_);
  collected_ = {};
  if (extent_ == HttpExtent::head_only || parser.is_done()) {
    body_left_ = 0;
  } else if (parser.chunked()) {
    return fail(ErrorCode::unsupported, "http: a chunked body");
  } else if (parser.content_length()) {
    body_left_ = *parser.content_length();
    if (*body_left_ > limits_.body) return fail(ErrorCode::too_large, "http: body");
  } else {
    body_left_.reset();
  }
  return {};
}

template <class Message>
Message HttpParser<Message>::take_message() {
  Message message = std::move(*head_);
  message.body = std::exchange(collected_, {});
  head_.reset();
  return message;
}

template <class Message>
Result<Message> HttpParser<Message>::on_end() {
  if (head_ && !body_left_) return take_message();
  return fail(ErrorCode::bad_encoding, "http: the connection ended within a message");
}

template class HttpParser<HttpRequest>;
template class HttpParser<HttpResponse>;

Result<Bytes> encode(const HttpRequest& request) {
  if (!is_token(request.method)) return fail(ErrorCode::bad_encoding, "http: bad method: " + request.method);
  if (!is_target(request.target)) return fail(ErrorCode::bad_encoding, "http: bad target: " + request.target);
  http::request<http::string_body> message;
  message.version(request.version);
  message.method_string(to_beast(request.method));
  message.target(to_beast(request.target));
  if (auto copied = copy_fields(request, message); !copied) return tl::unexpected(copied.error());
  if (!request.body.empty()) message.content_length(request.body.size());
  return serialize(message);
}

Result<Bytes> encode(const HttpResponse& response) {
  if (!is_value(response.reason)) return fail(ErrorCode::bad_encoding, "http: bad reason");
  if (response.status < 100 || response.status > 999)
    return fail(ErrorCode::bad_encoding, "http: bad status");
  http::response<http::string_body> message;
  message.version(response.version);
  message.result(response.status);
  if (!response.reason.empty()) message.reason(to_beast(response.reason));
  if (auto copied = copy_fields(response, message); !copied) return tl::unexpected(copied.error());
  const bool bodiless = response.status < 200 || response.status == 204 || response.status == 304;
  if (bodiless && !response.body.empty())
    return fail(ErrorCode::bad_encoding, "http: this status has no body");
  if (!bodiless) message.content_length(response.body.size());
  return serialize(message);
}

}  // namespace mesocosm
