// PeerEntry: a peer as membership services tell each other of it, with the addresses to dial it at.
#pragma once

#include <cstdint>
#include <vector>

#include "stack/base/result.h"
#include "stack/wire/multiaddr.h"
#include "stack/wire/peer_id.h"
#include "stack/wire/protobuf.h"

namespace mesocosm {

//   PeerEntry { 1 peer, 2 repeated addresses, 3 age }
struct PeerEntry {
  static constexpr std::size_t kMaxAddresses = 8;      // further ones are not sent, and not read
  static constexpr std::size_t kMaxAddressSize = 256;  // bytes; longer ones neither

  PeerId peer;
  std::vector<Multiaddr> addresses;
  std::uint32_t age = 0;
};

// What a node knows of where peers are.
class AddressBook {
 public:
  virtual std::vector<Multiaddr> addresses(const PeerId& peer) const = 0;

 protected:
  ~AddressBook() = default;
};

void write_peer_entry(ProtoWriter& out, std::uint32_t number, const PeerId& peer, std::uint32_t age,
                      const AddressBook& book);
// Addresses that we do not understand are left out. Error: bad_encoding.
Result<PeerEntry> read_peer_entry(const Bytes& encoded);

}  // namespace mesocosm
