#include "stack/asio/socket.h"

#include <cerrno>
#include <cstring>
#include <string>
#include <system_error>

#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <unistd.h>

namespace mesocosm::asio {
namespace {

void enable(int fd, int level, int option) {
  const int on = 1;
  ::setsockopt(fd, level, option, &on, sizeof on);
}

int open_socket(const IpAddress& family, int type) {
  const int fd = ::socket(family.is_v4() ? AF_INET : AF_INET6, type | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
  if (fd < 0) return -errno;
  // Listening on [::] leaves the port's IPv4 side to others, as listening on 0.0.0.0 leaves IPv6.
  if (!family.is_v4()) enable(fd, IPPROTO_IPV6, IPV6_V6ONLY);
  return fd;
}

int fail_closing(int fd) {
  const int error = errno;
  ::close(fd);
  return -error;
}

bool bind_to(int fd, const Endpoint& at) {
  const SocketAddress address(at);
  return ::bind(fd, address.get(), address.size) == 0;
}

}  // namespace

SocketAddress::SocketAddress(const Endpoint& endpoint) {
  if (endpoint.ip.is_v4()) {
    sockaddr_in v4{};
    v4.sin_family = AF_INET;
    v4.sin_port = htons(endpoint.port);
    v4.sin_addr.s_addr = htonl(endpoint.ip.v4_host_order());
    std::memcpy(&storage, &v4, size = sizeof v4);
  } else {
    sockaddr_in6 v6{};
    v6.sin6_family = AF_INET6;
    v6.sin6_port = htons(endpoint.port);
    std::memcpy(&v6.sin6_addr, endpoint.ip.octets().data(), 16);
    std::memcpy(&storage, &v6, size = sizeof v6);
  }
}

Endpoint endpoint_of(const sockaddr* address) {
  if (address->sa_family == AF_INET) {
    sockaddr_in v4;
    std::memcpy(&v4, address, sizeof v4);
    return {IpAddress::v4(ntohl(v4.sin_addr.s_addr)), ntohs(v4.sin_port)};
  }
  if (address->sa_family == AF_INET6) {
    sockaddr_in6 v6;
    std::memcpy(&v6, address, sizeof v6);
    std::array<std::uint8_t, 16> octets;
    std::memcpy(octets.data(), &v6.sin6_addr, 16);
    return {IpAddress::v6(octets), ntohs(v6.sin6_port)};
  }
  return {};
}

ErrorCode code_of(int error_number) {
  switch (error_number) {
    case 0:
      return ErrorCode::none;
    case ECANCELED:
      return ErrorCode::cancelled;
    case ECONNRESET:
    case ECONNABORTED:
    case EPIPE:
      return ErrorCode::reset;
    case ECONNREFUSED:
      return ErrorCode::refused;
    case ENETUNREACH:
    case EHOSTUNREACH:
    case ENETDOWN:
    case EHOSTDOWN:
      return ErrorCode::unreachable;
    case ETIMEDOUT:
      return ErrorCode::timeout;
    case EADDRINUSE:
      return ErrorCode::address_in_use;
    case EMSGSIZE:
      return ErrorCode::too_large;
    case EMFILE:
    case ENFILE:
    case ENOBUFS:
    case ENOMEM:
    case ENOSPC:
      return ErrorCode::limit;
    case EAFNOSUPPORT:
    case EPROTONOSUPPORT:
    case EOPNOTSUPP:
      return ErrorCode::unsupported;
    default:
      return ErrorCode::io;
  }
}

Error error_of(int error_number, std::string_view verb, const Endpoint& where) {
  std::string detail(verb);
  detail += ' ';
  detail += where.to_string();
  if (error_number != 0) detail += ": " + std::generic_category().message(error_number);
  return {code_of(error_number), std::move(detail)};
}

int open_stream(const IpAddress& family) { return open_socket(family, SOCK_STREAM); }

int open_bound_stream(const Endpoint& from) {
  const int fd = open_socket(from.ip, SOCK_STREAM);
  if (fd < 0) return fd;
  if (from.port == 0) {
    // The kernel picks the port at connect(), when it knows the remote: ports are shared between remotes.
    enable(fd, IPPROTO_IP, IP_BIND_ADDRESS_NO_PORT);
  } else {
    enable(fd, SOL_SOCKET, SO_REUSEADDR);
    enable(fd, SOL_SOCKET, SO_REUSEPORT);
  }
  return bind_to(fd, from) ? fd : fail_closing(fd);
}

int open_listener(const Endpoint& at) {
  const int fd = open_socket(at.ip, SOCK_STREAM);
  if (fd < 0) return fd;
  enable(fd, SOL_SOCKET, SO_REUSEADDR);  // connections of an earlier listener may linger
  if (!bind_to(fd, at) || ::listen(fd, SOMAXCONN) != 0) return fail_closing(fd);
  // Only now: a second listener still finds the address in use, but connections may leave from our port.
  enable(fd, SOL_SOCKET, SO_REUSEPORT);
  return fd;
}

int open_datagrams(const Endpoint& at) {
  const int fd = open_socket(at.ip, SOCK_DGRAM);
  if (fd < 0) return fd;
  // Bursts must fit; the kernel cuts this to its limit.
  const int buffer = 4 * 1024 * 1024;
  ::setsockopt(fd, SOL_SOCKET, SO_RCVBUF, &buffer, sizeof buffer);
  ::setsockopt(fd, SOL_SOCKET, SO_SNDBUF, &buffer, sizeof buffer);
  return bind_to(fd, at) ? fd : fail_closing(fd);
}

int accept_stream(int listener) {
  const int fd = ::accept4(listener, nullptr, nullptr, SOCK_NONBLOCK | SOCK_CLOEXEC);
  return fd < 0 ? -errno : fd;
}

void prepare_stream(int fd) { enable(fd, IPPROTO_TCP, TCP_NODELAY); }

Endpoint local_endpoint(int fd) {
  SocketAddress address;
  if (::getsockname(fd, address.get(), &address.size) != 0) return {};
  return address.endpoint();
}

Endpoint remote_endpoint(int fd) {
  SocketAddress address;
  if (::getpeername(fd, address.get(), &address.size) != 0) return {};
  return address.endpoint();
}

int pending_error(int fd) {
  int error = 0;
  socklen_t size = sizeof error;
  return ::getsockopt(fd, SOL_SOCKET, SO_ERROR, &error, &size) == 0 ? error : errno;
}

}  // namespace mesocosm::asio
