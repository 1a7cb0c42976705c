#include "stack/asio/stream.h"

#include <algorithm>
#include <cerrno>

#include <sys/uio.h>

#include "stack/asio/socket.h"
#include "stack/base/assert.h"

namespace mesocosm::asio {
namespace {

constexpr const char* kConnectFrom = "connect from";

}  // namespace

std::unique_ptr<Stream> Stream::connect(Loop& loop, const Endpoint& to, const Endpoint& from,
                                        Events& events) {
  std::unique_ptr<Stream> stream(new Stream(loop, from, to));
  stream->events_ = &events;
  stream->start_connecting(from);
  return stream;
}

std::unique_ptr<Stream> Stream::adopt(Loop& loop, int fd) {
  std::unique_ptr<Stream> stream(new Stream(loop, local_endpoint(fd), remote_endpoint(fd)));
  prepare_stream(fd);
  if (stream->descriptor_.open(fd) != 0) return nullptr;
  stream->state_ = State::open;
  stream->descriptor_.wait(Readiness::readable);
  return stream;
}

Stream::Stream(Loop& loop, const Endpoint& local, const Endpoint& remote)
    : loop_(loop), descriptor_(loop, *this), local_(local), remote_(remote) {}

Stream::~Stream() {
  if (state_ == State::open && finishing_) flush();
  if (state_ == State::open && !finished_) {
    descriptor_.abort();
  } else {
    descriptor_.close();  // what was finished still arrives
  }
}

void Stream::start_connecting(const Endpoint& from) {
  const bool bound = from.port != 0 || !from.ip.is_unspecified();
  const int fd = bound ? open_bound_stream(from) : open_stream(remote_.ip);
  if (fd < 0) return fail(-fd, kConnectFrom);
  prepare_stream(fd);
  if (const int error = descriptor_.open(fd); error != 0) return fail(error, "connect to");
  const SocketAddress address(remote_);
  if (::connect(fd, address.get(), address.size) != 0 && errno != EINPROGRESS) {
    // No port left to connect from, on that address or with that remote.
    return fail(errno == EADDRNOTAVAIL ? EADDRINUSE : errno, "connect to");
  }
  descriptor_.wait(Readiness::writable);
}

void Stream::set_events(Events& events) {
  events_ = &events;
  if (state_ == State::open && (!unread_.empty() || ended_)) notify(kReadable);
}

Bytes Stream::read(std::size_t max) {
  if (unread_.empty() || max == 0) return {};
  ignored_ = 0;
  loop_.settle(settle_);
  return max < unread_.size() ? unread_.take_front(max) : std::exchange(unread_, {});
}

std::size_t Stream::writable() const {
  return state_ != State::open || finishing_ || starved_ ? 0 : kHighWater - queued_;
}

void Stream::write(Bytes bytes) {
  if (state_ == State::closed || finishing_ || bytes.empty()) return;
  queued_ += bytes.size();
  queue_.push_back(std::move(bytes));
  if (queued_ >= kHighWater) starved_ = true;
  loop_.settle(settle_);
}

void Stream::finish() {
  finishing_ = true;
  loop_.settle(settle_);
}

void Stream::on_ready(Readiness readiness) {
  if (readiness == Readiness::readable) {
    receive();
  } else if (readiness == Readiness::broken) {
    if (const int error = pending_error(descriptor_.fd()); error != 0) fail(error, "connection with");
  } else if (state_ == State::connecting) {
    finish_connecting();
  } else {
    settle();
  }
}

void Stream::finish_connecting() {
  if (const int error = pending_error(descriptor_.fd()); error != 0) return fail(error, "connect to");
  if (const int error = descriptor_.forget_writable(); error != 0) return fail(error, "connect to");
  state_ = State::open;
  local_ = local_endpoint(descriptor_.fd());
  Loop::Turn turn(loop_);
  loop_.settle(settle_);
  events_->on_writable();
}

// Receives once, so that streams take turns, and so that the end is known before on_readable tells of it.
void Stream::receive() {
  if (unread_.empty()) {
    const MutableByteView scratch = loop_.scratch();
    const ssize_t count = ::recv(descriptor_.fd(), scratch.data(), scratch.size(), 0);
    if (count < 0) {
      if (errno != EAGAIN && errno != EINTR) return fail(errno, "read from");
      return descriptor_.wait(Readiness::readable);
    }
    ended_ = count == 0;
    unread_ = loop_.take(static_cast<std::size_t>(count));
  }
  MC_ASSERT(events_ != nullptr);
  Loop::Turn turn(loop_);
  loop_.settle(settle_);
  if (ignored_ < 2) ++ignored_;
  events_->on_readable();
}

// At the end of each turn in which something happened here.
void Stream::settle() {
  if (state_ != State::open) return;
  flush();
  if (state_ != State::open) return;
  if (take_rise()) notify(kWritable);
  if (ended_ && finished_) {
    descriptor_.close();
    state_ = State::closed;
    return notify(kClosed);
  }
  // While a reader ignores what it was told of, more data must not wake us, but a reset must.
  const bool reading = !ended_ && (unread_.empty() || ignored_ < 2);
  descriptor_.wait(reading ? Readiness::readable : Readiness::broken);
}

void Stream::flush() {
  while (head_ < queue_.size() && !descriptor_.waiting(Readiness::writable)) {
    constexpr std::size_t kPieces = 64;
    iovec pieces[kPieces];
    const std::size_t count = std::min(kPieces, queue_.size() - head_);
    std::size_t asked = 0;
    for (std::size_t i = 0; i < count; ++i) {
      const Bytes& bytes = queue_[head_ + i];
      pieces[i] = {const_cast<std::uint8_t*>(bytes.data()), bytes.size()};
      asked += bytes.size();
    }
    msghdr message{};
    message.msg_iov = pieces;
    message.msg_iovlen = count;
    const ssize_t sent = ::sendmsg(descriptor_.fd(), &message, MSG_NOSIGNAL);
    if (sent < 0 && errno == EINTR) continue;
    if (sent < 0 && errno != EAGAIN) return fail(errno, "write to");
    if (sent > 0) drop_sent(static_cast<std::size_t>(sent));
    if (sent < static_cast<ssize_t>(asked)) descriptor_.wait(Readiness::writable);
  }
  if (finishing_ && !finished_ && queue_.empty()) {
    ::shutdown(descriptor_.fd(), SHUT_WR);
    finished_ = true;
  }
}

// Keeps a short queue's memory for the next turn, a long one's not.
void Stream::drop_sent(std::size_t count) {
  queued_ -= count;
  while (head_ < queue_.size() && count >= queue_[head_].size()) {
    count -= queue_[head_].size();
    queue_[head_++] = {};
  }
  if (head_ < queue_.size()) {
    queue_[head_] = queue_[head_].slice(count);
    if (head_ < 1024 || head_ < queue_.size() / 2) return;
    queue_.erase(queue_.begin(), queue_.begin() + head_);
  } else if (queue_.capacity() <= 16) {
    queue_.clear();
  } else {
    queue_ = {};
  }
  head_ = 0;
}

bool Stream::take_rise() {
  if (queued_ > kLowWater) return false;
  return std::exchange(starved_, false) && !finishing_;
}

void Stream::fail(int error_number, const char* verb) {
  descriptor_.close();
  queue_ = {};
  head_ = 0;
  queued_ = 0;
  state_ = State::closed;
  error_ = error_number;
  verb_ = verb;
  notify(kClosed);
}

void Stream::notify(Notice notice) {
  notices_ |= notice;
  loop_.later(notice_);
}

// One callback in a turn of its own; on_closed last.
void Stream::run_notice() {
  if (state_ == State::closed) {
    if (std::exchange(notices_, 0) == 0) return;
    Loop::Turn turn(loop_);
    return events_->on_closed(error_of(error_, verb_, verb_ == kConnectFrom ? local_ : remote_));
  }
  const std::uint8_t first = notices_ & -notices_;
  notices_ ^= first;
  if (notices_ != 0) loop_.later(notice_);
  Loop::Turn turn(loop_);
  if (first == kWritable) {
    events_->on_writable();
  } else if (first == kReadable && (!unread_.empty() || ended_)) {
    events_->on_readable();
  }
}

}  // namespace mesocosm::asio
