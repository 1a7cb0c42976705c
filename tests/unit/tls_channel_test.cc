// TLS records after the handshake: the published vector, cuts, limits, and what is refused.
#include "stack/secure/tls_channel.h"

#include <algorithm>
#include <string>

#include <catch2/catch.hpp>

#include "stack/crypto/hkdf.h"
#include "stack/wire/multibase.h"

using namespace mesocosm;

namespace {

constexpr char kAlert = 21, kHandshake = 22, kData = 23;

TlsSecret secret_of(std::uint8_t byte) {
  TlsSecret secret;
  secret.fill(byte);
  return secret;
}
TlsSecret secret_of_hex(std::string_view text) {
  TlsSecret secret;
  const Bytes bytes = decode_base(Base::base16, text).value();
  std::copy(bytes.begin(), bytes.end(), secret.begin());
  return secret;
}

// Seals records of any type, by the letter of RFC 8446.
struct Sealer {
  TlsSecret secret;
  std::uint64_t sequence = 0;

  static Sha256Digest expand(const TlsSecret& from, const std::string& label, char size) {
    const std::string info = std::string("\0", 1) + size + static_cast<char>(6 + label.size()) + "tls13 " +
                             label + std::string("\0\1", 2);
    return hmac_sha256(from, as_bytes(info));
  }
  Bytes record(char type, const std::string& content, std::size_t zeros = 0) {
    const std::string inner = content + type + std::string(zeros, '\0');
    AeadKey key{};
    const Sha256Digest whole_key = expand(secret, "key", 16), whole_iv = expand(secret, "iv", 12);
    std::copy_n(whole_key.begin(), 16, key.begin());
    AeadNonce nonce;
    std::copy_n(whole_iv.begin(), 12, nonce.begin());
    for (std::size_t i = 0; i < 8; ++i) nonce[11 - i] ^= static_cast<std::uint8_t>(sequence >> (8 * i));
    ++sequence;
    return Bytes::build(5 + inner.size() + 16, [&](MutableByteView out) {
      out[0] = 23, out[1] = 3, out[2] = 3;
      out[3] = static_cast<std::uint8_t>((inner.size() + 16) >> 8);
      out[4] = static_cast<std::uint8_t>(inner.size() + 16);
      aead_seal(AeadCipher::aes_128_gcm, key, nonce, out.first(5), as_bytes(inner), out.subspan(5));
    });
  }
  void update() { secret = expand(secret, "traffic upd", 32), sequence = 0; }
};

struct Receiver {
  TlsChannel channel{AeadCipher::aes_128_gcm, secret_of(2), secret_of(1)};
  Error error;

  // What it opens, with the input cut into pieces.
  std::string open(Bytes sealed, std::size_t chop = SIZE_MAX) {
    std::string text;
    while (!sealed.empty() && error.ok()) {
      Bytes piece = sealed.take_front(chop);
      while (true) {
        auto opened = channel.open(piece);
        if (!opened) error = opened.error();
        if (!opened || !*opened) break;
        text += (*opened)->text();
      }
      if (error.ok()) CHECK(piece.empty());
    }
    return text;
  }
};

Bytes seal(SecureChannel& channel, std::string_view text) {
  const Bytes bytes = Bytes::copy(text);
  return channel.seal({&bytes, 1});
}

// What a fresh receiver makes of records.
std::string verdict(const std::vector<Bytes>& records) {
  Receiver receiver;
  const std::string text = receiver.open(concat(records));
  return receiver.error.ok() ? text : text + "|" + receiver.error.message();
}

const std::string kTicket = std::string("\x04\0\0\x05", 4) + "12345";
const std::string kUpdate = std::string("\x18\0\0\x01\0", 5);
const std::string kUpdateRequested = std::string("\x18\0\0\x01\x01", 5);

}  // namespace

TEST_CASE("TLS records: the vector of RFC 8448, section 3", "[tls]") {
  TlsChannel client(AeadCipher::aes_128_gcm,
                    secret_of_hex("9e40646ce79a7f9dc05af8889bce6552875afa0b06df0087f792ebb7c17504a5"),
                    secret_of_hex("a11af9f05531f856ad47116b45a950328204b4f44bfb6b3a4b4f1f3fcb631643"));
  std::string text;
  for (char c = 0; c < 50; ++c) text += c;
  CHECK(to_hex(seal(client, text)) ==
        "1703030043a23f7054b62c94d0affafe8228ba55cbefacea42f914aa66bcab3f2b9819a8a5b46b395bd54a9a20441e2b6297"
        "4e1f"
        "5a6292a2977014bd1e3deae63aeebb21694915e4");
}

