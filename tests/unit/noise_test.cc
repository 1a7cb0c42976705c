// Noise: the published vector, the libp2p handshake between two cores, frames, and what tampering does.
#include "stack/secure/noise.h"

#include <string>
#include <vector>

#include <catch2/catch.hpp>

#include "stack/base/rng.h"
#include "stack/crypto/x25519.h"
#include "stack/wire/protobuf.h"
#include "tests/unit/foreign_key.h"
#include "tests/unit/vector_file.h"

using namespace mesocosm;

namespace {

std::vector<std::uint8_t> unhex(std::string_view text) {
  std::vector<std::uint8_t> bytes;
  const auto digit = [](char c) { return c <= '9' ? c - '0' : c - 'a' + 10; };
  for (std::size_t i = 0; i + 1 < text.size(); i += 2) {
    bytes.push_back(static_cast<std::uint8_t>(digit(text[i]) << 4 | digit(text[i + 1])));
  }
  return bytes;
}

NoiseKey key_of(std::string_view hex) {
  NoiseKey key;
  const auto bytes = unhex(hex);
  std::copy(bytes.begin(), bytes.end(), key.begin());
  return key;
}

NoiseKey key_of_byte(std::uint8_t byte) {
  NoiseKey key;
  key.fill(byte);
  return key;
}

KeyPair identity(std::uint8_t seed) { return KeyPair::from_seed(key_of_byte(seed)); }

constexpr std::string_view kYamux[] = {"/yamux/1.0.0"};
constexpr std::string_view kMplexYamux[] = {"/mplex/6.7.0", "/yamux/1.0.0"};
constexpr std::string_view kYamuxMplex[] = {"/yamux/1.0.0", "/mplex/6.7.0"};
constexpr std::string_view kOther[] = {"/other"};

struct Pair {
  NoiseIdentity alice_identity{identity(1), key_of_byte(11)};
  NoiseIdentity bob_identity{identity(2), key_of_byte(12)};
  NoiseHandshake alice, bob;
  std::vector<std::size_t> sizes;  // of the three messages
  Error error;

  explicit Pair(std::span<const std::string_view> alices = kYamux,
                std::span<const std::string_view> bobs = kYamux)
      : alice(SecurityRole::initiator, alice_identity, alices, key_of_byte(13)),
        bob(SecurityRole::responder, bob_identity, bobs, key_of_byte(14)) {}

  // Runs the handshake with messages cut into pieces; `tamper` may change a message on its way.
  template <class Tamper>
  void run(std::size_t chop, Tamper tamper) {
    Bytes message = alice.start();
    for (int i = 0; error.ok() && !message.empty(); ++i) {
      sizes.push_back(message.size());
      message = feed(i % 2 == 0 ? bob : alice, tamper(i, message), chop);
    }
  }
  void run(std::size_t chop = SIZE_MAX) {
    run(chop, [](int, Bytes message) { return message; });
  }
  Bytes feed(NoiseHandshake& to, Bytes message, std::size_t chop) {
    Bytes reply;
    while (!message.empty()) {
      Bytes piece = message.take_front(chop);
      auto answer = to.on_bytes(piece);
      if (!answer) {
        error = answer.error();
        return {};
      }
      if (!answer->empty()) reply = *answer;
    }
    return reply;
  }
};

Bytes flip(const Bytes& message, std::size_t at) {
  std::string changed(message.text());
  changed[at % changed.size()] = static_cast<char>(changed[at % changed.size()] ^ 1);
  return Bytes::copy(changed);
}

struct Sealed {
  NoiseTransport sender{key_of_byte(1), key_of_byte(2)}, receiver{key_of_byte(2), key_of_byte(1)};

  // What the receiver opens, with the input cut into pieces.
  std::string open(Bytes sealed, std::size_t chop, int* frames = nullptr) {
    std::string text;
    while (!sealed.empty()) {
      Bytes piece = sealed.take_front(chop);
      while (true) {
        auto frame = receiver.open(piece);
        REQUIRE(frame);
        if (!*frame) break;
        if (frames != nullptr) ++*frames;
        text += (*frame)->text();
      }
      REQUIRE(piece.empty());
    }
    return text;
  }
};

}  // namespace

