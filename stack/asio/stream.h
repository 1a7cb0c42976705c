// A TCP connection.
#pragma once

#include <cstdint>
#include <memory>
#include <vector>

#include "stack/asio/descriptor.h"
#include "stack/env/network.h"

namespace mesocosm::asio {

//                 on_writable                 ended_ and finished_
//   connecting ---------------> open -----------------------------> closed ---> on_closed
//       |                         |                                   ^
//       '-------------------------'----------- an error --------------'
//
// Reading: a readable socket is received from once into unread_, then on_readable; the next wait begins when
// the reader has emptied unread_ (or at least read some of it). Writing: slices queue up; settle(), at the
// end of the turn, gives them to the kernel in one gathered call, and waits for room only if it did not take
// all.
class Stream final : public ByteStream, private Descriptor::Owner {
 public:
  static std::unique_ptr<Stream> connect(Loop& loop, const Endpoint& to, const Endpoint& from,
                                         Events& events);
  static std::unique_ptr<Stream> adopt(Loop& loop, int fd);  // connected; null if it cannot be watched

  ~Stream() override;
  void set_events(Events& events) override;
  Bytes read(std::size_t max) override;
  bool ended() const override { return ended_; }
  std::size_t writable() const override;
  void write(Bytes bytes) override;
  void finish() override;
  Endpoint local() const override { return local_; }
  Endpoint remote() const override { return remote_; }

 private:
  enum class State : std::uint8_t {
    connecting,  // the kernel has not said yet
    open,        // connected; each direction may have ended
    closed,      // the socket is gone; on_closed follows, or was
  };
  enum Notice : std::uint8_t { kReadable = 1, kWritable = 2, kClosed = 4 };

  // How much waits in this process when writable() falls to 0, and how little when it rises again.
  static constexpr std::size_t kHighWater = 256 * 1024;
  static constexpr std::size_t kLowWater = kHighWater / 2;

  Stream(Loop& loop, const Endpoint& local, const Endpoint& remote);
  void start_connecting(const Endpoint& from);
  void on_ready(Readiness readiness) override;
  void finish_connecting();
  void receive();
  void settle();
  void flush();
  void drop_sent(std::size_t count);
  bool take_rise();
  void fail(int error_number, const char* verb);
  void notify(Notice notice);
  void run_notice();

  Loop& loop_;
  Events* events_ = nullptr;
  Descriptor descriptor_;
  Bytes unread_;
  std::vector<Bytes> queue_;  // to be sent, from head_ on
  std::size_t queued_ = 0;    // bytes in queue_
  std::uint32_t head_ = 0;
  int error_ = 0;               // the error number that closed it
  const char* verb_ = "close";  // what failed
  Endpoint local_;
  Endpoint remote_;
  State state_ = State::connecting;
  std::uint8_t notices_ = 0;
  std::uint8_t ignored_ = 0;  // calls of on_readable since something was read
  bool ended_ = false;        // the peer's direction
  bool finishing_ = false;    // finish() was called
  bool finished_ = false;     // our direction: all sent, and its end
  bool starved_ = false;      // writable() is 0 until on_writable
  MemberTask<&Stream::settle> settle_{*this};
  MemberTask<&Stream::run_notice> notice_{*this};
};

// An idle stream has beside it the wait that it stands in (136 bytes) and Asio's state of its descriptor
// (168), and no buffers.
static_assert(sizeof(Stream) <= 288);

}  // namespace mesocosm::asio
