// Signed peer records (specs/RFC/0003-routing-records.md, with the domain and type that everybody uses
// since): the addresses that a peer says are its own.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

#include "stack/base/bytes.h"
#include "stack/base/result.h"
#include "stack/crypto/keys.h"
#include "stack/wire/multiaddr.h"
#include "stack/wire/peer_id.h"

namespace mesocosm {

struct PeerRecord {
  // Of a longer record the first ones are kept; addresses that we cannot read are left out.
  static constexpr std::size_t kMaxAddresses = 64;

  PeerId peer;
  std::uint64_t seq = 0;  // a newer record has a higher one
  std::vector<Multiaddr> addresses;
};

// An envelope around a record of the signer's own.
Bytes seal_peer_record(const KeyPair& signer, std::uint64_t seq, std::span<const Multiaddr> addresses);

// Errors: those of open_envelope; bad_encoding for another type of payload; peer_mismatch if somebody else
// signed it.
Result<PeerRecord> open_peer_record(const Bytes& envelope);

}  // namespace mesocosm
