// Cyclon (Voulgaris, Gavidia, van Steen, "CYCLON: Inexpensive membership management for unstructured P2P overlays",
// 2005) as a core: a small view of the network that is mixed by exchanging parts of it (enhanced shuffling, section
// 2.2), and joins by random walks (section 4).
//
// Who is asked to shuffle leaves the view at once: the answer's first entry takes its place, and if no answer comes, it
// is taken for dead, as the paper has it.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "stack/base/rng.h"
#include "stack/base/time.h"
#include "stack/protocols/cyclon/message.h"

namespace mesocosm {

struct CyclonParams {
  std::uint32_t view = 20;        // entries (the paper's cache size c)
  std::uint32_t shuffle = 8;      // entries in an exchange, one's own included
  std::uint32_t walk = 5;         // hops of a newcomer's walks
  bool oldest = true;             // whom to shuffle with; false: anybody (basic shuffling, section 2.1)
  Duration period = 10s;          // of a node's shuffles
  std::uint32_t push_fanout = 4;  // for who uses the view to broadcast
  BroadcastLimits limits;

  Result<> validate() const;  // error: unsupported, with what is wrong
};

class CyclonActions {
 public:
  virtual void send(const PeerId& to, const CyclonMessage& message) = 0;

 protected:
  ~CyclonActions() = default;
};

class CyclonCore {
 public:
  CyclonCore(const CyclonParams& params, const PeerId& self, Rng rng, CyclonActions& actions);

  // A peer that is known from outside, for the first view; nothing if it is known or there is no room.
  void introduce(const PeerId& peer);
  void join(const PeerId& introducer);
  void on_period();
  // Everything but pushes. Error: protocol_violation.
  Result<> on_message(const PeerId& from, const CyclonMessage& message);
  void on_failure(const PeerId& peer);  // it cannot be reached

  const CyclonParams& params() const { return params_; }
  std::span<const CyclonEntry> view() const { return view_; }
  std::vector<PeerId> sample(std::size_t count, const PeerId& but);  // of the view

 private:
  bool known(const PeerId& peer) const;
  std::vector<CyclonEntry> draw(std::size_t count);
  std::size_t choose_partner();
  void merge(std::span<const CyclonEntry> received, std::span<const CyclonEntry> sent);
  void end_walk(const PeerId& origin);

  CyclonParams params_;
  PeerId self_;
  Rng rng_;
  CyclonActions& actions_;
  std::vector<CyclonEntry> view_;
  std::vector<CyclonEntry> sent_;  // in the shuffle that waits for its answer
  PeerId partner_;                 // in it; nobody: none waits
};

}  // namespace mesocosm