TEST_CASE("Noise XX gives the published vectors", "[noise]") {
  const auto all_messages = testing::read_vectors("noise.txt", "message");
  for (const auto& vector : testing::read_vectors("noise.txt", "handshake")) {
    INFO(vector.at(0));
    const auto prologue = unhex(vector.at(1));
    const NoiseKey alice_secret = key_of(vector.at(2)), bob_secret = key_of(vector.at(4));
    NoiseXX alice(SecurityRole::initiator, alice_secret, x25519_public(alice_secret), key_of(vector.at(3)),
                  prologue);
    NoiseXX bob(SecurityRole::responder, bob_secret, x25519_public(bob_secret), key_of(vector.at(5)),
                prologue);
    NoiseTransport from_alice, from_bob;
    std::size_t number = 0;
    for (const auto& message : all_messages) {
      if (message.at(0) != vector.at(0)) continue;
      const Bytes payload = testing::from_hex(message.at(1));
      const bool alices = number % 2 == 0;
      if (number++ < 3) {
        const auto written = (alices ? alice : bob).write(payload);
        REQUIRE(written);
        CHECK(to_hex(written->slice(kNoiseLength)) == message.at(2));
        const auto read = (alices ? bob : alice).read(written->slice(kNoiseLength));
        REQUIRE(read);
        CHECK(*read == payload);
        if (number < 3) continue;
        from_alice = alice.split();
        from_bob = bob.split();
      } else {
        Bytes sealed = (alices ? from_alice : from_bob).seal({&payload, 1});
        CHECK(to_hex(sealed.slice(kNoiseLength)) == message.at(2));
        const auto opened = (alices ? from_bob : from_alice).open(sealed);
        REQUIRE(opened);
        CHECK(*opened == payload);
      }
    }
    CHECK(number > 4);  // both directions' first frames, and more
    CHECK(bob.hash() == alice.hash());
    if (vector.size() > 6) CHECK(to_hex(alice.hash()) == vector.at(6));
  }
}

TEST_CASE("the libp2p handshake authenticates both peers, however its bytes are cut", "[noise]") {
  for (const std::size_t chop : {std::size_t{1}, std::size_t{2}, std::size_t{3}, std::size_t{50}, SIZE_MAX}) {
    Pair pair;
    pair.run(chop);
    REQUIRE(pair.error.ok());
    REQUIRE(pair.alice.state() == NoiseHandshake::State::done);
    REQUIRE(pair.bob.state() == NoiseHandshake::State::done);
    CHECK(pair.alice.peer().id == identity(2).peer_id());
    CHECK(pair.bob.peer().id == identity(1).peer_id());
    CHECK(pair.bob.peer().public_key == identity(1).public_key().serialized());
    CHECK(pair.alice.muxer() == "/yamux/1.0.0");
    CHECK(pair.bob.muxer() == "/yamux/1.0.0");
    // Length 2; e 32; s 32 + 16; payload: key 2 + 36, signature 2 + 64, muxers 2 + 2 + 12; tag 16.
    CHECK(pair.sizes == std::vector<std::size_t>{2 + 32, 2 + 32 + 48 + 120 + 16, 2 + 48 + 120 + 16});
    NoiseTransport a = pair.alice.transport(), b = pair.bob.transport();
    const Bytes hello = Bytes::copy("hello");
    Bytes sealed = a.seal({&hello, 1});
    CHECK((*b.open(sealed))->text() == "hello");
  }
}

