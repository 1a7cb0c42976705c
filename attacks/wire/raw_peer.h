// RawPeer: a connection made by hand, as far up the layers as an attack needs, to be broken there. Runs on whatever
// Env it is given: real sockets or a simulated network.
//
//   connecting ──▶ connected ──▶ selecting (multistream) ──▶ securing (Noise or TLS, with Yamux) ──▶ secured
//        └────────────┴───────────────────┴──────────────────────────┴──────────────────────────────────┴──▶ gone
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <string_view>

#include "stack/base/bytes.h"
#include "stack/base/result.h"
#include "stack/env/env.h"
#include "stack/negotiate/multistream.h"
#include "stack/secure/security.h"

namespace mesocosm::wire_attacks {

class RawPeer final : private ByteStream::Events {
 public:
  enum class Goal : std::uint8_t {
    connected,  // TCP alone
    selected,   // and multistream has agreed on the security protocol
    secured,    // and its handshake is over: what follows is Yamux inside sealed frames
  };

  // What the attacker does. May destroy the RawPeer inside its calls.
  class Attack {
   public:
    virtual ~Attack() = default;
    virtual void on_goal(RawPeer& peer) = 0;
    // Behind the goal: bytes of the victim's, opened if the goal was `secured`.
    virtual void on_bytes(RawPeer& peer, const Bytes& bytes) {
      static_cast<void>(peer), static_cast<void>(bytes);
    }
    virtual void on_room(RawPeer& peer) { static_cast<void>(peer); }  // writable() rose from zero
    // Once, last. none: the victim ended its side. What the attacker's own handshake found comes here too.
    virtual void on_gone(RawPeer& peer, const Error& error) {
      static_cast<void>(peer), static_cast<void>(error);
    }
  };

  struct Plan {
    Goal goal = Goal::connected;
    std::string_view security = "/noise";                    // multistream's name; outlives the peer
    std::unique_ptr<SecurityHandshake> handshake = nullptr;  // an initiator's; needed for `secured`
    bool deaf = false;                                       // behind the goal reads nothing
  };

  // `attack` outlives the peer. `from`: the source address, if it matters.
  RawPeer(Env& env, const Endpoint& victim, Plan plan, Attack& attack, const Endpoint& from = {});

  void send(Bytes bytes);       // sealed if the goal was `secured` and is reached
  void send_bare(Bytes bytes);  // as it is
  void finish() { stream_->finish(); }
  std::size_t writable() const { return stream_->writable(); }
  bool at_goal() const { return state_ == State::at_goal; }
  Endpoint local() const { return stream_->local(); }

 private:
  enum class State : std::uint8_t { connecting, selecting, securing, at_goal, gone };

  void on_writable() override;
  void on_readable() override;
  void on_closed(Error error) override;

  // False: gone, or destroyed.
  bool take(Bytes input);
  bool select(Bytes& input);
  bool secure(Bytes& input);
  bool hear(Bytes& input);
  bool reach_goal();
  bool go(const Error& error);

  Plan plan_;
  Attack& attack_;
  std::unique_ptr<ByteStream> stream_;
  std::optional<MultistreamDialer> dialer_;
  std::unique_ptr<SecureChannel> channel_;
  bool* destroyed_ = nullptr;  // of the callback that is running
  State state_ = State::connecting;

 public:
  ~RawPeer();
};

}  // namespace mesocosm::wire_attacks
