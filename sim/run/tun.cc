#include "sim/run/tun.h"

#include <array>
#include <cerrno>
#include <cstring>

#include <fcntl.h>
#include <linux/if_tun.h>
#include <net/if.h>
#include <sched.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "stack/base/assert.h"

namespace mesocosm {
namespace {

constexpr const char* kNamespaces = "/var/run/netns/";

tl::unexpected<Error> system_error(const std::string& what) {
  return fail(ErrorCode::io, what + ": " + std::strerror(errno));
}

class Descriptor {
 public:
  explicit Descriptor(const char* path, int flags) : number_(::open(path, flags | O_CLOEXEC)) {}
  ~Descriptor() {
    if (number_ >= 0) ::close(number_);
  }
  Descriptor(const Descriptor&) = delete;
  Descriptor& operator=(const Descriptor&) = delete;
  int get() const { return number_; }
  bool valid() const { return number_ >= 0; }
  int release() { return std::exchange(number_, -1); }

 private:
  int number_;
};

// This thread is in another network namespace while it lives.
class NamespaceScope {
 public:
  explicit NamespaceScope(int other) : own_("/proc/thread-self/ns/net", O_RDONLY) {
    entered_ = own_.valid() && ::setns(other, CLONE_NEWNET) == 0;
  }
  ~NamespaceScope() {
    if (entered_) MC_ASSERT(::setns(own_.get(), CLONE_NEWNET) == 0);
  }
  NamespaceScope(const NamespaceScope&) = delete;
  NamespaceScope& operator=(const NamespaceScope&) = delete;
  bool entered() const { return entered_; }

 private:
  Descriptor own_;
  bool entered_ = false;
};

}  // namespace

Result<Tun> Tun::open(const std::string& netns, const std::string& device) {
  const Descriptor space((kNamespaces + netns).c_str(), O_RDONLY);
  if (!space.valid()) return system_error("no network namespace " + netns);
  const NamespaceScope scope(space.get());
  if (!scope.entered()) return system_error("cannot enter the network namespace " + netns);
  Descriptor tun("/dev/net/tun", O_RDWR | O_NONBLOCK);  // belongs to the namespace that it is opened in
  if (!tun.valid()) return system_error("cannot open /dev/net/tun");
  ifreq request{};
  request.ifr_flags = IFF_TUN | IFF_NO_PI;
  if (device.size() >= sizeof(request.ifr_name)) return fail(ErrorCode::io, "too long a name: " + device);
  std::memcpy(request.ifr_name, device.data(), device.size());
  if (::ioctl(tun.get(), TUNSETIFF, &request) != 0)
    return system_error("cannot make the device " + device + " in the network namespace " + netns);
  return Tun(tun.release());
}

Tun::~Tun() {
  if (descriptor_ >= 0) ::close(descriptor_);
}

std::optional<Bytes> Tun::read() {
  std::array<std::uint8_t, 65'536> buffer;
  const ssize_t size = ::read(descriptor_, buffer.data(), buffer.size());
  if (size <= 0) return std::nullopt;
  return Bytes::copy(ByteView(buffer).first(static_cast<std::size_t>(size)));
}

void Tun::write(ByteView packet) {
  const ssize_t written = ::write(descriptor_, packet.data(), packet.size());
  static_cast<void>(written);
}

}  // namespace mesocosm
