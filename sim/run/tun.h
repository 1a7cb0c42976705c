// A tun device of Linux: what a network namespace sends over it is read here, as IP packets, and the other way round.
#pragma once

#include <optional>
#include <string>
#include <utility>

#include "stack/base/bytes.h"
#include "stack/base/result.h"

namespace mesocosm {

// The device lives as long as the object. Nothing of it is seen outside of its namespace.
class Tun {
 public:
  static constexpr std::size_t kMtu = 1500;

  // Makes the device in a network namespace that `ip netns add` made. Needs the rights to (CAP_NET_ADMIN, CAP_SYS_ADMIN).
  // Error: io, naming the namespace or the device.
  static Result<Tun> open(const std::string& netns, const std::string& device);
  ~Tun();
  Tun(Tun&& other) noexcept : descriptor_(std::exchange(other.descriptor_, -1)) {}
  Tun& operator=(Tun&& other) noexcept {
    std::swap(descriptor_, other.descriptor_);
    return *this;
  }

  // The next packet that waits, or nothing.
  std::optional<Bytes> read();
  void write(ByteView packet);  // lost if the device is down, as on any link
  int descriptor() const { return descriptor_; }

 private:
  explicit Tun(int descriptor) : descriptor_(descriptor) {}

  int descriptor_;
};

}  // namespace mesocosm
