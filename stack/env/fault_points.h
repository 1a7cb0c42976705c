// FaultPoints: named places in the stack where a simulation can make things fail, for tests of how they are mended.
// Nobody who does not install any pays for more than a look at a pointer.
//
//   if (MC_FAULT_POINT(env.entropy, swarm_dial)) return fail_dial(dial, ...);
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <string_view>

#include "stack/base/result.h"

namespace mesocosm {

class Entropy;

enum class FaultPoint : std::uint8_t {
  swarm_dial,           // a dial fails at once, as though no address could be reached
  transport_accept,     // a connection that has come is reset before it is looked at
  transport_handshake,  // the security handshake is given up, and the connection reset
  stream_open,          // a stream that was opened ends before a protocol was agreed
  stream_reset,         // a stream is reset as something arrives on it
  identify_ask,         // the question is never sent, and times out
  gossipsub_message,    // a message that would be sent to a peer is not
};

class FaultPoints {
 public:
  static constexpr std::size_t kCount = 7;
  struct Name {
    FaultPoint point;
    std::string_view name;
    std::string_view effect;
  };
  static const std::array<Name, kCount>& all();
  static std::optional<FaultPoint> find(std::string_view name);

  virtual ~FaultPoints() = default;
  // Whether it fails this time. A node is known by its Entropy, which all of it has and nobody else.
  virtual bool fires(const Entropy& node, FaultPoint point) = 0;

  // Of this thread. Null, as usual: nothing fails. Must be taken out again.
  static FaultPoints* installed() { return installed_; }
  static void install(FaultPoints* points) { installed_ = points; }

 private:
  static inline thread_local FaultPoints* installed_ = nullptr;
};

// What failed at a fault point says so.
inline Error injected(ErrorCode code) { return {code, "a fault point fired"}; }

#define MC_FAULT_POINT(node_entropy, point)                                \
  (__builtin_expect(::mesocosm::FaultPoints::installed() != nullptr, 0) && \
   ::mesocosm::FaultPoints::installed()->fires((node_entropy), ::mesocosm::FaultPoint::point))

}  // namespace mesocosm
