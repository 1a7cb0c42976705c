#include "stack/asio/asio_env.h"

#include <algorithm>
#include <cerrno>

#include <ifaddrs.h>
#include <net/if.h>
#include <sys/random.h>

#include "stack/asio/datagrams.h"
#include "stack/asio/listener.h"
#include "stack/asio/loop.h"
#include "stack/asio/resolution.h"
#include "stack/asio/socket.h"
#include "stack/asio/stream.h"
#include "stack/base/assert.h"

namespace mesocosm {
namespace {

bool is_link_local(const IpAddress& address) {
  const auto& octets = address.octets();
  if (address.is_v4()) return octets[0] == 169 && octets[1] == 254;
  return octets[0] == 0xfe && (octets[1] & 0xc0) == 0x80;
}

// What the machine's interfaces have and others can use; a machine without any has its loopback.
std::vector<IpAddress> interface_addresses() {
  std::vector<IpAddress> outside, loopback;
  ifaddrs* list = nullptr;
  if (::getifaddrs(&list) != 0) return {};
  for (const ifaddrs* entry = list; entry != nullptr; entry = entry->ifa_next) {
    if (entry->ifa_addr == nullptr || (entry->ifa_flags & IFF_UP) == 0) continue;
    const bool v4 = entry->ifa_addr->sa_family == AF_INET;
    if (!v4 && entry->ifa_addr->sa_family != AF_INET6) continue;
    const IpAddress address = asio::endpoint_of(entry->ifa_addr).ip;
    if (is_link_local(address)) continue;
    (address.is_loopback() ? loopback : outside).push_back(address);
  }
  ::freeifaddrs(list);
  return outside.empty() ? loopback : outside;
}

}  // namespace

AsioLoop::AsioLoop() : loop_(std::make_unique<asio::Loop>()) {}
AsioLoop::~AsioLoop() = default;
bool AsioLoop::run() { return loop_->run(); }
bool AsioLoop::run_until(Time end) { return loop_->run_until(end); }
void AsioLoop::step(Time end) { loop_->step(end); }
void AsioLoop::poll() { loop_->poll(); }
void AsioLoop::stop() { loop_->stop(); }
Time AsioLoop::now() const { return loop_->now(); }
std::int64_t AsioLoop::unix_nanoseconds() const { return loop_->unix_nanoseconds(); }
void AsioLoop::arm(Timer& timer, Time at) { loop_->arm(timer, at); }
void AsioLoop::disarm(Timer& timer) noexcept { loop_->disarm(timer); }
void AsioLoop::defer(Task& task) { loop_->defer(task); }

AsioNetwork::AsioNetwork(AsioLoop& loop) : AsioNetwork(loop, Options{}) {}
AsioNetwork::AsioNetwork(AsioLoop& loop, Options options)
    : loop_(*loop.loop_), options_(std::move(options)) {}
AsioNetwork::~AsioNetwork() = default;

// The unspecified address means our own one of that family, if we were given any.
Endpoint AsioNetwork::at_own_address(const Endpoint& endpoint) const {
  if (!endpoint.ip.is_unspecified()) return endpoint;
  for (const IpAddress& own : options_.addresses) {
    if (own.is_v4() == endpoint.ip.is_v4()) return {own, endpoint.port};
  }
  return endpoint;
}

std::unique_ptr<ByteStream> AsioNetwork::connect(const Endpoint& to, ByteStream::Events& events,
                                                 const Endpoint& from) {
  const IpAddress any = to.ip.is_v4() ? IpAddress() : IpAddress::v6({});
  const Endpoint source = from.ip.is_unspecified() ? Endpoint{any, from.port} : from;
  return asio::Stream::connect(loop_, to, at_own_address(source), events);
}

Result<std::unique_ptr<Listener>> AsioNetwork::listen(const Endpoint& at, Listener::Events& events) {
  return asio::TcpListener::open(loop_, at_own_address(at), events);
}

Result<std::unique_ptr<Datagrams>> AsioNetwork::bind(const Endpoint& at, Datagrams::Events& events) {
  return asio::UdpSocket::open(loop_, at_own_address(at), events);
}

std::unique_ptr<Resolution> AsioNetwork::resolve(std::string_view name, RecordType type,
                                                 Resolution::Events& events) {
  return asio::resolve(loop_, name, type, events);
}

std::vector<IpAddress> AsioNetwork::local_addresses() const {
  return options_.addresses.empty() ? interface_addresses() : options_.addresses;
}

void SystemEntropy::fill(MutableByteView out) {
  while (!out.empty()) {
    const ssize_t count = ::getrandom(out.data(), out.size(), 0);
    MC_ASSERT(count > 0 || errno == EINTR);
    if (count > 0) out = out.subspan(static_cast<std::size_t>(count));
  }
}

}  // namespace mesocosm
