#include "stack/asio/datagrams.h"

#include <algorithm>

#include "stack/asio/socket.h"

namespace mesocosm::asio {
namespace {

constexpr std::size_t kLargestPayload = 65507;

// Datagrams received before other sockets get their chance.
constexpr int kAtOnce = 32;

}  // namespace

Result<std::unique_ptr<Datagrams>> UdpSocket::open(Loop& loop, const Endpoint& at, Events& events) {
  std::unique_ptr<UdpSocket> socket(new UdpSocket(loop, events));
  int fd = open_datagrams(at);
  if (fd >= 0) {
    if (const int error = socket->descriptor_.open(fd); error != 0) fd = -error;
  }
  if (fd < 0) return tl::unexpected<Error>(error_of(-fd, "bind to", at));
  socket->local_ = local_endpoint(fd);
  socket->descriptor_.wait(Readiness::readable);
  return socket;
}

UdpSocket::~UdpSocket() {
  if (gone_ != nullptr) *gone_ = true;
}

void UdpSocket::send(const Endpoint& to, Bytes payload) {
  if (payload.size() > kLargestPayload || to.ip.is_v4() != local_.ip.is_v4()) return;  // is lost
  queue_.push_back({to, std::move(payload)});
  loop_.settle(flush_);
}

// Gathered into few calls. What the kernel has no room for is lost.
void UdpSocket::flush() {
  constexpr std::size_t kBatch = 32;
  SocketAddress addresses[kBatch];
  iovec pieces[kBatch];
  mmsghdr messages[kBatch];
  for (std::size_t at = 0; at < queue_.size();) {
    const std::size_t count = std::min(kBatch, queue_.size() - at);
    for (std::size_t i = 0; i < count; ++i) {
      const Outgoing& out = queue_[at + i];
      addresses[i] = SocketAddress(out.to);
      pieces[i] = {const_cast<std::uint8_t*>(out.payload.data()), out.payload.size()};
      messages[i] = {};
      messages[i].msg_hdr.msg_name = addresses[i].get();
      messages[i].msg_hdr.msg_namelen = addresses[i].size;
      messages[i].msg_hdr.msg_iov = &pieces[i];
      messages[i].msg_hdr.msg_iovlen = 1;
    }
    const int sent = ::sendmmsg(descriptor_.fd(), messages, static_cast<unsigned>(count), MSG_NOSIGNAL);
    at += static_cast<std::size_t>(std::max(sent, 1));  // an error concerns the first one: skip it
  }
  queue_.clear();
}

void UdpSocket::on_ready(Readiness) {
  bool gone = false;
  gone_ = &gone;
  for (int i = 0; i < kAtOnce; ++i) {
    SocketAddress from;
    const MutableByteView scratch = loop_.scratch();
    const ssize_t size =
        ::recvfrom(descriptor_.fd(), scratch.data(), scratch.size(), 0, from.get(), &from.size);
    if (size < 0) break;
    Bytes payload = loop_.take(static_cast<std::size_t>(size));
    Loop::Turn turn(loop_);
    events_.on_datagram(from.endpoint(), std::move(payload));
    if (gone) return;
  }
  gone_ = nullptr;
  descriptor_.wait(Readiness::readable);
}

}  // namespace mesocosm::asio
