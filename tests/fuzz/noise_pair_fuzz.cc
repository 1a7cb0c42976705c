// Operations on a Noise pair: a handshake and frames in any cuts. Untouched bytes arrive as they were; a
// changed bit is noticed.
#include <string>
#include <vector>

#include "stack/base/assert.h"
#include "stack/secure/noise.h"
#include "tests/fuzz/fuzz_input.h"

using namespace mesocosm;

namespace {

NoiseKey key_of(std::uint8_t byte) {
  NoiseKey key;
  key.fill(byte);
  return key;
}

Bytes flip(const Bytes& bytes, std::size_t at) {
  std::string changed(bytes.text());
  changed[at % changed.size()] = static_cast<char>(changed[at % changed.size()] ^ 0x10);
  return Bytes::copy(changed);
}

struct Channel {
  NoiseTransport sender, receiver;
  std::string expected, received;
  bool broken = false;

  void deliver(Bytes sealed, FuzzInput& in) {
    while (!sealed.empty() && !broken) {
      Bytes piece = sealed.take_front(1 + in.size());
      while (true) {
        auto frame = receiver.open(piece);
        if (!frame) {
          broken = true;
          return;
        }
        if (!*frame) break;
        received += (*frame)->text();
      }
    }
  }
};

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  static const NoiseIdentity alice(KeyPair::from_seed(key_of(1)), key_of(11));
  static const NoiseIdentity bob(KeyPair::from_seed(key_of(2)), key_of(12));
  static constexpr std::string_view kMuxers[] = {"/yamux/1.0.0"};
  FuzzInput in(data, size);
  const std::size_t tampered = in.below(8);  // 1, 2: that message of the handshake
  NoiseHandshake dialer(SecurityRole::initiator, alice, kMuxers, key_of(21));
  NoiseHandshake listener(SecurityRole::responder, bob, kMuxers, key_of(22));
  Bytes message = dialer.start();
  for (std::size_t i = 0; !message.empty(); ++i) {
    NoiseHandshake& to = i % 2 == 0 ? listener : dialer;
    if (i > 0 && i == tampered) message = flip(message, 2 + in.size() % (message.size() - 2));
    Bytes reply;
    while (!message.empty()) {
      Bytes piece = message.take_front(1 + in.byte());
      auto answer = to.on_bytes(piece);
      if (!answer) {
        MC_ASSERT(i == tampered);
        return 0;
      }
      if (!answer->empty()) reply = *answer;
    }
    message = reply;
  }
  MC_ASSERT(tampered != 1 && tampered != 2);
  MC_ASSERT(dialer.state() == NoiseHandshake::State::done && listener.state() == NoiseHandshake::State::done);
  Channel channels[2] = {{dialer.transport(), listener.transport(), {}, {}},
                         {listener.transport(), dialer.transport(), {}, {}}};
  while (!in.empty()) {
    Channel& channel = channels[in.below(2)];
    std::vector<Bytes> slices;
    for (std::size_t n = 1 + in.below(4); n > 0; --n)
      slices.push_back(Bytes::copy(std::string(in.size(), 'a')));
    Bytes sealed = channel.sender.seal(slices);
    const bool change = in.below(16) == 0 && !sealed.empty();
    if (!channel.broken) {
      if (!change) {
        for (const Bytes& slice : slices) channel.expected += slice.text();
      } else {
        sealed = flip(sealed, in.size());
      }
    }
    channel.deliver(sealed, in);
    if (change) return 0;  // a changed length shifts what follows: nothing more can be said
    MC_ASSERT(!channel.broken && channel.received == channel.expected);
  }
  return 0;
}
