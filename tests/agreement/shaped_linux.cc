#include "tests/agreement/shaped_linux.h"

#include <algorithm>
#include <array>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <string>

#include <arpa/inet.h>
#include <fcntl.h>
#include <linux/if_tun.h>
#include <net/if.h>
#include <poll.h>
#include <sched.h>
#include <sys/ioctl.h>
#include <unistd.h>

namespace mesocosm::agreement {
namespace {

constexpr std::uint32_t kNet = 0x0a090001;  // 10.9.0.1: host 0
constexpr Duration kLongestWait = 500us;    // so that the loop's own timers are not late

bool set(const char* name, const char* value) {
  const std::string path = std::string("/proc/sys/net/ipv4/") + name;
  const int fd = ::open(path.c_str(), O_WRONLY | O_CLOEXEC);
  if (fd < 0) return false;
  const bool written = ::write(fd, value, std::strlen(value)) > 0;
  ::close(fd);
  return written;
}

// In the namespace that the process is in.
int open_tun(std::uint32_t address) {
  const int fd = ::open("/dev/net/tun", O_RDWR | O_NONBLOCK | O_CLOEXEC);
  if (fd < 0) return -1;
  ifreq request{};
  std::strcpy(request.ifr_name, "tun0");
  request.ifr_flags = IFF_TUN | IFF_NO_PI;
  bool good = ::ioctl(fd, TUNSETIFF, &request) == 0;
  const int socket = ::socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
  const auto give_address = [&](unsigned long what, std::uint32_t value) {
    auto* const at = reinterpret_cast<sockaddr_in*>(&request.ifr_addr);
    *at = {};
    at->sin_family = AF_INET;
    at->sin_addr.s_addr = htonl(value);
    return ::ioctl(socket, what, &request) == 0;
  };
  good = good && give_address(SIOCSIFADDR, address);
  request.ifr_qlen = 10'000;  // queues are the links' business
  good = good && ::ioctl(socket, SIOCSIFTXQLEN, &request) == 0;
  request.ifr_flags = IFF_UP | IFF_RUNNING;
  good = good && ::ioctl(socket, SIOCSIFFLAGS, &request) == 0;
  good = good && give_address(SIOCSIFNETMASK, 0xffffff00);
  ::close(socket);
  if (!good) ::close(fd);
  return good ? fd : -1;
}

// The congestion control by the route: as a namespace's default, machines may forbid it.
bool like_a_fresh_linux() {
  return set("tcp_rmem", "4096 131072 6291456") && set("tcp_wmem", "4096 16384 4194304") &&
         set("tcp_no_metrics_save", "1") &&
         std::system("ip route replace 10.9.0.0/24 dev tun0 congctl cubic") == 0;
}

}  // namespace

// A packet on its way: over the path, then through the receiver's access link; as on the packet network.
struct ShapedLinux::Flight final : Timer {
  void on_timer() override {
    if (!landing) {
      landing = true;
      const hosts::Landing place = owner->links_.land(from, to, static_cast<std::uint32_t>(size), 1, last_in);
      if (place.lost == 0) return owner->kernel_.arm(*this, place.at);
    } else if (::write(owner->tuns_[to], packet.data(), size) < 0) {
      std::perror("tun");
    }
    owner->flights_.give(this);
  }
  Flight* next = nullptr;
  ShapedLinux* owner = nullptr;
  std::array<std::uint8_t, hosts::Links::kPacket> packet{};
  std::size_t size = 0;
  HostIndex from = 0, to = 0;
  Time last_in{};
  bool landing = false;
};

// Sockets belong to the namespace that they are made in.
class ShapedLinux::HostNetwork final : public Network {
 public:
  HostNetwork(AsioLoop& loop, const IpAddress& address, int space)
      : network_(loop, {{address}}), space_(space) {}
  std::unique_ptr<ByteStream> connect(const Endpoint& to, ByteStream::Events& events,
                                      const Endpoint& from) override {
    enter();
    return network_.connect(to, events, from);
  }
  Result<std::unique_ptr<Listener>> listen(const Endpoint& at, Listener::Events& events) override {
    enter();
    return network_.listen(at, events);
  }
  Result<std::unique_ptr<Datagrams>> bind(const Endpoint& at, Datagrams::Events& events) override {
    enter();
    return network_.bind(at, events);
  }
  std::unique_ptr<Resolution> resolve(std::string_view name, RecordType type,
                                      Resolution::Events& events) override {
    return network_.resolve(name, type, events);
  }
  std::vector<IpAddress> local_addresses() const override { return network_.local_addresses(); }

