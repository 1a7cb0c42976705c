#include "stack/asio/listener.h"

#include <cerrno>

#include "stack/asio/socket.h"
#include "stack/asio/stream.h"

namespace mesocosm::asio {
namespace {

// When the process has no descriptors left, a waiting connection keeps the listener readable: look again only
// after this time.
constexpr Duration kExhaustedPause = 50ms;

bool exhausted(int error) { return code_of(error) == ErrorCode::limit; }

}  // namespace

Result<std::unique_ptr<Listener>> TcpListener::open(Loop& loop, const Endpoint& at, Events& events) {
  std::unique_ptr<TcpListener> listener(new TcpListener(loop, events));
  int fd = open_listener(at);
  if (fd >= 0) {
    if (const int error = listener->descriptor_.open(fd); error != 0) fd = -error;
  }
  if (fd < 0) return tl::unexpected<Error>(error_of(-fd, "listen on", at));
  listener->local_ = local_endpoint(fd);
  listener->wait();
  return listener;
}

// One connection a turn; the next wait, after the turn, is over at once if there are more.
void TcpListener::on_ready(Readiness) {
  const int fd = accept_stream(descriptor_.fd());
  if (fd < 0) return exhausted(-fd) ? pause(-fd) : wait();
  std::unique_ptr<Stream> stream = Stream::adopt(loop_, fd);
  if (stream == nullptr) return pause(ENOSPC);
  Loop::Turn turn(loop_);
  loop_.settle(next_);
  events_.on_accept(std::move(stream));
}

void TcpListener::pause(int error) {
  loop_.arm_after(retry_, kExhaustedPause);
  Loop::Turn turn(loop_);
  events_.on_accept_failed(error_of(error, "accept on", local_));
}

}  // namespace mesocosm::asio
