// Signed envelopes and peer records: the input as an envelope, and as a record that is properly signed.
#include <array>

#include "stack/base/assert.h"
#include "stack/crypto/peer_record.h"
#include "stack/crypto/signed_envelope.h"

using namespace mesocosm;

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  static const KeyPair signer = KeyPair::from_seed(std::array<std::uint8_t, 32>{1});
  const Bytes bytes = Bytes::copy(ByteView(data, size));
  const std::string_view domain = "libp2p-peer-record";
  if (const auto opened = open_envelope(bytes, domain)) MC_ASSERT(opened->payload.size() < size);

  const std::array<std::uint8_t, 2> type{3, 1};
  const auto record = open_peer_record(seal_envelope(signer, domain, type, bytes));
  if (!record) return 0;
  MC_ASSERT(record->peer == signer.peer_id() && record->addresses.size() <= PeerRecord::kMaxAddresses);
  const auto again = open_peer_record(seal_peer_record(signer, record->seq, record->addresses));
  MC_ASSERT(again && again->seq == record->seq && again->addresses == record->addresses);
  return 0;
}
