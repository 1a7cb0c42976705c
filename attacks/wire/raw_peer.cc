#include "attacks/wire/raw_peer.h"

#include <utility>

#include "stack/base/assert.h"

namespace mesocosm::wire_attacks {

RawPeer::RawPeer(Env& env, const Endpoint& victim, Plan plan, Attack& attack, const Endpoint& from)
    : plan_(std::move(plan)), attack_(attack), stream_(env.network.connect(victim, *this, from)) {
  MC_ASSERT(plan_.goal != Goal::secured || plan_.handshake != nullptr);
}

RawPeer::~RawPeer() {
  if (destroyed_ != nullptr) *destroyed_ = true;
}

void RawPeer::send(Bytes bytes) {
  send_bare(channel_ == nullptr ? std::move(bytes) : channel_->seal({&bytes, 1}));
}

void RawPeer::send_bare(Bytes bytes) { stream_->write(std::move(bytes)); }

void RawPeer::on_writable() {
  if (state_ == State::at_goal) return attack_.on_room(*this);
  if (state_ != State::connecting) return;
  if (plan_.goal == Goal::connected) {
    reach_goal();
    return;
  }
  state_ = State::selecting;
  dialer_.emplace(std::span<const std::string_view>(&plan_.security, 1));
  send_bare(dialer_->start());
}

void RawPeer::on_readable() {
  if (state_ == State::at_goal && plan_.deaf) return;
  while (true) {
    Bytes input = stream_->read(SIZE_MAX);
    if (input.empty()) break;
    if (!take(std::move(input))) return;
    if (state_ == State::at_goal && plan_.deaf) return;
  }
  if (stream_->ended()) go({});
}

void RawPeer::on_closed(Error error) { go(error); }

bool RawPeer::take(Bytes input) {
  while (!input.empty()) {
    const State before = state_;
    if (state_ == State::selecting && !select(input)) return false;
    if (state_ == State::securing && !secure(input)) return false;
    if (state_ == State::at_goal) return hear(input);
    if (state_ == before) return true;  // the rest of a message has not come
  }
  return true;
}

bool RawPeer::select(Bytes& input) {
  const auto reply = dialer_->on_bytes(std::exchange(input, {}));
  if (!reply) return go(reply.error());
  if (!reply->empty()) send_bare(*reply);
  if (dialer_->state() != MultistreamState::selected) return true;
  input = dialer_->take_rest();
  if (plan_.goal == Goal::selected) return reach_goal();
  state_ = State::securing;
  send_bare(plan_.handshake->start());
  return true;
}

bool RawPeer::secure(Bytes& input) {
  const auto reply = plan_.handshake->on_bytes(input);
  if (!reply) return go(reply.error());
  if (!reply->empty()) send_bare(*reply);
  if (!plan_.handshake->done()) return true;
  channel_ = plan_.handshake->channel();
  return reach_goal();
}

bool RawPeer::hear(Bytes& input) {
  bool destroyed = false;
  destroyed_ = &destroyed;
  while (!input.empty()) {
    Bytes heard = std::exchange(input, {});
    if (channel_ != nullptr) {
      input = std::move(heard);
      auto opened = channel_->open(input);
      if (!opened) {
        destroyed_ = nullptr;
        return go(opened.error());
      }
      if (!*opened) break;
      heard = std::move(**opened);
    }
    attack_.on_bytes(*this, heard);
    if (destroyed) return false;
  }
  destroyed_ = nullptr;
  return true;
}

bool RawPeer::reach_goal() {
  state_ = State::at_goal;
  bool destroyed = false;
  destroyed_ = &destroyed;
  attack_.on_goal(*this);
  if (destroyed) return false;
  destroyed_ = nullptr;
  return state_ != State::gone;
}

bool RawPeer::go(const Error& error) {
  if (state_ != State::gone) {
    state_ = State::gone;
    attack_.on_gone(*this, error);
  }
  return false;
}

}  // namespace mesocosm::wire_attacks
