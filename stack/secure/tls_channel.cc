#include "stack/secure/tls_channel.h"

#include <algorithm>
#include <cstring>
#include <utility>

#include "stack/base/assert.h"
#include "stack/crypto/hkdf.h"
#include "stack/crypto/wipe.h"

namespace mesocosm {
namespace {

constexpr std::uint8_t kCloseNotify = 0;
constexpr std::uint8_t kUserCanceled = 90;
constexpr std::uint8_t kNewSessionTicket = 4;
constexpr std::uint8_t kKeyUpdate = 24;
constexpr std::size_t kMessageHeader = 4;
constexpr std::uint32_t kMaxTicket = 64 * 1024;
constexpr std::uint8_t kMaxIdleRecords = 32;  // in a row; who sends more keeps us busy for nothing

// HKDF-Expand-Label without a context (RFC 8446, section 7.1), of at most one hash.
void expand_label(const TlsSecret& secret, std::string_view label, MutableByteView out) {
  MC_ASSERT(out.size() <= sizeof(Sha256Digest));
  std::string info{'\0', static_cast<char>(out.size()), static_cast<char>(6 + label.size())};
  info += "tls13 ";
  info += label;
  info += '\0';
  info += '\1';  // HKDF-Expand's first block
  Sha256Digest block = hmac_sha256(secret, as_bytes(info));
  std::copy_n(block.begin(), out.size(), out.begin());
  wipe(block);
}

// The length in a record's header. Errors: protocol_violation, too_large, bad_encoding.
Result<std::size_t> record_length(ByteView header) {
  if (header[0] != 23) return fail(ErrorCode::protocol_violation, "tls: a record that is not encrypted");
  const std::size_t length = header[3] << 8 | header[4];
  if (length > kTlsMaxRecord) return fail(ErrorCode::too_large, "tls: a record over 16,640 bytes");
  if (length < kTlsTail) return fail(ErrorCode::bad_encoding, "tls: a record too short");
  return length;
}

struct Alert {
  std::uint8_t description;
  ErrorCode code;
  const char* name;
};

constexpr Alert kAlerts[] = {
    {10, ErrorCode::protocol_violation, "unexpected message"},
    {20, ErrorCode::authentication, "bad record mac"},
    {22, ErrorCode::too_large, "record overflow"},
    {40, ErrorCode::negotiation_failed, "handshake failure"},
    {42, ErrorCode::authentication, "bad certificate"},
    {43, ErrorCode::authentication, "unsupported certificate"},
    {44, ErrorCode::authentication, "certificate revoked"},
    {45, ErrorCode::authentication, "certificate expired"},
    {46, ErrorCode::authentication, "certificate unknown"},
    {47, ErrorCode::protocol_violation, "illegal parameter"},
    {48, ErrorCode::authentication, "unknown certificate authority"},
    {49, ErrorCode::authentication, "access denied"},
    {50, ErrorCode::bad_encoding, "decode error"},
    {51, ErrorCode::authentication, "decrypt error"},
    {70, ErrorCode::negotiation_failed, "protocol version"},
    {71, ErrorCode::negotiation_failed, "insufficient security"},
    {80, ErrorCode::reset, "internal error"},
    {109, ErrorCode::negotiation_failed, "missing extension"},
    {110, ErrorCode::negotiation_failed, "unsupported extension"},
    {116, ErrorCode::authentication, "certificate required"},
    {120, ErrorCode::negotiation_failed, "no application protocol"},
};

}  // namespace

Error tls_alert_error(std::uint8_t description) {
  if (description == kCloseNotify) return {ErrorCode::none, "closed by the peer"};
  for (const Alert& alert : kAlerts) {
    if (alert.description == description)
      return {alert.code, std::string("tls: refused by the peer: ") + alert.name};
  }
  return {ErrorCode::reset, "tls: refused by the peer: alert " + std::to_string(description)};
}

// --- Keys

TlsChannel::TlsChannel(AeadCipher cipher, const TlsSecret& send, const TlsSecret& receive,
                       std::uint64_t records_per_key)
    : records_per_key_(records_per_key), cipher_(cipher) {
  send_.secret = send;
  receive_.secret = receive;
  send_.derive(cipher);
  receive_.derive(cipher);
}

TlsChannel::~TlsChannel() {
  for (Keys* keys : {&send_, &receive_}) {
    wipe(keys->secret);
    wipe(keys->key);
    wipe(keys->iv);
  }
}

void TlsChannel::Keys::derive(AeadCipher cipher) {
  expand_label(secret, "key", MutableByteView(key).first(aead_key_size(cipher)));
  expand_label(secret, "iv", iv);
}

void TlsChannel::Keys::update(AeadCipher cipher) {
  expand_label(TlsSecret(secret), "traffic upd", secret);
  derive(cipher);
  sequence = 0;
}

AeadNonce TlsChannel::Keys::nonce() const {
  AeadNonce nonce = iv;
  for (std::size_t i = 0; i < sizeof(sequence); ++i) {
    nonce[nonce.size() - 1 - i] ^= static_cast<std::uint8_t>(sequence >> (8 * i));
  }
  return nonce;
}

// --- Sealing

void TlsChannel::seal_frame(MutableByteView frame) { seal_as(Content::application, frame); }

void TlsChannel::seal_as(Content type, MutableByteView frame) {
  MC_ASSERT(frame.size() >= kShape.overhead() && frame.size() <= kShape.overhead() + kTlsMaxPlaintext);
  const MutableByteView body = frame.subspan(kTlsHeader);
  const std::uint8_t header[] = {23, 3, 3, static_cast<std::uint8_t>(body.size() >> 8),
                                 static_cast<std::uint8_t>(body.size())};
  std::copy(std::begin(header), std::end(header), frame.begin());
  const MutableByteView inner = body.first(body.size() - kAeadTagSize);
  inner.back() = static_cast<std::uint8_t>(type);
  aead_seal(cipher_, send_.key, send_.nonce(), header, inner, body);
  ++send_.sequence;
}

Bytes TlsChannel::seal_control(Content type, ByteView content) {
  return Bytes::build(kShape.sealed_size(content.size()), [&](MutableByteView frame) {
    std::copy(content.begin(), content.end(), frame.begin() + kTlsHeader);
    seal_as(type, frame);
  });
}

// A KeyUpdate, if the peer asked for one or the key has sealed enough.
Bytes TlsChannel::control() {
  if (!update_due_ && send_.sequence < records_per_key_) return {};
  constexpr std::uint8_t kUpdateNotRequested[] = {kKeyUpdate, 0, 0, 1, 0};
  Bytes record = seal_control(Content::handshake, kUpdateNotRequested);
  send_.update(cipher_);
  update_due_ = false;
  return record;
}

Bytes TlsChannel::farewell() {
  constexpr std::uint8_t kWarning = 1;
  constexpr std::uint8_t kAlert[] = {kWarning, kCloseNotify};
  return seal_control(Content::alert, kAlert);
}

// --- Opening

Result<std::optional<Bytes>> TlsChannel::open(Bytes& input) {
  while (!failure_) {
    Bytes plaintext;
    if (finished_) {
      input = {};
    } else if (const std::size_t room = whole_records(input); header_size_ == 0 && room > 0) {
      plaintext = open_whole(input, room);
    } else if (collect(input)) {
      plaintext = open_partial();
    }
    if (!plaintext.empty()) return plaintext;
    if (input.empty() && !failure_) return std::nullopt;
  }
  return tl::unexpected<Error>(*failure_);
}

// The room that the plaintext of the records needs that are whole at the front of `input`.
std::size_t TlsChannel::whole_records(ByteView input) {
  std::size_t room = 0;
  while (input.size() >= kTlsHeader) {
    const auto length = record_length(input);
    if (!length || input.size() - kTlsHeader < *length) break;
    room += *length - kAeadTagSize;
    input = input.subspan(kTlsHeader + *length);
  }
  return room;
}

// Into one buffer, up to the first record that ends the stream or is wrong.
Bytes TlsChannel::open_whole(Bytes& input, std::size_t room) {
  std::size_t used = 0;
  const Bytes plaintext = Bytes::build(room, [&](MutableByteView out) {
    while (used < room && !failure_ && !finished_) {
      if (input.size() < kTlsHeader) break;
      const auto length = record_length(input);
      if (!length || input.size() - kTlsHeader < *length) break;
      const Bytes record = input.take_front(kTlsHeader + *length);
      const ByteView sealed = record.view().subspan(kTlsHeader);
      used += open_record(record.view().first(kTlsHeader), sealed, out.subspan(used, *length - kAeadTagSize));
    }
  });
  return plaintext.slice(0, used);
}

// Takes what belongs to a record that comes in pieces; true once it is whole.
bool TlsChannel::collect(Bytes& input) {
  while (header_size_ < kTlsHeader) {
    if (input.empty()) return false;
    header_[header_size_++] = input.take_front(1)[0];
    if (header_size_ < kTlsHeader) continue;
    const auto length = record_length(header_);
    if (!length) {
      failure_ = std::make_unique<Error>(length.error());
      return false;
    }
    partial_ = Bytes::build(*length, [](MutableByteView) {});
    filled_ = 0;
  }
  // The buffer is filled before anybody else sees it.
  const std::size_t n = std::min(partial_.size() - filled_, input.size());
  if (n > 0) std::memcpy(const_cast<std::uint8_t*>(partial_.data()) + filled_, input.data(), n);
  input.take_front(n);
  filled_ = static_cast<std::uint16_t>(filled_ + n);
  return filled_ == partial_.size();
}

// The record that was collected, opened in place.
Bytes TlsChannel::open_partial() {
  const Bytes record = std::exchange(partial_, {});
  header_size_ = 0;
  const std::size_t size = record.size() - kAeadTagSize;
  const std::size_t used = open_record(header_, record, {const_cast<std::uint8_t*>(record.data()), size});
  return record.slice(0, used);
}

// How much of `out` is data; sets failure_.
std::size_t TlsChannel::open_record(ByteView header, ByteView sealed, MutableByteView out) {
  auto size = [&]() -> Result<std::size_t> {
    if (!aead_open(cipher_, receive_.key, receive_.nonce(), header, sealed, out)) {
      return fail(ErrorCode::authentication, "tls: a record does not verify");
    }
    ++receive_.sequence;
    return on_inner(out);
  }();
  if (size) return *size;
  failure_ = std::make_unique<Error>(std::move(size.error()));
  return 0;
}

// The plaintext, its type and perhaps zeros. How much of it is data.
Result<std::size_t> TlsChannel::on_inner(ByteView inner) {
  while (!inner.empty() && inner.back() == 0) inner = inner.first(inner.size() - 1);
  if (inner.empty()) return fail(ErrorCode::protocol_violation, "tls: a record without a type");
  const ByteView content = inner.first(inner.size() - 1);
  if (content.size() > kTlsMaxPlaintext) return fail(ErrorCode::too_large, "tls: a record over 16 KiB");
  const auto type = static_cast<Content>(inner.back());
  if (type == Content::application && !content.empty()) {
    if (skip_ > 0) return fail(ErrorCode::protocol_violation, "tls: data inside a session ticket");
    idle_records_ = 0;
    return content.size();
  }
  if (++idle_records_ > kMaxIdleRecords) {
    return fail(ErrorCode::protocol_violation, "tls: too many records without data");
  }
  if (auto taken = on_control(type, content); !taken) return tl::unexpected<Error>(std::move(taken.error()));
  return 0;
}

Result<void> TlsChannel::on_control(Content type, ByteView content) {
  switch (type) {
    case Content::application:
      return {};
    case Content::handshake:
      return on_handshake(content);
    case Content::alert:
      if (content.size() != 2) return fail(ErrorCode::bad_encoding, "tls: malformed alert");
      if (content[1] == kUserCanceled) return {};
      if (content[1] != kCloseNotify) return tl::unexpected<Error>(tls_alert_error(content[1]));
      finished_ = true;
      return {};
  }
  return fail(ErrorCode::protocol_violation, "tls: a record of an unknown type");
}

// Session tickets are skipped; KeyUpdate is the last message under its key.
Result<void> TlsChannel::on_handshake(ByteView content) {
  if (content.empty()) return fail(ErrorCode::protocol_violation, "tls: empty handshake record");
  while (!content.empty()) {
    const std::size_t skipped = std::min<std::size_t>(skip_, content.size());
    content = content.subspan(skipped);
    skip_ -= static_cast<std::uint32_t>(skipped);
    if (content.empty()) break;
    if (content.size() < kMessageHeader) {
      return fail(ErrorCode::unsupported, "tls: a message's header in two records");
    }
    const std::uint32_t length = content[1] << 16 | content[2] << 8 | content[3];
    if (content[0] == kNewSessionTicket) {
      if (length > kMaxTicket) return fail(ErrorCode::too_large, "tls: session ticket too large");
      skip_ = length;
      content = content.subspan(kMessageHeader);
    } else if (content[0] == kKeyUpdate) {
      if (length != 1 || content.size() != kMessageHeader + 1 || content[kMessageHeader] > 1) {
        return fail(ErrorCode::protocol_violation, "tls: malformed KeyUpdate");
      }
      receive_.update(cipher_);
      if (content[kMessageHeader] == 1) update_due_ = true;
      return {};
    } else {
      return fail(ErrorCode::protocol_violation, "tls: unexpected handshake message");
    }
  }
  return {};
}

}  // namespace mesocosm
