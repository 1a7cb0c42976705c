// multistream-select 1.0.0: two peers agree on a protocol's name at the head of a byte stream
// (libp2p/specs, connections/README.md#multistream-select). Pure cores: bytes in, bytes out.
//
//   dialer    /multistream/1.0.0, offer 1 ──▶            listener
//             ◀── /multistream/1.0.0, echo of the offer, or "na"
//             offer 2 ──▶   ...
//
// A message is a varint length, the text and a newline; the length counts the newline. The lazy form is the
// same dialer: whoever knows that the peer speaks its only offer sends data behind start() without waiting.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "stack/base/bytes.h"
#include "stack/base/result.h"

namespace mesocosm {

inline constexpr std::string_view kMultistreamId = "/multistream/1.0.0";
inline constexpr std::size_t kMultistreamMaxMessage = 1024;  // with the newline; what go and js accept
inline constexpr std::size_t kMultistreamMaxOffers = 64;     // that a listener answers before it gives up

// Appends one message. `text` is at most kMultistreamMaxMessage - 1 bytes.
void append_multistream_message(std::string& out, std::string_view text);

// Cuts messages off a byte stream. Holds bytes only while a message is incomplete.
class MultistreamReader {
 public:
  void push(Bytes input);
  // The next message's text, valid until the next call; nothing if it is incomplete.
  // Errors: too_large, bad_encoding.
  Result<std::optional<std::string_view>> next();
  Bytes take_rest() { return std::move(pending_); }

 private:
  Bytes pending_;
  Bytes current_;
};

// States, for both sides:
//   awaiting_header ──▶ awaiting_answer / awaiting_offer ──▶ selected
//          └───────────────────┴──▶ failed
enum class MultistreamState : std::uint8_t {
  awaiting_header,  // the peer has not yet said that it speaks multistream
  awaiting_answer,  // dialer: the current offer is neither echoed nor refused yet
  awaiting_offer,   // listener: nothing acceptable was offered yet
  selected,         // done: selected() names the protocol, take_rest() holds what follows
  failed,           // done: nothing in common, or the peer does not speak multistream
};

class MultistreamDialer {
 public:
  // Offers in order of preference, at least one. The views must outlive the dialer.
  explicit MultistreamDialer(std::span<const std::string_view> offers);

  Bytes start() const;  // the header and the first offer, to be sent at once
  // What to send in answer, perhaps nothing. Errors: negotiation_failed when all offers were refused,
  // protocol_violation, bad_encoding, too_large.
  Result<Bytes> on_bytes(Bytes input);

  MultistreamState state() const { return state_; }
  std::string_view selected() const { return offers_[current_]; }  // the current offer until one is selected
  bool at_last_offer() const { return current_ + 1 == offers_.size(); }
  Bytes take_rest() { return reader_.take_rest(); }

 private:
  Result<void> on_message(std::string_view text, std::string& out);

  MultistreamReader reader_;
  std::vector<std::string_view> offers_;
  std::size_t current_ = 0;
  MultistreamState state_ = MultistreamState::awaiting_header;
};

// Decides what a listener speaks.
class MultistreamChooser {
 public:
  // A lasting view of the name if it is spoken, else empty.
  virtual std::string_view choose(std::string_view offered) const = 0;
  // What "ls" answers; with an empty list it is answered "na", as go does.
  virtual std::vector<std::string_view> list() const { return {}; }

 protected:
  ~MultistreamChooser() = default;
};

class MultistreamListener {
 public:
  // What to send in answer, perhaps nothing. Errors: limit (too many offers), protocol_violation,
  // bad_encoding, too_large. Unknown names, "/libp2p/simultaneous-connect" among them, are answered "na".
  // `last_words`, if given, gets the answers to what came before an error.
  Result<Bytes> on_bytes(Bytes input, const MultistreamChooser& chooser, Bytes* last_words = nullptr);
  std::size_t offers() const { return offers_; }  // that came

  MultistreamState state() const { return state_; }
  std::string_view selected() const { return selected_; }
  Bytes take_rest() { return reader_.take_rest(); }

 private:
  Result<void> on_message(std::string_view text, const MultistreamChooser& chooser, std::string& out);

  MultistreamReader reader_;
  std::string_view selected_;
  std::uint8_t offers_ = 0;
  MultistreamState state_ = MultistreamState::awaiting_header;
};

}  // namespace mesocosm
