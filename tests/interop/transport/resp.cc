#include "tests/interop/transport/resp.h"

#include <charconv>
#include <utility>

namespace mesocosm::interop {
namespace {

constexpr std::string_view kLineEnd = "\r\n";

// Takes replies off the front of a text. Each function says false if the text ends too early.
class Parser {
 public:
  explicit Parser(std::string_view text) : rest_(text) {}

  Result<bool> reply(RedisReply& out, unsigned depth);
  std::string_view rest() const { return rest_; }

 private:
  Result<bool> line(std::string_view& out);
  Result<bool> text(RedisReply& out, std::int64_t size);
  Result<bool> list(RedisReply& out, std::int64_t count, unsigned depth);

  std::string_view rest_;
};

Result<std::int64_t> parse_number(std::string_view text) {
  std::int64_t number = 0;
  const auto [end, fault] = std::from_chars(text.data(), text.data() + text.size(), number);
  if (fault != std::errc() || end != text.data() + text.size()) {
    return fail(ErrorCode::bad_encoding, "redis: not a number: '" + std::string(text) + "'");
  }
  return number;
}

Result<bool> Parser::reply(RedisReply& out, unsigned depth) {
  using Kind = RedisReply::Kind;
  std::string_view head;
  auto whole = line(head);
  if (!whole || !*whole) return whole;
  const char type = head.empty() ? '\0' : head.front();
  if (type == '+' || type == '-') {
    out.kind = type == '+' ? Kind::text : Kind::error;
    out.text = head.substr(1);
    return true;
  }
  if (type != ':' && type != '$' && type != '*')
    return fail(ErrorCode::bad_encoding, "redis: no such type of reply");
  const auto number = parse_number(head.substr(1));
  if (!number) return tl::unexpected(number.error());
  if (type == ':') {
    out.kind = Kind::number;
    out.number = *number;
    return true;
  }
  if (*number == -1) return true;  // nothing
  if (*number < 0) return fail(ErrorCode::bad_encoding, "redis: a negative length");
  return type == '$' ? text(out, *number) : list(out, *number, depth);
}

Result<bool> Parser::line(std::string_view& out) {
  const std::size_t end = rest_.substr(0, RedisReader::kMaxLine).find(kLineEnd);
  if (end == std::string_view::npos) {
    if (rest_.size() >= RedisReader::kMaxLine) return fail(ErrorCode::too_large, "redis: a line");
    return false;
  }
  out = rest_.substr(0, end);
  rest_.remove_prefix(end + kLineEnd.size());
  return true;
}

Result<bool> Parser::text(RedisReply& out, std::int64_t size) {
  if (size > static_cast<std::int64_t>(RedisReader::kMaxText))
    return fail(ErrorCode::too_large, "redis: a text");
  const auto length = static_cast<std::size_t>(size);
  if (rest_.size() < length + kLineEnd.size()) return false;
  if (rest_.substr(length, kLineEnd.size()) != kLineEnd) {
    return fail(ErrorCode::bad_encoding, "redis: a text that is longer than it says");
  }
  out.kind = RedisReply::Kind::text;
  out.text = rest_.substr(0, length);
  rest_.remove_prefix(length + kLineEnd.size());
  return true;
}

Result<bool> Parser::list(RedisReply& out, std::int64_t count, unsigned depth) {
  if (count > static_cast<std::int64_t>(RedisReader::kMaxItems) || depth == 0) {
    return fail(ErrorCode::too_large, "redis: a list");
  }
  out.kind = RedisReply::Kind::list;
  for (; count > 0; --count) {
    auto whole = reply(out.items.emplace_back(), depth - 1);
    if (!whole || !*whole) return whole;
  }
  return true;
}

}  // namespace

Bytes redis_command(std::span<const std::string_view> words) {
  std::string text = "*" + std::to_string(words.size()) + "\r\n";
  for (const std::string_view word : words) {
    text += "$" + std::to_string(word.size()) + "\r\n";
    text += word;
    text += kLineEnd;
  }
  return Bytes::copy(text);
}

Result<std::optional<RedisReply>> RedisReader::next() {
  Parser parser(buffer_);
  RedisReply reply;
  const auto whole = parser.reply(reply, kMaxDepth);
  if (!whole) return tl::unexpected(whole.error());
  if (!*whole) return std::nullopt;
  buffer_.erase(0, buffer_.size() - parser.rest().size());
  return reply;
}

}  // namespace mesocosm::interop
