// Identify as pure functions: what peers tell each other about themselves, encoded, read, and judged
// (libp2p/specs identify/README.md; field 8, the signed peer record, is what go, rust and js add to it).
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

#include "stack/base/bytes.h"
#include "stack/base/result.h"
#include "stack/wire/multiaddr.h"
#include "stack/wire/peer_id.h"

namespace mesocosm {

// The message as it is on the wire, nothing believed yet. Empty means absent: a push may carry only what
// changed. What was decoded are slices of what was read.
struct IdentifyMessage {
  Bytes public_key;                     // 1: serialized PublicKey
  std::vector<Bytes> listen_addresses;  // 2: binary multiaddrs
  std::vector<Bytes> protocols;         // 3
  Bytes observed_address;               // 4: where the receiver appears to be
  Bytes protocol_version;               // 5: "ipfs/0.1.0", for people
  Bytes agent_version;                  // 6: "mesocosm/0.1.0"
  Bytes signed_record;                  // 8: a signed envelope with a peer record
};

// Gathers the messages of one stream: several may follow each other, go-libp2p splits large ones.
class IdentifyReader {
 public:
  static constexpr std::size_t kMaxSize = 8192;  // of everything on the stream, in bytes
  static constexpr std::size_t kMaxMessages = 10;

  Result<> on_bytes(Bytes bytes);  // too_large, final
  // At the end of the stream: all messages merged as protobuf merges (lists append, the last value wins).
  // Errors: bad_encoding.
  Result<IdentifyMessage> finish();

 private:
  std::vector<Bytes> chunks_;
  std::size_t size_ = 0;
};

// Our own message, encoded once for all receivers: only the observed address differs.
class IdentifyTemplate {
 public:
  // Above this many bytes the signed record goes into a second message, as go-libp2p does for readers that
  // take 2,048 bytes at most (the record is no loss for them).
  static constexpr std::size_t kSplitSize = 2048;

  IdentifyTemplate() = default;
  explicit IdentifyTemplate(const IdentifyMessage& message);  // its observed address is ignored

  bool empty() const { return body_.empty(); }
  // Length-prefixed, to be written one after the other; all but the first share this template's buffers.
  std::array<Bytes, 3> frames(ByteView observed_address) const;

 private:
  Bytes body_;    // without length and observed address
  Bytes record_;  // the second message with its length, or empty
};

// What a message makes us believe of `peer`.
struct IdentifyFacts {
  std::vector<std::string> protocols;  // empty: not told
  std::vector<Multiaddr> addresses;    // without /p2p; those of the record if there is one. Empty: not told
  Bytes record;                        // the valid signed envelope, or empty
  std::uint64_t seq = 0;               // the record's
  Multiaddr observed;                  // where the peer sees us, or empty
  std::string agent;                   // cut to 256 bytes
  std::string protocol_version;        // likewise
};

// Errors: authentication, when the key is not `peer`'s. A record that is not valid or not the peer's is
// ignored; a valid one beats listen_addresses. Addresses that do not decode, or that name another peer, are
// left out. With `records` false no record is looked at, which saves the verification of a signature.
Result<IdentifyFacts> judge_identify(const IdentifyMessage& message, const PeerId& peer, bool records = true);

}  // namespace mesocosm
