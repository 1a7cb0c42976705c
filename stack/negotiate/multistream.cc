#include "stack/negotiate/multistream.h"

#include <utility>

#include "stack/base/assert.h"

namespace mesocosm {
namespace {

constexpr std::string_view kRefusal = "na";
constexpr std::string_view kList = "ls";

// Lengths up to the cap take one or two bytes.
void append_length(std::string& out, std::size_t length) {
  if (length >= 0x80) {
    out += static_cast<char>(0x80 | (length & 0x7f));
    length >>= 7;
  }
  out += static_cast<char>(length);
}

// The answer to "ls": one message that holds a message for each name.
void append_list(std::string& out, std::span<const std::string_view> names) {
  std::string body;
  for (std::string_view name : names) {
    const std::size_t before = body.size();
    append_multistream_message(body, name);
    if (body.size() >= kMultistreamMaxMessage) body.resize(before);  // what does not fit stays unsaid
  }
  append_multistream_message(out, body);
}

}  // namespace

void append_multistream_message(std::string& out, std::string_view text) {
  MC_ASSERT(text.size() < kMultistreamMaxMessage);
  append_length(out, text.size() + 1);
  out += text;
  out += '\n';
}

void MultistreamReader::push(Bytes input) {
  if (pending_.empty()) {
    pending_ = std::move(input);
  } else if (!input.empty()) {
    const Bytes parts[] = {std::move(pending_), std::move(input)};
    pending_ = concat(parts);
  }
}

Result<std::optional<std::string_view>> MultistreamReader::next() {
  if (pending_.empty()) return std::nullopt;
  std::size_t length = pending_[0] & 0x7f;
  std::size_t prefix = 1;
  if ((pending_[0] & 0x80) != 0) {
    if (pending_.size() < 2) return std::nullopt;
    if ((pending_[1] & 0x80) != 0) return fail(ErrorCode::too_large, "multistream: length over 1,024");
    if (pending_[1] == 0) return fail(ErrorCode::bad_encoding, "multistream: length is not minimal");
    length |= static_cast<std::size_t>(pending_[1]) << 7;
    prefix = 2;
  }
  if (length > kMultistreamMaxMessage) return fail(ErrorCode::too_large, "multistream: length over 1,024");
  if (length == 0) return fail(ErrorCode::bad_encoding, "multistream: empty message");
  if (pending_.size() < prefix + length) return std::nullopt;
  current_ = pending_.take_front(prefix + length);
  if (pending_.empty()) pending_ = {};
  if (current_[current_.size() - 1] != '\n') {
    return fail(ErrorCode::bad_encoding, "multistream: message without a newline");
  }
  return current_.text().substr(prefix, length - 1);
}

MultistreamDialer::MultistreamDialer(std::span<const std::string_view> offers)
    : offers_(offers.begin(), offers.end()) {
  MC_ASSERT(!offers_.empty());
}

Bytes MultistreamDialer::start() const {
  std::string out;
  append_multistream_message(out, kMultistreamId);
  append_multistream_message(out, offers_.front());
  return Bytes::copy(out);
}

Result<Bytes> MultistreamDialer::on_bytes(Bytes input) {
  reader_.push(std::move(input));
  std::string out;
  while (state_ != MultistreamState::selected && state_ != MultistreamState::failed) {
    auto message = reader_.next();
    if (message && !*message) break;
    Result<void> taken = message ? on_message(**message, out) : tl::unexpected<Error>(message.error());
    if (!taken) {
      state_ = MultistreamState::failed;
      return tl::unexpected<Error>(std::move(taken.error()));
    }
  }
  return Bytes::copy(out);
}

Result<void> MultistreamDialer::on_message(std::string_view text, std::string& out) {
  if (state_ == MultistreamState::awaiting_header) {
    if (text != kMultistreamId) return fail(ErrorCode::protocol_violation, "multistream: no header");
    state_ = MultistreamState::awaiting_answer;
  } else if (text == offers_[current_]) {
    state_ = MultistreamState::selected;
  } else if (text != kRefusal) {
    return fail(ErrorCode::protocol_violation, "multistream: neither an echo nor a refusal");
  } else if (current_ + 1 == offers_.size()) {
    return fail(ErrorCode::negotiation_failed, "the peer does not speak " + std::string(offers_[current_]));
  } else {
    append_multistream_message(out, offers_[++current_]);
  }
  return {};
}

Result<Bytes> MultistreamListener::on_bytes(Bytes input, const MultistreamChooser& chooser,
                                            Bytes* last_words) {
  reader_.push(std::move(input));
  std::string out;
  while (state_ != MultistreamState::selected && state_ != MultistreamState::failed) {
    auto message = reader_.next();
    if (message && !*message) break;
    Result<void> taken =
        message ? on_message(**message, chooser, out) : tl::unexpected<Error>(message.error());
    if (!taken) {
      state_ = MultistreamState::failed;
      if (last_words != nullptr) *last_words = Bytes::copy(out);
      return tl::unexpected<Error>(std::move(taken.error()));
    }
  }
  return Bytes::copy(out);
}

Result<void> MultistreamListener::on_message(std::string_view text, const MultistreamChooser& chooser,
                                             std::string& out) {
  if (state_ == MultistreamState::awaiting_header) {
    if (text != kMultistreamId) return fail(ErrorCode::protocol_violation, "multistream: no header");
    append_multistream_message(out, kMultistreamId);
    state_ = MultistreamState::awaiting_offer;
    return {};
  }
  if (++offers_ > kMultistreamMaxOffers) return fail(ErrorCode::limit, "multistream: too many offers");
  if (text == kList) {
    const auto names = chooser.list();
    if (!names.empty()) {
      append_list(out, names);
      return {};
    }
  }
  selected_ = chooser.choose(text);
  append_multistream_message(out, selected_.empty() ? kRefusal : selected_);
  if (!selected_.empty()) state_ = MultistreamState::selected;
  return {};
}

}  // namespace mesocosm
