#include "stack/protocols/cyclon/core.h"

#include <algorithm>
#include <utility>

namespace mesocosm {

Result<> CyclonParams::validate() const {
  if (view < 1 || view > CyclonMessage::kMaxEntries)
    return fail(ErrorCode::unsupported,
                "view must be from 1 to " + std::to_string(CyclonMessage::kMaxEntries));
  if (shuffle < 1 || shuffle > view)
    return fail(ErrorCode::unsupported, "shuffle must be from 1 to the view's size");
  if (walk > 255) return fail(ErrorCode::unsupported, "walk must be at most 255");
  if (period < 1ms) return fail(ErrorCode::unsupported, "period must be at least 1 ms");
  return {};
}

CyclonCore::CyclonCore(const CyclonParams& params, const PeerId& self, Rng rng, CyclonActions& actions)
    : params_(params), self_(self), rng_(rng), actions_(actions) {
  view_.reserve(params.view);
}

bool CyclonCore::known(const PeerId& peer) const {
  return peer == self_ ||
         std::any_of(view_.begin(), view_.end(), [&](const CyclonEntry& e) { return e.peer == peer; });
}

void CyclonCore::introduce(const PeerId& peer) {
  if (view_.size() < params_.view && !known(peer)) view_.push_back({peer, 0});
}

void CyclonCore::join(const PeerId& introducer) {
  introduce(introducer);
  actions_.send(introducer, {.kind = CyclonMessage::Kind::join});
}

// Moves `count` entries, drawn at random, to the view's front, and returns them.
std::vector<CyclonEntry> CyclonCore::draw(std::size_t count) {
  count = std::min(count, view_.size());
  for (std::size_t i = 0; i < count; ++i) std::swap(view_[i], view_[i + rng_.below(view_.size() - i)]);
  return {view_.begin(), view_.begin() + static_cast<std::ptrdiff_t>(count)};
}

std::vector<PeerId> CyclonCore::sample(std::size_t count, const PeerId& but) {
  std::vector<PeerId> peers;
  for (const CyclonEntry& entry : draw(count + 1)) {
    if (entry.peer != but && peers.size() < count) peers.push_back(entry.peer);
  }
  return peers;
}

// The oldest, by lot among equals; or anybody.
std::size_t CyclonCore::choose_partner() {
  if (!params_.oldest) return rng_.below(view_.size());
  std::size_t chosen = 0;
  std::uint64_t equals = 0;
  for (std::size_t i = 0; i < view_.size(); ++i) {
    if (view_[i].age < view_[chosen].age) continue;
    equals = view_[i].age > view_[chosen].age ? 1 : equals + 1;
    if (rng_.below(equals) == 0) chosen = i;
  }
  return chosen;
}

void CyclonCore::on_period() {
  if (view_.empty()) return;
  for (CyclonEntry& entry : view_) ++entry.age;
  const std::size_t chosen = choose_partner();
  partner_ = view_[chosen].peer;
  view_[chosen] = view_.back();
  view_.pop_back();
  sent_ = draw(params_.shuffle - 1);
  CyclonMessage request{.kind = CyclonMessage::Kind::shuffle};
  request.entries.reserve(sent_.size() + 1);
  request.entries.push_back({self_, 0});
  request.entries.insert(request.entries.end(), sent_.begin(), sent_.end());
  actions_.send(partner_, request);
}

Result<> CyclonCore::on_message(const PeerId& from, const CyclonMessage& message) {
  using Kind = CyclonMessage::Kind;
  if (message.entries.size() > params_.shuffle)
    return fail(ErrorCode::protocol_violation, "more entries than a shuffle has");
  switch (message.kind) {
    case Kind::shuffle: {
      const std::vector<CyclonEntry> answer = draw(params_.shuffle);
      actions_.send(from, {.kind = Kind::reply, .entries = answer});
      merge(message.entries, answer);
      break;
    }
    case Kind::reply:
      if (from != partner_) break;  // too late, or never asked for
      partner_ = {};
      merge(message.entries, sent_);
      break;
    case Kind::join:
      for (std::uint32_t i = 0; i < params_.view && !view_.empty(); ++i) {
        const PeerId& to = view_[rng_.below(view_.size())].peer;
        if (to != from) actions_.send(to, {.kind = Kind::walk, .ttl = params_.walk, .origin = from});
      }
      introduce(from);
      break;
    case Kind::walk: {
      if (message.ttl > params_.walk)
        return fail(ErrorCode::protocol_violation, "a walk longer than walks are");
      if (message.ttl <= 1 || view_.empty()) {
        end_walk(message.origin);
        break;
      }
      const PeerId& to = view_[rng_.below(view_.size())].peer;
      actions_.send(to, {.kind = Kind::walk, .ttl = message.ttl - 1, .origin = message.origin});
      break;
    }
    case Kind::welcome:
      merge(message.entries, {});
      break;
    case Kind::push:
      break;  // not the core's
  }
  return {};
}

// A newcomer's walk ends here: it takes an entry's place, and gets that entry.
void CyclonCore::end_walk(const PeerId& origin) {
  if (known(origin)) return;
  if (view_.size() < params_.view) {
    view_.push_back({origin, 0});
    return;
  }
  CyclonEntry& entry = view_[rng_.below(view_.size())];
  const CyclonEntry replaced = std::exchange(entry, {origin, 0});
  actions_.send(origin, {.kind = CyclonMessage::Kind::welcome, .entries = {replaced}});
}

// Takes in what is new: into empty places first, then in place of what was sent.
void CyclonCore::merge(std::span<const CyclonEntry> received, std::span<const CyclonEntry> sent) {
  std::size_t next = 0;
  for (const CyclonEntry& entry : received) {
    if (known(entry.peer)) continue;
    if (view_.size() < params_.view) {
      view_.push_back(entry);
      continue;
    }
    for (; next < sent.size(); ++next) {
      const auto place = std::find_if(view_.begin(), view_.end(),
                                      [&](const CyclonEntry& e) { return e.peer == sent[next].peer; });
      if (place == view_.end()) continue;
      *place = entry;
      ++next;
      break;
    }
  }
}

void CyclonCore::on_failure(const PeerId& peer) {
  std::erase_if(view_, [&](const CyclonEntry& e) { return e.peer == peer; });
  if (peer == partner_) partner_ = {};
}

}  // namespace mesocosm