 private:
  void enter() const { static_cast<void>(::setns(space_, CLONE_NEWNET)); }

  AsioNetwork network_;
  int space_;
};

std::unique_ptr<ShapedLinux> ShapedLinux::make(const PathModel& model, std::uint64_t seed) {
  const int home = ::open("/proc/self/ns/net", O_RDONLY | O_CLOEXEC);
  std::unique_ptr<ShapedLinux> made(new ShapedLinux(model, seed));
  bool good = home >= 0;
  for (HostIndex host = 0; good && host < model.hosts(); ++host) good = made->add_host(host);
  static_cast<void>(::setns(home, CLONE_NEWNET));
  ::close(home);
  return good ? std::move(made) : nullptr;
}

ShapedLinux::ShapedLinux(const PathModel& model, std::uint64_t seed)
    : links_(kernel_, model, Rng(seed), faults_), fifo_(model.hosts(), std::vector<Time>(model.hosts())) {}

ShapedLinux::~ShapedLinux() {
  for (const int fd : tuns_) ::close(fd);
  for (const int fd : namespaces_) ::close(fd);
}

Network& ShapedLinux::network(HostIndex host) { return *networks_[host]; }

IpAddress ShapedLinux::address(HostIndex host) const { return IpAddress::v4(kNet + host); }

bool ShapedLinux::add_host(HostIndex host) {
  if (::unshare(CLONE_NEWNET) != 0) return false;
  const int space = ::open("/proc/self/ns/net", O_RDONLY | O_CLOEXEC);
  if (space < 0) return false;
  namespaces_.push_back(space);
  const int tun = open_tun(kNet + host);
  if (tun < 0 || !like_a_fresh_linux()) return false;
  tuns_.push_back(tun);
  networks_.push_back(std::make_unique<HostNetwork>(loop_, address(host), space));
  return true;
}

void ShapedLinux::step() {
  kernel_.run_until(std::max(kernel_.now(), loop_.now()));
  for (HostIndex host = 0; host < tuns_.size(); ++host) take(host);
  loop_.poll();
  for (HostIndex host = 0; host < tuns_.size(); ++host) take(host);
  wait();
}

// Everything that the host's kernel has sent.
void ShapedLinux::take(HostIndex from) {
  std::array<std::uint8_t, hosts::Links::kPacket> packet;
  while (true) {
    const ssize_t size = ::read(tuns_[from], packet.data(), packet.size());
    if (size <= 0) return;
    kernel_.run_until(std::max(kernel_.now(), loop_.now()));
    send(from, packet.data(), static_cast<std::size_t>(size));
  }
}

void ShapedLinux::send(HostIndex from, const std::uint8_t* packet, std::size_t size) {
  if (size < 20 || packet[0] >> 4 != 4) return;  // IPv6 announces itself
  std::uint32_t destination = 0;
  std::memcpy(&destination, packet + 16, 4);
  const HostIndex to = ntohl(destination) - kNet;
  if (to >= tuns_.size() || to == from) return;
  const auto wire = static_cast<std::uint32_t>(size);
  const hosts::Departure departure =
      links_.depart(from, to, wire, 1, links_.model().path(from, to), fifo_[from][to]);
  if (departure.lost > 0) return;
  Flight& flight = *flights_.take();
  flight.owner = this;
  std::memcpy(flight.packet.data(), packet, size);
  flight.size = size;
  flight.from = from;
  flight.to = to;
  flight.last_in = departure.last_in;
  flight.landing = false;
  kernel_.arm(flight, departure.first_in);
}

void ShapedLinux::wait() {
  const Time now = loop_.now();
  const Duration left = std::min(kernel_.next_event() - now, kLongestWait);
  if (left < 60us) return;  // sleeping is not that exact
  std::vector<pollfd> watched;
  for (const int tun : tuns_) watched.push_back({tun, POLLIN, 0});
  const timespec timeout{0, (left - 50us).count()};
  ::ppoll(watched.data(), watched.size(), &timeout, nullptr);
}

}  // namespace mesocosm::agreement
