// The network that a node sees: byte streams (TCP-shaped), datagrams (UDP-shaped), listening and names.
//
// Promises of every environment, held by tests/conformance:
//  - No re-entrancy: no callback arrives inside a call into the environment. Callbacks come in turns of their
//  own.
//  - What is written in a turn leaves at its end, gathered.
//  - Destroying an object cancels it: no callback of it arrives afterwards. An object may be destroyed inside
//  its
//    own callbacks.
//  - After on_closed no other callback arrives.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "stack/base/bytes.h"
#include "stack/base/ip.h"
#include "stack/base/result.h"

namespace mesocosm {

class ByteStream {
 public:
  class Events {
   public:
    // Level-triggered: something can be read, or the end of the stream was reached (ended() is true). Called
    // again in a later turn while something unread is left and more arrives; a reader should read to empty.
    virtual void on_readable() = 0;
    // The first one means connected (for streams from connect()). Later: writable() rose from zero.
    virtual void on_writable() = 0;
    // Once, last. ErrorCode::none after both directions ended cleanly, else why.
    virtual void on_closed(Error error) = 0;

   protected:
    ~Events() = default;
  };

  virtual ~ByteStream() = default;  // aborts what was not finished (RST)
  virtual void set_events(Events& events) = 0;

  // The next slice of at most `max` bytes; empty: nothing now. Flow control: what is not read is not
  // acknowledged beyond the receive buffer.
  virtual Bytes read(std::size_t max) = 0;
  virtual bool ended() const = 0;  // the peer finished and everything was read
  // How much the stream would like to be given now. write() always takes the whole slice; whoever respects
  // back-pressure begins no new message while this is zero, and waits for on_writable.
  virtual std::size_t writable() const = 0;
  virtual void write(Bytes bytes) = 0;
  virtual void finish() = 0;  // half-close: the peer's reads end after what was written

  virtual Endpoint local() const = 0;
  virtual Endpoint remote() const = 0;
};

class Listener {
 public:
  class Events {
   public:
    // The stream is connected; call set_events() in this turn.
    virtual void on_accept(std::unique_ptr<ByteStream> stream) = 0;
    // Somebody is there and cannot be let in for want of descriptors or memory; told again while that lasts, and the
    // listener goes on. Error: limit.
    virtual void on_accept_failed(const Error& error) { static_cast<void>(error); }

   protected:
    ~Events() = default;
  };
  virtual ~Listener() = default;       // stops listening; accepted streams live on
  virtual Endpoint local() const = 0;  // with the port that was chosen
};

class Datagrams {
 public:
  class Events {
   public:
    virtual void on_datagram(const Endpoint& from, Bytes payload) = 0;

   protected:
    ~Events() = default;
  };
  virtual ~Datagrams() = default;
  virtual void send(const Endpoint& to, Bytes payload) = 0;  // may be lost; over 65,507 bytes: is lost
  virtual Endpoint local() const = 0;
};

class Resolution {
 public:
  class Events {
   public:
    virtual void on_resolved(std::vector<IpAddress> addresses) = 0;  // never empty
    virtual void on_text(std::vector<std::string> records) = 0;      // never empty
    virtual void on_failed(Error error) = 0;

   protected:
    ~Events() = default;
  };
  virtual ~Resolution() = default;
};

enum class RecordType : std::uint8_t { address, address_v4, address_v6, text };

class Network {
 public:
  virtual ~Network() = default;

  // Begins to connect and returns at once; on_writable or on_closed follows. `from` with port 0: any port.
  virtual std::unique_ptr<ByteStream> connect(const Endpoint& to, ByteStream::Events& events,
                                              const Endpoint& from = {}) = 0;
  // Port 0: any free port. Errors: address_in_use, unsupported, io.
  virtual Result<std::unique_ptr<Listener>> listen(const Endpoint& at, Listener::Events& events) = 0;
  virtual Result<std::unique_ptr<Datagrams>> bind(const Endpoint& at, Datagrams::Events& events) = 0;
  virtual std::unique_ptr<Resolution> resolve(std::string_view name, RecordType type,
                                              Resolution::Events& events) = 0;
  // The addresses that a node may tell others when it listens on the unspecified address.
  virtual std::vector<IpAddress> local_addresses() const = 0;
};

}  // namespace mesocosm
