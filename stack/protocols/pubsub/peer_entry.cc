#include "stack/protocols/pubsub/peer_entry.h"

#include <algorithm>

namespace mesocosm {

void write_peer_entry(ProtoWriter& out, std::uint32_t number, const PeerId& peer, std::uint32_t age,
                      const AddressBook& book) {
  out.message(number, [&](ProtoWriter& nested) {
    nested.bytes(1, peer.bytes());
    std::size_t written = 0;
    for (const Multiaddr& address : book.addresses(peer)) {
      if (address.bytes().size() > PeerEntry::kMaxAddressSize) continue;
      if (written++ == PeerEntry::kMaxAddresses) break;
      nested.bytes(2, address.bytes());
    }
    if (age > 0) nested.varint(3, age);
  });
}

Result<PeerEntry> read_peer_entry(const Bytes& encoded) {
  PeerEntry entry;
  ProtoReader reader(encoded);
  while (reader.next()) {
    if (reader.tag() == proto_bytes(1)) {
      const auto peer = PeerId::decode(reader.bytes());
      if (!peer) return fail(ErrorCode::bad_encoding, "a peer id that is none");
      entry.peer = *peer;
    } else if (reader.tag() == proto_bytes(2)) {
      if (entry.addresses.size() >= PeerEntry::kMaxAddresses) continue;
      if (reader.bytes().size() > PeerEntry::kMaxAddressSize) continue;
      if (auto address = Multiaddr::decode(reader.bytes())) entry.addresses.push_back(std::move(*address));
    } else if (reader.tag() == proto_varint(3)) {
      entry.age = static_cast<std::uint32_t>(std::min<std::uint64_t>(reader.value(), UINT32_MAX));
    }
  }
  if (!reader.ok() || entry.peer.empty()) return fail(ErrorCode::bad_encoding, "an entry without a peer");
  return entry;
}

}  // namespace mesocosm
