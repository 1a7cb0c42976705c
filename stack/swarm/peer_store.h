// PeerStore: what is known of other peers: addresses, protocols and signed records. Bounded, and lean: one
// sorted vector, addresses packed in one buffer a peer, protocol lists shared by the peers that speak the
// same.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "stack/wire/multiaddr.h"
#include "stack/wire/peer_id.h"

namespace mesocosm {

class PeerStore {
 public:
  static constexpr std::size_t kMaxAddressesPerPeer = 32;
  static constexpr std::size_t kMaxAddressSize = 512;     // bytes; longer ones are not kept
  static constexpr std::size_t kMaxProtocolBytes = 8192;  // of one peer's list; further names are not kept
  static constexpr std::size_t kMaxPeers =
      8192;  // then the peer that was told of longest ago goes; never a pinned one

  PeerStore();
  PeerStore(PeerStore&&) noexcept;
  PeerStore& operator=(PeerStore&&) noexcept;
  ~PeerStore();

  // Without effect for a peer whose signed record is known: those are its addresses.
  void add_addresses(const PeerId& peer, std::span<const Multiaddr> addresses);
  // The addresses are now these; for what a peer says of itself without a signature. Likewise without effect.
  void set_addresses(const PeerId& peer, std::span<const Multiaddr> addresses);
  // A signed peer record whose envelope was opened (open_peer_record), and is of this peer: its addresses
  // take the place of others if `seq` rose; returns whether it did. May keep the envelope's buffer.
  bool set_certified(const PeerId& peer, std::uint64_t seq, const Bytes& envelope);
  std::vector<Multiaddr> addresses(const PeerId& peer) const;  // without /p2p
  Bytes signed_record(const PeerId& peer) const;               // the envelope, or empty

  // Names that multistream-select could not carry (empty, or with a newline) are not kept.
  void set_protocols(const PeerId& peer, const std::vector<std::string>& protocols);
  bool knows_protocols(const PeerId& peer) const;
  bool speaks(const PeerId& peer, std::string_view protocol) const;
  std::vector<std::string> protocols(const PeerId& peer) const;

  std::size_t size() const;
  // A pinned peer is not evicted; the swarm pins those that are connected.
  void pin(const PeerId& peer, bool pinned);
  void forget(const PeerId& peer);

 private:
  struct Entry;
  struct ProtocolList {
    std::uint32_t users = 0;
    std::string names;  // each with a newline behind it
  };
  static constexpr std::uint32_t kUnknown = UINT32_MAX;

  const Entry* find(const PeerId& peer) const;
  Entry& entry(const PeerId& peer);  // makes it if need be
  void evict_one();
  std::uint32_t intern(std::string names);
  void release(std::uint32_t list);

  std::vector<Entry> entries_;  // by peer id
  std::vector<ProtocolList> lists_;
  std::uint32_t clock_ = 0;  // counts what was told
};

}  // namespace mesocosm
