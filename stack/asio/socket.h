// The kernel's socket calls in the stack's words: endpoints, errors, options.
#pragma once

#include <string_view>

#include <sys/socket.h>

#include "stack/base/ip.h"
#include "stack/base/result.h"

namespace mesocosm::asio {

Endpoint endpoint_of(const sockaddr* address);  // neither IPv4 nor IPv6: the default Endpoint

// An Endpoint as the kernel wants it.
struct SocketAddress {
  SocketAddress() = default;
  explicit SocketAddress(const Endpoint& endpoint);
  Endpoint endpoint() const { return endpoint_of(get()); }

  const sockaddr* get() const { return reinterpret_cast<const sockaddr*>(&storage); }
  sockaddr* get() { return reinterpret_cast<sockaddr*>(&storage); }

  sockaddr_storage storage{};
  socklen_t size = sizeof(sockaddr_storage);
};

ErrorCode code_of(int error_number);
// "connect 192.0.2.1:4001: Connection refused".
Error error_of(int error_number, std::string_view verb, const Endpoint& where);

// All return a descriptor (non-blocking, closed on exec) or a negative error number.
int open_stream(const IpAddress& family);
int open_bound_stream(const Endpoint& from);  // for connect: the port may be a listener's of ours
int open_listener(const Endpoint& at);
int open_datagrams(const Endpoint& at);
int accept_stream(int listener);

void prepare_stream(int fd);  // no Nagle delay
Endpoint local_endpoint(int fd);
Endpoint remote_endpoint(int fd);
int pending_error(int fd);  // takes the socket's error number off it

}  // namespace mesocosm::asio