TEST_CASE("TLS records: pieces of any size arrive whole and in order", "[tls]") {
  for (const AeadCipher cipher : {AeadCipher::aes_128_gcm, AeadCipher::chacha20_poly1305}) {
    for (const std::size_t chop :
         {std::size_t{1}, std::size_t{7}, std::size_t{16'405}, std::size_t{100'000}}) {
      TlsChannel sender(cipher, secret_of(1), secret_of(2)), receiver(cipher, secret_of(2), secret_of(1));
      std::string text;
      Bytes sealed;
      for (const std::size_t size :
           {std::size_t{1}, std::size_t{16'384}, std::size_t{16'385}, std::size_t{60'000}}) {
        text += std::string(size, static_cast<char>('a' + size % 26));
        const Bytes both[] = {sealed, seal(sender, text.substr(text.size() - size))};
        sealed = concat(both);
      }
      CHECK(sealed.size() == text.size() + 8 * TlsChannel::kShape.overhead());
      std::string opened;
      int calls = 0;
      while (!sealed.empty()) {
        Bytes piece = sealed.take_front(chop);
        while (auto plaintext = *receiver.open(piece)) {
          opened += plaintext->text();
          ++calls;
        }
      }
      CHECK(opened == text);
      if (chop == 100'000) CHECK(calls == 1);  // all records of a slice at once
    }
  }
}

TEST_CASE("TLS records: both directions renew their keys", "[tls]") {
  constexpr std::uint64_t kRecords = 3;
  TlsChannel alice(AeadCipher::aes_128_gcm, secret_of(1), secret_of(2), kRecords);
  TlsChannel bob(AeadCipher::aes_128_gcm, secret_of(2), secret_of(1), kRecords);
  int updates = 0;
  for (int i = 0; i < 20; ++i) {
    TlsChannel& from = i % 2 == 0 ? alice : bob;
    TlsChannel& to = i % 2 == 0 ? bob : alice;
    const Bytes control = from.control();
    if (!control.empty()) ++updates;
    const Bytes both[] = {control, seal(from, std::to_string(i))};
    Bytes sealed = concat(both);
    CHECK((**to.open(sealed)).text() == std::to_string(i));
  }
  CHECK(updates == 6);
}

TEST_CASE("TLS records: a KeyUpdate is answered once if the peer asks", "[tls]") {
  Sealer sealer{secret_of(1)};
  Receiver receiver;
  CHECK(receiver.open(sealer.record(kData, "one")) == "one");
  CHECK(receiver.channel.control().empty());
  for (const std::string& update : {kUpdate, kUpdateRequested, kUpdateRequested}) {
    CHECK(receiver.open(sealer.record(kHandshake, update)).empty());
    sealer.update();
  }
  CHECK(receiver.open(sealer.record(kData, "two")) == "two");
  const Bytes answer = receiver.channel.control();
  CHECK(answer.size() == kUpdate.size() + TlsChannel::kShape.overhead());
  CHECK(receiver.channel.control().empty());
}

TEST_CASE("TLS records: tickets, padding and empty records are passed over", "[tls]") {
  Sealer sealer{secret_of(1)};
  CHECK(verdict({sealer.record(kHandshake, kTicket + kTicket), sealer.record(kData, "data", 300 - 44),
                 sealer.record(kData, ""), sealer.record(kHandshake, kTicket.substr(0, 6)),
                 sealer.record(kHandshake, kTicket.substr(6) + kTicket),
                 sealer.record(kAlert, std::string("\x01\x5a", 2)), sealer.record(kData, "more")}) ==
        "datamore");
}

TEST_CASE("TLS records: what came before the end is delivered, what follows is not", "[tls]") {
  Sealer sealer{secret_of(1)};
  const std::string close("\x01\x00", 2), refusal("\x02\x2a", 2);
  CHECK(verdict({sealer.record(kData, "one"), sealer.record(kData, "two"), sealer.record(kAlert, close),
                 sealer.record(kData, "three")}) == "onetwo");
  sealer.sequence = 0;
  CHECK(verdict({sealer.record(kData, "one"), sealer.record(kAlert, refusal), sealer.record(kData, "two")}) ==
        "one|authentication failed: tls: refused by the peer: bad certificate");
  sealer.sequence = 0;
  const Bytes good = sealer.record(kData, "good"), lost = sealer.record(kData, "lost");
  CHECK(verdict({good, sealer.record(kData, "later")}) ==
        "good|authentication failed: tls: a record does not verify");
  CHECK(verdict({good, good}) == "good|authentication failed: tls: a record does not verify");
}

TEST_CASE("TLS records: every fault has a name", "[tls]") {
  const auto one = [](char type, const std::string& content, std::size_t zeros = 0) {
    Sealer sealer{secret_of(1)};
    return verdict({sealer.record(type, content, zeros)});
  };
  const std::string violation = "|protocol violation: tls: ";
  CHECK(one(kData, "hello", 100) == "hello");
  CHECK(one(0, "") == violation + "a record without a type");
  CHECK(one(20, "\x01") == violation + "a record of an unknown type");
  CHECK(one(kAlert, "\x01") == "|bad encoding: tls: malformed alert");
  CHECK(one(kAlert, "\x02\xc8") == "|reset: tls: refused by the peer: alert 200");
  CHECK(one(kHandshake, "") == violation + "empty handshake record");
  CHECK(one(kHandshake, std::string("\x04\0\0", 3)) ==
        "|unsupported: tls: a message's header in two records");
  CHECK(one(kHandshake, std::string("\x04\x02\0\0", 4)) == "|too large: tls: session ticket too large");
  CHECK(one(kHandshake, std::string("\x0d\0\0\0", 4)) == violation + "unexpected handshake message");
  CHECK(one(kHandshake, kUpdate + kTicket) == violation + "malformed KeyUpdate");
  CHECK(one(kHandshake, std::string("\x18\0\0\x01\x02", 5)) == violation + "malformed KeyUpdate");
  CHECK(one(kHandshake, std::string("\x18\0\0\0", 4)) == violation + "malformed KeyUpdate");
  CHECK(one(kData, std::string(16'384, 'x')).size() == 16'384);
  CHECK(one(kData, std::string(16'385, 'x')) == "|too large: tls: a record over 16 KiB");
  CHECK(one(kData, std::string(16'640, 'x')) == "|too large: tls: a record over 16,640 bytes");
  const auto header = [](std::string bytes) { return verdict({Bytes::copy(bytes + std::string(20, 'x'))}); };
  CHECK(header(std::string("\x16\x03\x03\x00\x14", 5)) == violation + "a record that is not encrypted");
  CHECK(header(std::string("\x17\x03\x03\x00\x10", 5)) == "|bad encoding: tls: a record too short");
  CHECK(header(std::string("\x17\x03\x03\x41\x01", 5)) == "|too large: tls: a record over 16,640 bytes");
  Sealer sealer{secret_of(1)};
  CHECK(verdict({sealer.record(kHandshake, kTicket.substr(0, 6)), sealer.record(kData, "x")}) ==
        violation + "data inside a session ticket");
}

TEST_CASE("TLS records: who sends nothing but control is cut off", "[tls]") {
  Sealer sealer{secret_of(1)};
  Receiver receiver;
  for (int round = 0; round < 3; ++round) {
    for (int i = 0; i < 32; ++i) receiver.open(sealer.record(kHandshake, kTicket));
    CHECK(receiver.open(sealer.record(kData, "data")) == "data");
  }
  for (int i = 0; i < 32; ++i) receiver.open(sealer.record(kData, ""));
  CHECK(receiver.error.ok());
  receiver.open(sealer.record(kData, ""));
  CHECK(receiver.error.message() == "protocol violation: tls: too many records without data");
}

TEST_CASE("TLS records: no change goes unnoticed", "[tls]") {
  Sealer sealer{secret_of(1)};
  const Bytes record = sealer.record(kData, "hello");
  for (const std::size_t chop : {SIZE_MAX, std::size_t{3}}) {
    for (std::size_t at = 0; at < record.size(); ++at) {
      std::string changed(record.text());
      changed[at] = static_cast<char>(changed[at] ^ 1);
      Receiver receiver;
      const std::string text = receiver.open(Bytes::copy(changed + std::string(256, 'x')), chop);
      CHECK(text.empty());
      CHECK_FALSE(receiver.error.ok());
    }
  }
}
