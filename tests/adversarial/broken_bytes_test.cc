// One attacker after the other breaks one rule: each is refused for the right reason, and the node goes on.
#include <array>
#include <string>
#include <vector>

#include <catch2/catch.hpp>

#include "attacks/wire/crowds.h"
#include "attacks/wire/forgers.h"
#include "attacks/wire/frames.h"
#include "stack/wire/protobuf.h"
#include "tests/adversarial/victim.h"

using namespace mesocosm;
using namespace mesocosm::wire_attacks;
using namespace mesocosm::testing;

namespace {

using Goal = RawPeer::Goal;

constexpr Duration kPatience = 20s;  // for what takes milliseconds on an idle machine

SecuritySeed seed_of(std::uint8_t byte) {
  SecuritySeed seed;
  seed.fill(byte);
  return seed;
}

// One broken rule, and what the victim says of it.
struct Broken {
  std::string what;
  Goal goal;
  Pour pour;
  std::string complaint;  // how one of the victim's complaints begins
};

Bytes bytes(std::string_view text) { return Bytes::copy(text); }
Bytes zeros(std::size_t size) { return bytes(std::string(size, '\0')); }

// A Noise message behind its length.
Bytes noise_message(std::size_t claimed, const Bytes& message) {
  ByteWriter out;
  out.put_u16_be(static_cast<std::uint16_t>(claimed));
  out.put(message);
  return out.take();
}

class Field {
 public:
  void expect(const Broken& broken, std::unique_ptr<SecurityHandshake> handshake = nullptr) {
    INFO(broken.what);
    if (broken.goal == Goal::secured && handshake == nullptr) handshake = honest_noise(seed_of(7));
    RawPeer::Plan plan{.goal = broken.goal, .handshake = std::move(handshake)};
    Flood attacker(env_.env, victim_.endpoint(), std::move(plan), broken.pour);
    const bool complained =
        run_until(loop_, kPatience, [&] { return complaints_of(broken) > told_[broken.complaint]; });
    if (!complained) {
      for (const auto& [text, times] : victim_.complaints()) UNSCOPED_INFO(times << " x " << text);
    }
    CHECK(complained);
    told_[broken.complaint] = complaints_of(broken);
    CHECK(run_until(loop_, kPatience, [&] { return attacker.gone(); }));  // and thrown out
  }
  void check_served() { CHECK(newcomer(loop_, victim_, 99, kPatience)); }
  Victim& victim() { return victim_; }

 private:
  std::size_t complaints_of(const Broken& broken) const {
    std::size_t count = 0;
    for (const auto& [text, times] : victim_.complaints()) {
      if (text.starts_with(broken.complaint)) count += times;
    }
    return count;
  }

  static VictimOptions impatient() {
    VictimOptions options;
    options.tcp.upgrade.close_timeout = 100ms;  // for the attacker to take its leave, which it does not
    return options;
  }

  Victim victim_{impatient()};
  AsioLoop loop_;
  RealEnv env_{loop_, 2};
  std::map<std::string, std::size_t> told_;
};

}  // namespace

TEST_CASE("broken bytes before any security", "[adversarial]") {
  Field field;
  const std::string http =
      "GET / HTTP/1.1\r\nHost: example.com\r\nUser-Agent: a browser that lost its way\r\n\r\n";
  const Bytes header = multistream({kMultistreamId});
  std::string many;
  for (int i = 0; i < 80; ++i) many += "\x02x\n";
  for (const Broken& broken : std::vector<Broken>{
           {"nothing, and the end", Goal::connected, cut_off(header.slice(0, 7)),
            "inbound: reset: the byte stream ended in the handshake"},
           {"HTTP", Goal::connected, once(bytes(http)),
            "inbound: bad encoding: multistream: message without a newline"},
           {"zeros", Goal::connected, once(zeros(64)), "inbound: bad encoding: multistream: empty message"},
           {"a message over its limit", Goal::connected, once(bytes("\x81\x08/multistream")),
            "inbound: too large: multistream: length over 1,024"},
           {"a length without end", Goal::connected, once(bytes("\xff\xff\xff\xff\xff\xff")),
            "inbound: too large: multistream: length over 1,024"},
           {"another header", Goal::connected, once(multistream({"/multistream/2.0.0"})),
            "inbound: protocol violation: multistream: no header"},
           {"offers without end", Goal::connected, once(joined({header, bytes(many)})),
            "inbound: limit reached: multistream: too many offers"},
           {"no security that we have", Goal::connected,
            cut_off(multistream({kMultistreamId, "/plaintext/2.0.0"})),
            "inbound: reset: the byte stream ended in the handshake"},
       })
    field.expect(broken);
  field.check_served();
}

TEST_CASE("broken Noise handshakes", "[adversarial]") {
  Field field;
  Bytes small_order = noise_message(32, zeros(32));
  for (const Broken& broken : std::vector<Broken>{
           {"a message over its limit", Goal::selected, once(noise_message(65535, zeros(100))),
            "inbound: too large: "},
           {"a message too short for a key", Goal::selected, once(noise_message(31, zeros(31))),
            "inbound: bad encoding: noise: message too short"},
           {"an empty message", Goal::selected, once(noise_message(0, {})), "inbound: bad encoding: "},
           {"a key of small order", Goal::selected, once(small_order), "inbound: protocol violation: "},
           {"half a message, and the end", Goal::selected, cut_off(noise_message(32, zeros(16))),
            "inbound: reset: the byte stream ended in the handshake"},
           {"a last message of noise", Goal::selected,
            once(joined({noise_message(32, bytes(std::string(32, '\x09'))), noise_message(200, zeros(200))})),
            "inbound: authentication failed: "},
       })
    field.expect(broken);
  field.check_served();
}

