#include "stack/asio/descriptor.h"

#include <new>

#include <sys/socket.h>
#include <unistd.h>

#include "stack/base/assert.h"

namespace mesocosm::asio {

// One wait, with the memory that Asio needs for it, so that waiting again allocates nothing. Asio may hold it
// longer than the descriptor lives: whoever lets go last frees it.
class Descriptor::Wait {
 public:
  explicit Wait(Owner& owner) : owner_(&owner) {}

  void hold() { ++holders_; }
  void release() {
    if (--holders_ == 0) delete this;
  }
  void abandon() {
    owner_ = nullptr;
    release();
  }

  Owner* owner() const { return owner_; }
  bool waiting = false;

  void* allocate(std::size_t size) {
    MC_ASSERT(size <= sizeof(memory_) && !taken_);
    taken_ = true;
    return memory_;
  }
  void deallocate() { taken_ = false; }

 private:
  Owner* owner_;
  std::uint32_t holders_ = 1;
  bool taken_ = false;
  alignas(std::max_align_t) std::byte memory_[112];
};

// An allocator over a Wait's memory.
template <class T>
struct Descriptor::WaitMemory {
  using value_type = T;
  explicit WaitMemory(Wait& w) : wait(&w) {}
  template <class U>
  WaitMemory(const WaitMemory<U>& other) : wait(other.wait) {}  // NOLINT: allocators convert
  T* allocate(std::size_t n) { return static_cast<T*>(wait->allocate(n * sizeof(T))); }
  void deallocate(T*, std::size_t) { wait->deallocate(); }
  template <class U>
  bool operator==(const WaitMemory<U>& other) const {
    return wait == other.wait;
  }

  Wait* wait;
};

// What Asio calls. Asio copies handlers.
class Descriptor::Handler {
 public:
  using allocator_type = WaitMemory<void>;

  Handler(Wait& wait, Readiness readiness) : wait_(&wait), readiness_(readiness) { wait_->hold(); }
  Handler(const Handler& other) : Handler(*other.wait_, other.readiness_) {}
  Handler& operator=(const Handler&) = delete;
  ~Handler() { wait_->release(); }

  allocator_type get_allocator() const { return allocator_type(*wait_); }

  void operator()(const boost::system::error_code&) {
    wait_->waiting = false;
    if (Owner* const owner = wait_->owner()) owner->on_ready(readiness_);
  }

 private:
  Wait* wait_;
  Readiness readiness_;
};

int Descriptor::open(int fd) {
  boost::system::error_code error;
  socket_.assign(fd, error);
  if (error) ::close(fd);
  return error.value();
}

int Descriptor::forget_writable() { return open(socket_.release()); }

void Descriptor::close() noexcept {
  for (Wait*& wait : waits_) {
    if (wait != nullptr) std::exchange(wait, nullptr)->abandon();
  }
  boost::system::error_code ignored;
  socket_.close(ignored);
}

void Descriptor::abort() noexcept {
  if (is_open()) {
    const linger now{1, 0};
    ::setsockopt(fd(), SOL_SOCKET, SO_LINGER, &now, sizeof now);
  }
  close();
}

void Descriptor::wait(Readiness readiness) {
  Wait*& wait = waits_[static_cast<int>(readiness)];
  if (wait == nullptr) wait = new Wait(owner_);
  if (wait->waiting) return;
  wait->waiting = true;
  static constexpr Socket::wait_type kTypes[] = {Socket::wait_read, Socket::wait_write, Socket::wait_error};
  socket_.async_wait(kTypes[static_cast<int>(readiness)], Handler(*wait, readiness));
}

bool Descriptor::waiting(Readiness readiness) const {
  const Wait* const wait = waits_[static_cast<int>(readiness)];
  return wait != nullptr && wait->waiting;
}

}  // namespace mesocosm::asio