TEST_CASE("the muxer is the initiator's first that both speak", "[noise]") {
  Pair both(kYamuxMplex, kMplexYamux);
  both.run();
  CHECK(both.alice.muxer() == "/yamux/1.0.0");
  CHECK(both.bob.muxer() == "/yamux/1.0.0");
  Pair reversed(kMplexYamux, kYamuxMplex);
  reversed.run();
  CHECK(reversed.alice.muxer() == "/mplex/6.7.0");
  CHECK(reversed.bob.muxer() == "/mplex/6.7.0");
  Pair none(kYamux, kOther);
  none.run();
  CHECK(none.error.code == ErrorCode::negotiation_failed);
  const std::span<const std::string_view> nothing;
  Pair absent(kYamux, nothing);  // the extension is missing on one side: multistream decides
  absent.run();
  REQUIRE(absent.error.ok());
  CHECK(absent.alice.muxer().empty());
  CHECK(absent.bob.muxer().empty());
  CHECK(absent.bob.state() == NoiseHandshake::State::done);
}

TEST_CASE("a changed bit anywhere in the handshake ends it", "[noise]") {
  Pair sizes;
  sizes.run();
  for (int which = 1; which < 3; ++which) {
    for (std::size_t at = kNoiseLength; at < sizes.sizes[static_cast<std::size_t>(which)]; at += 7) {
      Pair pair;
      pair.run(SIZE_MAX, [&](int i, Bytes message) { return i == which ? flip(message, at) : message; });
      INFO("message " << which << ", byte " << at);
      CHECK(!pair.error.ok());
    }
  }
  Pair first;  // the first message is not authenticated itself, but the second depends on it
  first.run(SIZE_MAX, [&](int i, Bytes message) { return i == 0 ? flip(message, 5) : message; });
  CHECK(first.error.code == ErrorCode::authentication);
  CHECK(first.alice.state() == NoiseHandshake::State::failed);
}

TEST_CASE("a key of small order is refused", "[noise]") {
  Pair pair;
  pair.run(SIZE_MAX, [](int i, Bytes message) {
    return i == 0 ? Bytes::copy(std::string("\0\x20", 2) + std::string(32, '\0')) : message;
  });
  CHECK(pair.error.code == ErrorCode::protocol_violation);
}

TEST_CASE("a payload signed for another static key is refused", "[noise]") {
  const NoiseIdentity honest(identity(3), key_of_byte(20));
  const Bytes payload = honest.payload(kYamux);
  const auto peer = decode_noise_payload(payload, honest.static_public());
  REQUIRE(peer);
  CHECK(peer->id == identity(3).peer_id());
  CHECK(peer->muxers == std::vector<std::string>{"/yamux/1.0.0"});
  CHECK(decode_noise_payload(payload, key_of_byte(9)).error().code == ErrorCode::authentication);
  CHECK(decode_noise_payload(payload.slice(0, 20), honest.static_public()).error().code ==
        ErrorCode::bad_encoding);
  CHECK(!decode_noise_payload({}, honest.static_public()));
}

