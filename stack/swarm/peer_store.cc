#include "stack/swarm/peer_store.h"

#include <algorithm>

#include "stack/base/assert.h"
#include "stack/wire/protobuf.h"

namespace mesocosm {

struct PeerStore::Entry {
  PeerId id;
  bool pinned = false;
  bool certified = false;              // `known` is a signed record
  std::uint32_t told = 0;              // when it was last told of, by clock_
  std::uint32_t protocols = kUnknown;  // index into lists_
  std::uint64_t seq = 0;               // the record's
  Bytes known;  // the envelope, or packed addresses: for each a 16-bit length in big endian, and its binary
                // form
};

namespace {

// Calls `each(ByteView)` for every packed address.
template <class Each>
void unpack(const Bytes& packed, Each&& each) {
  for (std::size_t at = 0; at < packed.size();) {
    const std::size_t size = (std::size_t{packed[at]} << 8) | packed[at + 1];
    each(packed.view().subspan(at + 2, size));
    at += 2 + size;
  }
}

Bytes pack(std::span<const ByteView> addresses) {
  std::size_t total = 0;
  for (const ByteView address : addresses) total += 2 + address.size();
  return Bytes::build(total, [&](MutableByteView out) {
    std::size_t at = 0;
    for (const ByteView address : addresses) {
      out[at++] = static_cast<std::uint8_t>(address.size() >> 8);
      out[at++] = static_cast<std::uint8_t>(address.size());
      std::copy(address.begin(), address.end(), out.begin() + static_cast<std::ptrdiff_t>(at));
      at += address.size();
    }
  });
}

// `packed` and then those of `more` that are new, up to the limit.
Bytes pack_more(const Bytes& packed, std::span<const Multiaddr> more) {
  std::vector<ByteView> all;
  unpack(packed, [&](ByteView address) { all.push_back(address); });
  const std::size_t before = all.size();
  for (const Multiaddr& address : more) {
    const ByteView bytes = address.bytes();
    if (all.size() == PeerStore::kMaxAddressesPerPeer) break;
    if (bytes.empty() || bytes.size() > PeerStore::kMaxAddressSize) continue;
    if (std::none_of(all.begin(), all.end(), [bytes](ByteView known) { return equal(known, bytes); })) {
      all.push_back(bytes);
    }
  }
  return all.size() == before ? packed : pack(all);
}

// The last field of that number and type bytes.
Bytes field(const Bytes& message, std::uint32_t number) {
  Bytes value;
  for (ProtoReader reader(message); reader.next();) {
    if (reader.tag() == proto_bytes(number)) value = reader.bytes();
  }
  return value;
}

// The addresses in an envelope (payload: 3) of a peer record (addresses: 3, each with a multiaddr: 1), which
// was verified when it came.
template <class Each>
void addresses_of_record(const Bytes& envelope, Each&& each) {
  for (ProtoReader record(field(envelope, 3)); record.next();) {
    if (record.tag() == proto_bytes(3)) each(field(record.bytes(), 1));
  }
}

}  // namespace

PeerStore::PeerStore() { static_assert(sizeof(Entry) <= 88); }
PeerStore::PeerStore(PeerStore&&) noexcept = default;
PeerStore& PeerStore::operator=(PeerStore&&) noexcept = default;
PeerStore::~PeerStore() = default;

void PeerStore::add_addresses(const PeerId& peer, std::span<const Multiaddr> addresses) {
  Entry& of = entry(peer);
  if (!of.certified) of.known = pack_more(of.known, addresses);
}

void PeerStore::set_addresses(const PeerId& peer, std::span<const Multiaddr> addresses) {
  Entry& of = entry(peer);
  if (!of.certified) of.known = pack_more({}, addresses);
}

bool PeerStore::set_certified(const PeerId& peer, std::uint64_t seq, const Bytes& envelope) {
  Entry& of = entry(peer);
  if (of.certified && seq <= of.seq) return false;
  of.certified = true;
  of.seq = seq;
  of.known = envelope.compact();
  return true;
}

std::vector<Multiaddr> PeerStore::addresses(const PeerId& peer) const {
  std::vector<Multiaddr> addresses;
  const auto keep = [&](ByteView bytes) {
    if (addresses.size() == kMaxAddressesPerPeer) return;
    const auto address = Multiaddr::decode(bytes);
    if (!address) return;
    const auto named = address->peer();
    if (named && *named != peer) return;
    addresses.push_back(named ? address->without_peer() : *address);
  };
  const Entry* of = find(peer);
  if (of != nullptr && of->certified) {
    addresses_of_record(of->known, keep);
  } else if (of != nullptr) {
    unpack(of->known, keep);
  }
  return addresses;
}

Bytes PeerStore::signed_record(const PeerId& peer) const {
  const Entry* of = find(peer);
  return of != nullptr && of->certified ? of->known : Bytes{};
}

void PeerStore::set_protocols(const PeerId& peer, const std::vector<std::string>& protocols) {
  std::string names;
  for (const std::string& name : protocols) {
    if (name.empty() || name.find('\n') != std::string::npos) continue;
    if (names.size() + name.size() + 1 > kMaxProtocolBytes) break;
    names.append(name).push_back('\n');
  }
  Entry& known = entry(peer);
  const std::uint32_t list = intern(std::move(names));
  release(known.protocols);
  known.protocols = list;
}

bool PeerStore::knows_protocols(const PeerId& peer) const {
  const Entry* known = find(peer);
  return known != nullptr && known->protocols != kUnknown;
}

bool PeerStore::speaks(const PeerId& peer, std::string_view protocol) const {
  const Entry* known = find(peer);
  if (known == nullptr || known->protocols == kUnknown || protocol.empty()) return false;
  const std::string_view names = lists_[known->protocols].names;
  for (std::size_t at = 0; at < names.size();) {
    const std::size_t end = names.find('\n', at);
    if (names.substr(at, end - at) == protocol) return true;
    at = end + 1;
  }
  return false;
}

std::vector<std::string> PeerStore::protocols(const PeerId& peer) const {
  std::vector<std::string> list;
  const Entry* known = find(peer);
  if (known == nullptr || known->protocols == kUnknown) return list;
  const std::string_view names = lists_[known->protocols].names;
  for (std::size_t at = 0; at < names.size();) {
    const std::size_t end = names.find('\n', at);
    list.emplace_back(names.substr(at, end - at));
    at = end + 1;
  }
  return list;
}

std::size_t PeerStore::size() const { return entries_.size(); }

void PeerStore::pin(const PeerId& peer, bool pinned) {
  if (pinned) {
    entry(peer).pinned = true;
  } else if (const Entry* known = find(peer)) {
    const_cast<Entry*>(known)->pinned = false;
  }
}

void PeerStore::forget(const PeerId& peer) {
  const Entry* known = find(peer);
  if (known == nullptr) return;
  release(known->protocols);
  entries_.erase(entries_.begin() + (known - entries_.data()));
}

const PeerStore::Entry* PeerStore::find(const PeerId& peer) const {
  const auto at = std::lower_bound(entries_.begin(), entries_.end(), peer,
                                   [](const Entry& entry, const PeerId& id) { return entry.id < id; });
  return at != entries_.end() && at->id == peer ? &*at : nullptr;
}

PeerStore::Entry& PeerStore::entry(const PeerId& peer) {
  const auto found = const_cast<Entry*>(find(peer));
  if (found != nullptr) {
    found->told = ++clock_;
    return *found;
  }
  if (entries_.size() >= kMaxPeers) evict_one();
  const auto at = std::lower_bound(entries_.begin(), entries_.end(), peer,
                                   [](const Entry& entry, const PeerId& id) { return entry.id < id; });
  Entry& made = *entries_.insert(at, Entry{});
  made.id = peer;
  made.told = ++clock_;
  return made;
}

void PeerStore::evict_one() {
  const auto oldest = std::min_element(entries_.begin(), entries_.end(), [](const Entry& a, const Entry& b) {
    return std::pair(a.pinned, a.told) < std::pair(b.pinned, b.told);
  });
  if (!oldest->pinned) forget(PeerId(oldest->id));
}

// One copy of each list, however many speak it. There are few different ones, so they are compared in turn.
std::uint32_t PeerStore::intern(std::string names) {
  std::size_t free = lists_.size();
  for (std::size_t i = 0; i < lists_.size(); ++i) {
    if (lists_[i].users == 0) {
      free = i;
    } else if (lists_[i].names == names) {
      ++lists_[i].users;
      return static_cast<std::uint32_t>(i);
    }
  }
  if (free == lists_.size()) lists_.emplace_back();
  names.shrink_to_fit();
  lists_[free] = {1, std::move(names)};
  return static_cast<std::uint32_t>(free);
}

void PeerStore::release(std::uint32_t list) {
  if (list == kUnknown) return;
  MC_ASSERT(lists_[list].users > 0);
  if (--lists_[list].users == 0) lists_[list].names = std::string();
}

}  // namespace mesocosm
