// An open socket and the waits for its readiness.
#pragma once

#include <cstddef>
#include <utility>

#include <boost/asio/posix/basic_stream_descriptor.hpp>

#include "stack/asio/loop.h"

namespace mesocosm::asio {

enum class Readiness : std::uint8_t {
  readable,
  writable,
  broken,  // an error, or both directions ended
};

// Owns a file descriptor. Each wait is told once, outside any turn, to the owner, who may destroy the
// Descriptor in that call. Closing cancels.
class Descriptor {
 public:
  class Owner {
   public:
    virtual void on_ready(Readiness readiness) = 0;

   protected:
    ~Owner() = default;
  };

  Descriptor(Loop& loop, Owner& owner) : socket_(loop.context().get_executor()), owner_(owner) {}
  ~Descriptor() { close(); }
  Descriptor(const Descriptor&) = delete;
  Descriptor& operator=(const Descriptor&) = delete;

  // Takes over a non-blocking socket; 0, or the error number of the event queue (which is then full).
  int open(int fd);
  // Forgets that it ever waited to be writable: the event queue would go on telling of that at every other
  // wait. Only while nothing is waited for. Returns as open() does.
  int forget_writable();
  bool is_open() const { return socket_.is_open(); }
  int fd() const { return const_cast<Socket&>(socket_).native_handle(); }
  void close() noexcept;
  // Closes so that the peer sees a reset, and what was not sent is dropped.
  void abort() noexcept;

  void wait(Readiness readiness);  // nothing if it is waited for already
  bool waiting(Readiness readiness) const;

 private:
  using Socket = boost::asio::posix::basic_stream_descriptor<Executor>;
  class Wait;
  class Handler;
  template <class T>
  struct WaitMemory;

  Socket socket_;
  Owner& owner_;
  Wait* waits_[3] = {nullptr, nullptr, nullptr};
};

}  // namespace mesocosm::asio
