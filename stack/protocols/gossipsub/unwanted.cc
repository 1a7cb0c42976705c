#include "stack/protocols/gossipsub/unwanted.h"

#include <utility>

namespace mesocosm {
namespace {

constexpr std::size_t kFewest = 8;  // slots

}  // namespace

bool UnwantedMessages::admit(PeerIndex peer, std::uint32_t most) {
  if (admitted_.size() <= peer) admitted_.resize(peer + 1);
  if (admitted_[peer] >= most) return false;
  ++admitted_[peer];
  return true;
}

void UnwantedMessages::add(PeerIndex peer, std::uint64_t message, std::uint64_t until_heartbeat) {
  if (4 * (count_ + 1) > 3 * slots_.size()) resize(slots_.empty() ? kFewest : 2 * slots_.size());
  Slot& slot = slots_[find(peer, message)];
  if (slot.peer == kNoPeer) ++count_;
  slot = {.message = message, .peer = peer, .until = static_cast<std::uint32_t>(until_heartbeat)};
}

bool UnwantedMessages::take(PeerIndex peer, std::uint64_t message) {
  if (count_ == 0) return false;
  const std::size_t at = find(peer, message);
  if (slots_[at].peer == kNoPeer) return false;
  erase(at);
  return true;
}

std::size_t UnwantedMessages::find(PeerIndex peer, std::uint64_t message) const {
  std::size_t at = home(peer, message);
  while (slots_[at].peer != kNoPeer && (slots_[at].peer != peer || slots_[at].message != message)) {
    at = (at + 1) & (slots_.size() - 1);
  }
  return at;
}

// What follows without a gap moves up, unless that is before its home.
void UnwantedMessages::erase(std::size_t at) {
  const std::size_t mask = slots_.size() - 1;
  for (std::size_t next = (at + 1) & mask; slots_[next].peer != kNoPeer; next = (next + 1) & mask) {
    const std::size_t from_home = (next - home(slots_[next].peer, slots_[next].message)) & mask;
    if (from_home < ((next - at) & mask)) continue;
    slots_[at] = slots_[next];
    at = next;
  }
  slots_[at] = {};
  --count_;
}

void UnwantedMessages::resize(std::size_t slots) {
  const std::vector<Slot> old = std::exchange(slots_, std::vector<Slot>(slots));
  for (const Slot& slot : old) {
    if (slot.peer != kNoPeer) slots_[find(slot.peer, slot.message)] = slot;
  }
}

template <class Drop>
void UnwantedMessages::keep_all_but(Drop&& drop) {
  if (slots_.empty()) return;
  std::size_t kept = 0;
  for (Slot& slot : slots_) {
    if (slot.peer != kNoPeer && !drop(slot)) ++kept;
  }
  if (kept == count_ && count_ > 0) return;
  const std::vector<Slot> old = std::exchange(slots_, {});
  count_ = kept;
  if (kept == 0) return;  // and owns nothing
  std::size_t slots = kFewest;
  while (4 * kept > 3 * slots) slots *= 2;
  slots_.resize(slots);
  for (const Slot& slot : old) {
    if (slot.peer != kNoPeer && !drop(slot)) slots_[find(slot.peer, slot.message)] = slot;
  }
}

void UnwantedMessages::on_heartbeat(std::uint64_t number) {
  if (!admitted_.empty()) std::vector<std::uint16_t>().swap(admitted_);
  const auto now = static_cast<std::uint32_t>(number);
  keep_all_but([&](const Slot& slot) { return static_cast<std::int32_t>(slot.until - now) <= 0; });
}

void UnwantedMessages::forget_peer(PeerIndex peer) {
  if (peer < admitted_.size()) admitted_[peer] = 0;
  keep_all_but([&](const Slot& slot) { return slot.peer == peer; });
}

}  // namespace mesocosm
