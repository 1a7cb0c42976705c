#include "stack/protocols/hyparview/core.h"

#include <algorithm>
#include <utility>

namespace mesocosm {
namespace {

using Kind = HyParViewMessage::Kind;

bool contains(std::span<const PeerId> peers, const PeerId& peer) {
  return std::find(peers.begin(), peers.end(), peer) != peers.end();
}

// Takes it out, wherever it is.
bool remove(std::vector<PeerId>& peers, const PeerId& peer) {
  const auto found = std::find(peers.begin(), peers.end(), peer);
  if (found == peers.end()) return false;
  *found = peers.back();
  peers.pop_back();
  return true;
}

}  // namespace

Result<> HyParViewParams::validate() const {
  if (active < 1 || active > 1024)
    return fail(ErrorCode::unsupported, "the active view must have from 1 to 1024 places");
  if (passive < 1 || passive > 1024)
    return fail(ErrorCode::unsupported, "the passive view must have from 1 to 1024 places");
  if (active_walk > 255 || passive_walk > active_walk)
    return fail(ErrorCode::unsupported,
                "the walks must have at most 255 hops, the passive one no more than the active one");
  if (shuffle_active + shuffle_passive + 1 > HyParViewMessage::kMaxPeers)
    return fail(ErrorCode::unsupported, "a shuffle tells of at most 256 peers");
  if (period < 1ms) return fail(ErrorCode::unsupported, "period must be at least 1 ms");
  return {};
}

HyParViewCore::HyParViewCore(const HyParViewParams& params, const PeerId& self, Rng rng,
                             HyParViewActions& actions)
    : params_(params), self_(self), rng_(rng), actions_(actions) {}

bool HyParViewCore::is_active(const PeerId& peer) const { return contains(active_, peer); }

void HyParViewCore::join(const PeerId& contact) {
  if (!add_active(contact)) return;
  actions_.send(contact, {.kind = Kind::join});
}

Result<> HyParViewCore::on_message(const PeerId& from, const HyParViewMessage& message) {
  if (message.ttl > params_.active_walk)
    return fail(ErrorCode::protocol_violation, "a walk longer than walks are");
  switch (message.kind) {
    case Kind::join:
      add_active(from);
      for (const PeerId& peer : Peers(active_)) {
        if (peer == from) continue;
        actions_.send(peer, {.kind = Kind::forward_join, .ttl = params_.active_walk, .subject = from});
      }
      break;
    case Kind::forward_join:
      on_forward_join(from, message);
      break;
    case Kind::neighbor:
      on_neighbor(from, message.flag);
      break;
    case Kind::neighbor_reply:
      on_neighbor_reply(from, message.flag);
      break;
    case Kind::disconnect: {
      const auto found = std::find(active_.begin(), active_.end(), from);
      if (found == active_.end()) break;
      leave_active(static_cast<std::size_t>(found - active_.begin()));
      add_passive(from);
      fill();
      break;
    }
    case Kind::shuffle:
      on_shuffle(from, message);
      break;
    case Kind::shuffle_reply:
      integrate(message.peers, shuffled_);
      break;
  }
  return {};
}

void HyParViewCore::on_neighbor_traffic(const PeerId& from) {
  if (!is_active(from)) actions_.send(from, {.kind = Kind::disconnect});
}

void HyParViewCore::on_forward_join(const PeerId& from, const HyParViewMessage& message) {
  on_neighbor_traffic(from);
  const PeerId& newcomer = message.subject;
  const PeerId* next = pick_active(from, newcomer);
  if (message.ttl == 0 || active_.size() <= 1 || next == nullptr) {
    if (add_active(newcomer)) actions_.send(newcomer, {.kind = Kind::neighbor, .flag = true});
    return;
  }
  const PeerId to = *next;
  if (message.ttl == params_.passive_walk) add_passive(newcomer);
  actions_.send(to, {.kind = Kind::forward_join, .ttl = message.ttl - 1, .subject = newcomer});
}

void HyParViewCore::on_neighbor(const PeerId& from, bool high) {
  const bool accepted = is_active(from) || high || active_.size() < params_.active;
  if (accepted) add_active(from);
  actions_.send(from, {.kind = Kind::neighbor_reply, .flag = accepted});
}

void HyParViewCore::on_neighbor_reply(const PeerId& from, bool accepted) {
  if (from != asked_) return;
  asked_ = {};
  if (accepted && !is_active(from)) {
    if (active_.size() < params_.active) {
      add_active(from);
    } else {
      actions_.send(from, {.kind = Kind::disconnect});  // others came first
    }
  }
  ask_next();
}

void HyParViewCore::on_shuffle(const PeerId& from, const HyParViewMessage& message) {
  on_neighbor_traffic(from);
  if (message.subject == self_) return;  // it came home
  const PeerId* next = pick_active(from, message.subject);
  if (message.ttl > 1 && active_.size() > 1 && next != nullptr) {
    HyParViewMessage on = message;
    --on.ttl;
    actions_.send(*next, on);
    return;
  }
  const Peers answer = draw(passive_, message.peers.size());
  actions_.send(message.subject, {.kind = Kind::shuffle_reply, .peers = answer});
  integrate(message.peers, answer);
}

void HyParViewCore::on_period() {
  asked_ = {};  // who did not answer until now will not
  fill();
  if (active_.empty()) return;
  shuffled_ = draw(active_, params_.shuffle_active);
  const Peers more = draw(passive_, params_.shuffle_passive);
  shuffled_.insert(shuffled_.end(), more.begin(), more.end());
  HyParViewMessage shuffle{.kind = Kind::shuffle, .ttl = params_.active_walk, .subject = self_};
  shuffle.peers = shuffled_;
  shuffle.peers.push_back(self_);
  actions_.send(active_[rng_.below(active_.size())], shuffle);
}

void HyParViewCore::on_failure(const PeerId& peer) {
  const auto found = std::find(active_.begin(), active_.end(), peer);
  const bool was_active = found != active_.end();
  if (was_active) leave_active(static_cast<std::size_t>(found - active_.begin()));
  remove(passive_, peer);
  if (peer == asked_) {
    asked_ = {};
    ask_next();
  } else if (was_active) {
    fill();
  }
}

// ------------------------------------------------------------------------------------------------------ the views

bool HyParViewCore::add_active(const PeerId& peer) {
  if (peer == self_ || is_active(peer)) return false;
  remove(passive_, peer);
  if (active_.size() >= params_.active) drop_one();
  active_.push_back(peer);
  actions_.neighbor_up(peer);
  return true;
}

void HyParViewCore::drop_one() {
  const std::size_t place = rng_.below(active_.size());
  const PeerId dropped = active_[place];
  leave_active(place);
  add_passive(dropped);
  actions_.send(dropped, {.kind = Kind::disconnect});
}

void HyParViewCore::leave_active(std::size_t place) {
  const PeerId peer = active_[place];
  active_[place] = active_.back();
  active_.pop_back();
  actions_.neighbor_down(peer);
}

void HyParViewCore::add_passive(const PeerId& peer) {
  if (peer == self_ || is_active(peer) || contains(passive_, peer)) return;
  if (passive_.size() >= params_.passive) {
    passive_[rng_.below(passive_.size())] = peer;
  } else {
    passive_.push_back(peer);
  }
}

// Begins to ask peers of the passive view, one after the other, until the active view is full.
void HyParViewCore::fill() {
  tried_.clear();
  if (asked_.empty()) ask_next();
}

void HyParViewCore::ask_next() {
  if (active_.size() >= params_.active) return;
  Peers candidates;
  for (const PeerId& peer : passive_) {
    if (!contains(tried_, peer)) candidates.push_back(peer);
  }
  if (candidates.empty()) return;
  asked_ = candidates[rng_.below(candidates.size())];
  tried_.push_back(asked_);
  actions_.send(asked_, {.kind = Kind::neighbor, .flag = active_.empty()});
}

HyParViewCore::Peers HyParViewCore::draw(const Peers& from, std::size_t count) {
  Peers drawn = from;
  count = std::min(count, drawn.size());
  for (std::size_t i = 0; i < count; ++i) std::swap(drawn[i], drawn[i + rng_.below(drawn.size() - i)]);
  drawn.resize(count);
  return drawn;
}

// An active peer other than two; null if there is none.
const PeerId* HyParViewCore::pick_active(const PeerId& but, const PeerId& nor) {
  std::vector<const PeerId*> peers;
  for (const PeerId& peer : active_) {
    if (peer != but && peer != nor) peers.push_back(&peer);
  }
  return peers.empty() ? nullptr : peers[rng_.below(peers.size())];
}

// Takes peers into the passive view, in place of what was told to who told them, then of anybody.
void HyParViewCore::integrate(std::span<const PeerId> received, std::span<const PeerId> sent) {
  std::size_t next = 0;
  for (const PeerId& peer : received) {
    if (peer == self_ || is_active(peer) || contains(passive_, peer)) continue;
    while (passive_.size() >= params_.passive && next < sent.size()) remove(passive_, sent[next++]);
    add_passive(peer);
  }
}

}  // namespace mesocosm
