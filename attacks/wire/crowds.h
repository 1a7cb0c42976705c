// Attackers in numbers.
//   HalfOpen    connections that are opened and then say nothing, or too little, until the victim ends them
//   SlowLoris   the same, with a byte of a true opening now and then to look alive
//   Flood       one connection that pours bytes as fast as the victim takes them
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <vector>

#include "attacks/wire/raw_peer.h"
#include "stack/env/env.h"

namespace mesocosm::wire_attacks {

struct CrowdOptions {
  std::size_t size = 1;
  std::size_t at_once = 128;  // connections begun in one turn
  Duration pause = 5ms;       // between such turns
  std::size_t sources =
      0;  // attack from 127.0.0.2 and so many that follow; 0: from wherever the network says
  Duration byte_every = 0s;  // SlowLoris: between two bytes; 0: none are sent (HalfOpen)
  Bytes opening = {};        // whose bytes are sent one by one; when it is used up, silence
  bool come_again = false;   // who is thrown out connects again
};

// HalfOpen and SlowLoris.
class Crowd final {
 public:
  Crowd(Env& env, const Endpoint& victim, CrowdOptions options);
  ~Crowd();

  std::size_t begun() const { return begun_; }          // connections, those that came again included
  std::size_t connected() const { return connected_; }  // as TCP sees it, ever
  std::size_t gone() const { return gone_; }            // that the victim or the network has ended

 private:
  class Member;
  void begin_some();

  Env& env_;
  Endpoint victim_;
  CrowdOptions options_;
  std::vector<std::unique_ptr<Member>> members_;
  std::size_t begun_ = 0, connected_ = 0, gone_ = 0;
  MemberTimer<&Crowd::begin_some> next_{*this};
};

// What a Flood pours.
struct Pour {
  std::function<Bytes()> next;  // the next piece; empty: that was all
  bool bare = false;            // past the security channel, if there is one
  bool finish = false;          // ends our side behind the last piece
};
Pour once(Bytes bytes);
Pour cut_off(Bytes bytes);  // and then the end of the stream
Pour repeated(Bytes piece, std::size_t times = SIZE_MAX);

// Never pours more than the stream takes.
class Flood final : public RawPeer::Attack {
 public:
  Flood(Env& env, const Endpoint& victim, RawPeer::Plan plan, Pour pour);

  bool poured() const { return poured_; }  // all of it was handed to the network
  bool gone() const { return gone_; }
  const Error& error() const { return error_; }
  const std::vector<Bytes>& heard() const { return heard_; }  // the first 64 pieces that the victim said
  std::uint64_t sent() const { return sent_; }                // bytes
  RawPeer& peer() { return peer_; }

 private:
  void on_goal(RawPeer& peer) override { pour_into(peer); }
  void on_room(RawPeer& peer) override { pour_into(peer); }
  void on_bytes(RawPeer& peer, const Bytes& bytes) override;
  void on_gone(RawPeer& peer, const Error& error) override;
  void pour_into(RawPeer& peer);

  Pour pour_;
  bool poured_ = false, gone_ = false;
  Error error_;
  std::vector<Bytes> heard_;
  std::uint64_t sent_ = 0;
  RawPeer peer_;
};

}  // namespace mesocosm::wire_attacks
