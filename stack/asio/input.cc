// AsioInput: a pipe or a terminal is read when it has something; what the event queue does not watch, such as
// a file, always has.
#include <cerrno>

#include <fcntl.h>
#include <unistd.h>

#include "stack/asio/asio_env.h"
#include "stack/asio/descriptor.h"
#include "stack/asio/loop.h"

namespace mesocosm {

class AsioInput::Reader final : private asio::Descriptor::Owner {
 public:
  Reader(asio::Loop& loop, int fd, Events& events)
      : loop_(loop), events_(events), fd_(fd), flags_(::fcntl(fd, F_GETFL)), descriptor_(loop, *this) {
    const int watched = ::dup(fd);  // for the descriptor, which closes what it owns
    if (watched >= 0) static_cast<void>(descriptor_.open(watched));
    wait();
  }
  ~Reader() {
    if (flags_ != -1) ::fcntl(fd_, F_SETFL, flags_);  // watching made it non-blocking for everybody
  }

 private:
  void on_ready(asio::Readiness) override { receive(); }

  void wait() {
    if (descriptor_.is_open()) {
      descriptor_.wait(asio::Readiness::readable);
    } else {
      loop_.later(again_);
    }
  }

  void receive() {
    const MutableByteView scratch = loop_.scratch();
    const ssize_t size = ::read(fd_, scratch.data(), scratch.size());
    if (size < 0 && (errno == EAGAIN || errno == EINTR)) return wait();
    asio::Loop::Turn turn(loop_);
    if (size <= 0) return events_.on_input_end();
    wait();  // now, for the callback may destroy this
    events_.on_input(loop_.take(static_cast<std::size_t>(size)));
  }

  asio::Loop& loop_;
  Events& events_;
  int fd_;
  int flags_;
  asio::Descriptor descriptor_;
  MemberTask<&Reader::receive> again_{*this};
};

AsioInput::AsioInput(AsioLoop& loop, int fd, Events& events)
    : reader_(std::make_unique<Reader>(*loop.loop_, fd, events)) {}
AsioInput::~AsioInput() = default;

}  // namespace mesocosm