TEST_CASE("lies in the Noise payload", "[adversarial]") {
  Field field;
  const KeyPair liar = KeyPair::from_seed(seed_of(1)), other = KeyPair::from_seed(seed_of(2));
  const Bytes key = liar.public_key().serialized();
  const auto lie = [&](const char* what, const char* complaint, NoisePayload payload) {
    field.expect({what, Goal::secured, once(encode({kPing, kSyn, 0, 1})), complaint},
                 lying_noise(seed_of(3), std::move(payload)));
  };
  lie("a signature by another key", "inbound: authentication failed: signature",
      [&](const NoiseKey& mine) { return noise_payload(key, sign_noise_key(other, mine)); });
  lie("a signature of another Noise key", "inbound: authentication failed: signature",
      [&](const NoiseKey&) { return noise_payload(key, sign_noise_key(liar, seed_of(4))); });
  lie("somebody else's key, with our signature", "inbound: authentication failed: signature",
      [&](const NoiseKey& mine) {
        return noise_payload(other.public_key().serialized(), sign_noise_key(liar, mine));
      });
  lie("no signature", "inbound: authentication failed: signature",
      [&](const NoiseKey&) { return noise_payload(key, {}); });
  lie("no key", "inbound: bad encoding: key",
      [&](const NoiseKey& mine) { return noise_payload({}, sign_noise_key(liar, mine)); });
  lie("a type of key that does not exist", "inbound: unsupported: key: type 9", [&](const NoiseKey& mine) {
    return noise_payload(bytes(std::string("\x08\x09\x12\x01x")), sign_noise_key(liar, mine));
  });
  lie("no payload", "inbound: bad encoding: key", [](const NoiseKey&) { return Bytes{}; });
  lie("a payload that is no protobuf", "inbound: bad encoding: noise: malformed handshake payload",
      [](const NoiseKey&) { return bytes("\x0a\xff"); });
  lie("a muxer that we do not have", "inbound: negotiation failed: no muxer in common",
      [&](const NoiseKey& mine) { return noise_payload(key, sign_noise_key(liar, mine), "/other/1.0.0"); });
  field.check_served();
}

TEST_CASE("broken frames on a secured connection", "[adversarial]") {
  Field field;
  const Bytes syn = encode({kWindowUpdate, kSyn, 1, 0});
  const Bytes window = zeros(256 * 1024);
  const auto tell = [&](const char* what, const Bytes& frames, const char* complaint) {
    field.expect({what, Goal::secured, once(frames), complaint});
  };
  tell("another version", encode({kData, 0, 1, 0, 1}), "closed: protocol violation: yamux: unknown version");
  tell("a type that does not exist", encode({4, 0, 1, 0}),
       "closed: protocol violation: yamux: unknown frame type");
  tell("an id of the victim's kind", encode({kData, kSyn, 2, 0}),
       "closed: protocol violation: yamux: SYN with our own kind of id");
  tell("a stream opened twice", joined({syn, syn}),
       "closed: protocol violation: yamux: SYN for an open stream");
  tell("data for the session", yamux_data(kSyn, 0, bytes("x")),
       "closed: protocol violation: yamux: stream frame for the session");
  tell("data over the window in one frame", joined({syn, encode({kData, 0, 1, 256 * 1024 + 1})}),
       "closed: protocol violation: yamux: data over the window");
  tell("a window over 4 GiB", joined({syn, encode({kWindowUpdate, 0, 1, 0xffffffff})}),
       "closed: protocol violation: yamux: window over 4 GiB");
  tell("data after the end", joined({syn, encode({kData, kFin, 1, 0}), yamux_data(0, 1, bytes("x"))}),
       "closed: protocol violation: yamux: data after FIN");
  tell("a ping for a stream", encode({kPing, kSyn, 1, 0}),
       "closed: protocol violation: yamux: ping for a stream");
  tell("GOAWAY", encode({kGoAway, 0, 0, 0}), "closed: none: closed by the peer");
  tell("GOAWAY with a code that nobody knows, and more", joined({encode({kGoAway, 0, 0, 77}), syn, syn}),
       "closed: ");

  const auto tell_bare = [&](const char* what, const Bytes& frame, bool finish, const char* complaint) {
    Pour pour = once(frame);
    pour.bare = true;
    pour.finish = finish;
    field.expect({what, Goal::secured, pour, complaint});
  };
  tell_bare("a Noise frame of noise", noise_message(64, zeros(64)), false, "closed: authentication failed: ");
  tell_bare("a Noise frame shorter than its tag", noise_message(15, zeros(15)), false,
            "closed: bad encoding: ");
  tell_bare("an empty Noise frame", noise_message(0, {}), false, "closed: bad encoding: ");
  tell_bare("half a Noise frame, and the end", noise_message(1000, zeros(10)), true, "closed: reset: ");
  field.expect(
      {"half a Yamux frame, and the end", Goal::secured, cut_off(syn.slice(0, 5)), "closed: reset: "});
  field.check_served();
}
