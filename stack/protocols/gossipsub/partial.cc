#include "stack/protocols/gossipsub/partial.h"

#include <algorithm>
#include <utility>

#include "stack/base/assert.h"
#include "stack/wire/varint.h"

namespace mesocosm {

PartBits PartBits::operator|(const PartBits& other) const {
  PartBits result = *this;
  for (std::size_t i = 0; i < words_.size(); ++i) result.words_[i] |= other.words_[i];
  return result;
}

PartBits PartBits::without(const PartBits& other) const {
  PartBits result = *this;
  for (std::size_t i = 0; i < words_.size(); ++i) result.words_[i] &= ~other.words_[i];
  return result;
}

Bytes PartBits::encode(std::size_t parts) const {
  return Bytes::build(encoded_size(parts), [&](MutableByteView out) {
    for (std::size_t i = 0; i < out.size(); ++i) {
      out[i] = static_cast<std::uint8_t>(words_[i / 8] >> (8 * (i % 8)));
    }
  });
}

Result<PartBits> PartBits::decode(ByteView bytes, std::size_t parts) {
  if (bytes.size() != encoded_size(parts)) return fail(ErrorCode::bad_encoding, "partial: size of a bitmap");
  PartBits bits;
  for (std::size_t i = 0; i < 8 * bytes.size(); ++i) {
    if ((bytes[i / 8] >> (i % 8) & 1) == 0) continue;
    if (i >= parts) return fail(ErrorCode::bad_encoding, "partial: a part that there is not");
    bits.set(i);
  }
  return bits;
}

// ---------------------------------------------------------------------------------------------------------
// topics and peers

void PartialMessages::enable(TopicIndex index, ByteView name, const PartialTopic& settings) {
  MC_ASSERT(settings.parts > 0 && settings.parts <= kMaxMessageParts && !name.empty());
  disable(index);
  topics_.push_back({.index = index, .name = Bytes::copy(name), .settings = settings, .groups = {}});
}

void PartialMessages::disable(TopicIndex index) {
  std::erase_if(topics_, [&](const Topic& topic) { return topic.index == index; });
}

void PartialMessages::on_subscription(PeerIndex peer, TopicIndex topic, bool requests, bool supports) {
  const auto at = wishes_.begin() + static_cast<std::ptrdiff_t>(place_of(topic, peer));
  const bool there = wish(topic, peer) != nullptr;
  if (!requests && !supports) {
    if (there) wishes_.erase(at);
  } else if (there) {
    at->requests = requests;
  } else {
    wishes_.insert(at, {.topic = topic, .peer = peer, .requests = requests});
  }
}

void PartialMessages::on_peer_removed(PeerIndex peer) {
  std::erase_if(wishes_, [&](const Wish& wish) { return wish.peer == peer; });
  for (Topic& topic : topics_) {
    for (Group& group : topic.groups) {
      std::erase_if(group.peers, [&](const Known& known) { return known.peer == peer; });
      if (group.began == peer) group.began = kNoPeer;
    }
  }
}

PartialMessages::Topic* PartialMessages::find(TopicIndex index) {
  const auto found =
      std::find_if(topics_.begin(), topics_.end(), [&](const Topic& t) { return t.index == index; });
  return found == topics_.end() ? nullptr : &*found;
}

const PartialMessages::Topic* PartialMessages::find(TopicIndex index) const {
  const auto found =
      std::find_if(topics_.begin(), topics_.end(), [&](const Topic& t) { return t.index == index; });
  return found == topics_.end() ? nullptr : &*found;
}

std::size_t PartialMessages::place_of(TopicIndex topic, PeerIndex peer) const {
  const auto before = [](const Wish& wish, const std::pair<TopicIndex, PeerIndex>& key) {
    return std::pair(wish.topic, wish.peer) < key;
  };
  return static_cast<std::size_t>(
      std::lower_bound(wishes_.begin(), wishes_.end(), std::pair(topic, peer), before) - wishes_.begin());
}

const PartialMessages::Wish* PartialMessages::wish(TopicIndex topic, PeerIndex peer) const {
  const std::size_t at = place_of(topic, peer);
  const bool there = at < wishes_.size() && wishes_[at].topic == topic && wishes_[at].peer == peer;
  return there ? &wishes_[at] : nullptr;
}

const PartialTopic* PartialMessages::settings(TopicIndex index) const {
  const Topic* topic = find(index);
  return topic == nullptr ? nullptr : &topic->settings;
}

bool PartialMessages::instead(TopicIndex index, PeerIndex peer) const {
  if (find(index) == nullptr) return false;
  const Wish* theirs = wish(index, peer);
  return theirs != nullptr && theirs->requests;
}

bool PartialMessages::gives(TopicIndex index, PeerIndex peer) const {
  const Topic* topic = find(index);
  return topic != nullptr && topic->settings.requests && wish(index, peer) != nullptr;
}

PartBits PartialMessages::parts(TopicIndex index, ByteView id) const {
  const Topic* topic = find(index);
  if (topic == nullptr) return {};
  for (const Group& group : topic->groups) {
    if (equal(group.id, id)) return group.have;
  }
  return {};
}

std::size_t PartialMessages::groups(TopicIndex index) const {
  const Topic* topic = find(index);
  return topic == nullptr ? 0 : topic->groups.size();
}

// --------------------------------------------------------------------------------------------------------
// groups

PartialMessages::Group* PartialMessages::group(Topic& topic, ByteView id) {
  const auto found = std::find_if(topic.groups.begin(), topic.groups.end(),
                                  [&](const Group& group) { return equal(group.id, id); });
  return found == topic.groups.end() ? nullptr : &*found;
}

// Null: peers have begun too many.
PartialMessages::Group* PartialMessages::begin_group(Topic& topic, ByteView id, PeerIndex from) {
  if (from != kNoPeer) {
    std::size_t theirs = 0;
    std::size_t peers = 0;
    for (const Group& group : topic.groups) {
      if (!group.ours) ++peers;
      if (!group.ours && group.began == from) ++theirs;
    }
    if (peers >= limits_.groups || theirs >= limits_.groups_per_peer) {
      ++counters_.groups_refused;
      return nullptr;
    }
  }
  Group& group = topic.groups.emplace_back();
  group.id = Bytes::copy(id);
  group.began = from;
  group.left = limits_.heartbeats;
  group.parts.resize(topic.settings.parts);
  return &group;
}

PartialMessages::Known& PartialMessages::known(Group& group, PeerIndex peer) {
  const auto found = std::find_if(group.peers.begin(), group.peers.end(),
                                  [&](const Known& known) { return known.peer == peer; });
  if (found != group.peers.end()) return *found;
  Known& fresh = group.peers.emplace_back();
  fresh.peer = peer;
  return fresh;
}

void PartialMessages::publish(TopicIndex index, ByteView id, std::span<const Bytes> parts,
                              const PeerSet& mesh) {
  Topic* topic = find(index);
  MC_ASSERT(topic != nullptr && parts.size() == topic->settings.parts);
  MC_ASSERT(!id.empty() && id.size() <= kMaxGroupId);
  Group* mine = group(*topic, id);
  if (mine == nullptr) mine = begin_group(*topic, id, kNoPeer);
  mine->ours = true;
  mine->began = kNoPeer;
  mine->left = limits_.heartbeats;
  const bool had_all = mine->complete;
  for (std::size_t i = 0; i < parts.size(); ++i) {
    MC_ASSERT(parts[i].size() <= topic->settings.max_part);
    if (parts[i].empty() || mine->have.test(i)) continue;
    mine->parts[i] = parts[i];
    mine->have.set(i);
  }
  const bool whole = std::none_of(parts.begin(), parts.end(), [](const Bytes& part) { return part.empty(); });
  mine->complete = mine->have.count() == topic->settings.parts;
  if (mine->complete && !had_all && !whole) {
    ++counters_.completed;
    actions_.complete(index, mine->id, mine->parts);
  }
  spread(*topic, *mine, mesh);
}

// -------------------------------------------------------------------------------------------------------
// exchange

// Looked at in full before anything is kept. Whether there was anything new.
Result<bool> PartialMessages::take_parts(Topic& topic, Group& group, Known& from, ByteView partial) {
  const std::size_t head = PartBits::encoded_size(topic.settings.parts);
  if (partial.size() < head) return fail(ErrorCode::bad_encoding, "partial: message");
  const auto there = PartBits::decode(partial.first(head), topic.settings.parts);
  if (!there) return tl::unexpected(there.error());
  std::vector<std::pair<std::size_t, ByteView>> parts;
  ByteView rest = partial.subspan(head);
  for (std::size_t i = 0; i < topic.settings.parts; ++i) {
    if (!there->test(i)) continue;
    const Varint length = decode_varint(rest);
    if (!length.ok() || length.value > rest.size() - length.length || length.value == 0 ||
        length.value > topic.settings.max_part) {
      return fail(ErrorCode::bad_encoding, "partial: a part's length");
    }
    parts.emplace_back(i, rest.subspan(length.length, static_cast<std::size_t>(length.value)));
    rest = rest.subspan(length.length + parts.back().second.size());
  }
  if (!rest.empty()) return fail(ErrorCode::bad_encoding, "partial: bytes after the parts");
  bool fresh = false;
  for (const auto& [part, data] : parts) {
    ++counters_.parts_received;
    if (group.have.test(part)) {
      ++counters_.parts_duplicate;
    } else if (!actions_.accept_part(topic.index, group.id, part, data)) {
      ++counters_.parts_refused;
      continue;  // and who sends such a thing has not the part
    } else {
      group.parts[part] = Bytes::copy(data);
      group.have.set(part);
      fresh = true;
    }
    from.has.set(part);
  }
  return fresh;
}

Result<> PartialMessages::on_partial(PeerIndex from, TopicIndex index, const PartialRpc& rpc,
                                     const PeerSet& mesh) {
  Topic* topic = find(index);
  if (topic == nullptr || wish(index, from) == nullptr) return {};
  if (rpc.group.empty() || rpc.group.size() > kMaxGroupId) {
    return fail(ErrorCode::bad_encoding, "partial: group");
  }
  PartBits has;
  if (!rpc.metadata.empty()) {
    const auto decoded = PartBits::decode(rpc.metadata, topic->settings.parts);
    if (!decoded) return tl::unexpected(decoded.error());
    has = *decoded;
  }
  Group* at = group(*topic, rpc.group);
  if (at == nullptr) at = begin_group(*topic, rpc.group, from);
  if (at == nullptr) return {};
  Known& peer = known(*at, from);
  bool fresh = false;
  // Parts that we did not ask for are not ours to keep.
  if (!rpc.message.empty() && topic->settings.requests) {
    const auto taken = take_parts(*topic, *at, peer, rpc.message);
    if (!taken) return tl::unexpected(taken.error());
    fresh = *taken;
    peer.spoke = true;
  }
  if (!rpc.metadata.empty()) {  // takes the place of what it said before
    peer.has = has;
    peer.spoke = true;
  }
  if (fresh && !at->complete && at->have.count() == topic->settings.parts) {
    at->complete = true;
    ++counters_.completed;
    actions_.complete(index, at->id, at->parts);
  }
  if (fresh) {
    spread(*topic, *at, mesh);
  }
  tell(*topic, *at, known(*at, from));
  return {};
}

// To the mesh, and to all others that have a part in the group.
void PartialMessages::spread(Topic& topic, Group& group, const PeerSet& mesh) {
  for (PeerIndex peer : mesh) {
    if (wish(topic.index, peer) != nullptr) known(group, peer);
  }
  for (Known& peer : group.peers) tell(topic, group, peer);
}

// The parts that it lacks and wants, if we know or are eager; and our bitmap where it has changed, if that helps: it wants
// parts of ours, or may have some for us.
void PartialMessages::tell(Topic& topic, Group& group, Known& peer) {
  const Wish* theirs = wish(topic.index, peer.peer);
  if (theirs == nullptr) return;
  PartBits give;
  if (theirs->requests && (peer.spoke || topic.settings.eager)) {
    give = group.have.without(peer.has).without(peer.sent);
  }
  const bool changed = !peer.was_told || peer.told != group.have;
  const bool news = !group.have.without(peer.has | peer.sent).empty();  // it lacks something of ours
  const bool hope = topic.settings.requests && !group.complete;         // it may have something for us
  const bool say = changed && (hope || (theirs->requests && news));
  if (give.empty() && !say) return;

  std::vector<ByteView> parts;
  if (!give.empty()) {
    for (std::size_t i = 0; i < topic.settings.parts; ++i) {
      if (give.test(i)) parts.push_back(group.parts[i]);
    }
  }
  const Bytes bitmap = give.empty() ? Bytes() : give.encode(topic.settings.parts);
  const Bytes metadata = say ? group.have.encode(topic.settings.parts) : Bytes();
  peer.sent = peer.sent | give;
  if (say) {
    peer.told = group.have;
    peer.was_told = true;
  }
  ++counters_.sent;
  counters_.parts_sent += parts.size();
  actions_.send_partial(peer.peer, make_partial(topic.name, group.id, bitmap, parts, metadata));
}

void PartialMessages::gossip(TopicIndex index, std::span<const PeerIndex> peers) {
  Topic* topic = find(index);
  if (topic == nullptr) return;
  for (Group& group : topic->groups) {
    if (group.have.empty()) continue;
    for (PeerIndex peer : peers) {
      if (wish(index, peer) != nullptr) tell(*topic, group, known(group, peer));
    }
  }
}

void PartialMessages::on_heartbeat() {
  for (Topic& topic : topics_) {
    for (Group& group : topic.groups) {
      if (group.left > 0) --group.left;
    }
    std::erase_if(topic.groups, [](const Group& group) { return group.left == 0; });
  }
}

std::size_t PartialMessages::memory() const {
  std::size_t bytes = topics_.capacity() * sizeof(Topic) + wishes_.capacity() * sizeof(Wish);
  for (const Topic& topic : topics_) {
    bytes += topic.name.size() + topic.groups.capacity() * sizeof(Group);
    for (const Group& group : topic.groups) {
      bytes +=
          group.id.size() + group.parts.capacity() * sizeof(Bytes) + group.peers.capacity() * sizeof(Known);
    }
  }
  return bytes;
}

}  // namespace mesocosm