TEST_CASE("peers with RSA, ECDSA and secp256k1 identities, on both sides of the handshake", "[noise]") {
  const auto field = [](std::uint32_t number, ByteView bytes) {
    ByteWriter out;
    ProtoWriter(out).bytes(number, bytes);
    return out.take();
  };
  const NoiseKey their_static = key_of_byte(21), their_public = x25519_public(their_static);
  const Bytes text = concat(std::array{Bytes::copy("noise-libp2p-static-key:"), Bytes::copy(their_public)});
  const NoiseIdentity ours(identity(1), key_of_byte(11));

  for (const KeyType type : {KeyType::rsa, KeyType::ecdsa, KeyType::secp256k1}) {
    const testing::ForeignKey key = testing::ForeignKey::of(type);
    const Bytes signature = key.sign(text);
    const auto payload_with = [&](const Bytes& signed_with) {
      return concat(std::array{field(1, key.public_key().serialized()), field(2, signed_with)});
    };
    for (const bool forged : {false, true}) {
      const Bytes payload = payload_with(forged ? flip(signature, signature.size() - 1) : signature);
      const auto check = [&](const NoiseHandshake& handshake, const Result<Bytes>& answer) {
        CHECK(answer.has_value() == !forged);
        if (forged) {
          CHECK(answer.error().code == ErrorCode::authentication);
        } else {
          REQUIRE(handshake.state() == NoiseHandshake::State::done);
          CHECK(handshake.peer().id == key.public_key().peer_id());
          CHECK(handshake.peer().public_key == key.public_key().serialized());
        }
      };
      {  // they answer
        NoiseXX theirs(SecurityRole::responder, their_static, their_public, key_of_byte(22));
        NoiseHandshake handshake(SecurityRole::initiator, ours, {}, key_of_byte(13));
        REQUIRE(theirs.read(handshake.start().slice(kNoiseLength)));
        Bytes second = theirs.write(payload).value();
        check(handshake, handshake.on_bytes(second));
      }
      {  // they begin
        NoiseXX theirs(SecurityRole::initiator, their_static, their_public, key_of_byte(22));
        NoiseHandshake handshake(SecurityRole::responder, ours, {}, key_of_byte(13));
        Bytes first = theirs.write({}).value();
        const Bytes second = handshake.on_bytes(first).value();
        REQUIRE(theirs.read(second.slice(kNoiseLength)));
        Bytes third = theirs.write(payload).value();
        check(handshake, handshake.on_bytes(third));
      }
    }
  }
}

TEST_CASE("frames are full, and open however they are cut", "[noise]") {
  std::string text(200'000, '\0');
  for (std::size_t i = 0; i < text.size(); ++i) text[i] = static_cast<char>(i * 7 + i / 256);
  const Bytes whole = Bytes::copy(text);
  const std::vector<Bytes> slices = {whole.slice(0, 1), Bytes{}, whole.slice(1, 70'000), whole.slice(70'001)};
  for (const std::size_t chop : {std::size_t{1}, std::size_t{17}, std::size_t{65'537}, SIZE_MAX}) {
    Sealed pair;
    const Bytes sealed = pair.sender.seal(slices);
    CHECK(sealed.size() == 200'000 + 4 * kNoiseOverhead);
    CHECK(sealed.size() == NoiseTransport::kShape.sealed_size(200'000));
    CHECK(to_hex(sealed.slice(0, 2)) == "ffff");
    int frames = 0;
    CHECK(pair.open(sealed, chop, &frames) == text);
    CHECK(frames == 4);
  }
}

TEST_CASE("an empty frame is a frame, one shorter than its tag is not", "[noise]") {
  Sealed pair;
  std::string empty(kNoiseOverhead, '\0');
  pair.sender.seal_frame({reinterpret_cast<std::uint8_t*>(empty.data()), empty.size()});
  Bytes sealed = Bytes::copy(empty);
  const auto opened = pair.receiver.open(sealed);
  REQUIRE(opened);
  REQUIRE(*opened);
  CHECK((*opened)->empty());
  Bytes tiny = Bytes::copy(std::string("\0\x0f", 2) + std::string(15, 'x'));
  CHECK(pair.receiver.open(tiny).error().code == ErrorCode::bad_encoding);
}

TEST_CASE("changed, replayed and reordered frames do not open", "[noise]") {
  const Bytes one = Bytes::copy("one"), two = Bytes::copy("two");
  {
    Sealed pair;
    Bytes changed = flip(pair.sender.seal({&one, 1}), 3);
    CHECK(pair.receiver.open(changed).error().code == ErrorCode::authentication);
  }
  {
    Sealed pair;
    const Bytes first = pair.sender.seal({&one, 1});
    Bytes once = first, again = first;
    CHECK(pair.receiver.open(once));
    CHECK(pair.receiver.open(again).error().code == ErrorCode::authentication);
  }
  {
    Sealed pair;
    static_cast<void>(pair.sender.seal({&one, 1}));
    Bytes second = pair.sender.seal({&two, 1});
    CHECK(pair.receiver.open(second).error().code == ErrorCode::authentication);
  }
}
