// The waist: a Transport makes Connections (authenticated and multiplexed, however they came to be so), a
// Connection opens Streams (with a protocol negotiated), protocols use them. The promises of
// stack/env/network.h hold here too: no callback inside a call, destruction cancels and is allowed inside the
// object's own callbacks, on_closed is last.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <string_view>
#include <vector>

#include "stack/base/bytes.h"
#include "stack/base/result.h"
#include "stack/wire/multiaddr.h"
#include "stack/wire/peer_id.h"

namespace mesocosm {

// A protocol's name such as "/ipfs/ping/1.0.0". Views must outlive the connection: literals, or names held by
// the ProtocolTable.
using ProtocolId = std::string_view;

enum class Direction : std::uint8_t { inbound, outbound };

class Connection;

// One protocol's two-way stream over a connection. Same shape as ByteStream, plus its protocol and reset.
class Stream {
 public:
  class Events {
   public:
    virtual void on_readable() = 0;           // level-triggered; also at the end (ended())
    virtual void on_writable() = 0;           // writable() rose from zero
    virtual void on_closed(Error error) = 0;  // once, last; none: both directions ended cleanly;
                                              // negotiation_failed: the peer speaks none of the protocols
   protected:
    ~Events() = default;
  };

  virtual ~Stream() = default;  // resets unless both directions have ended
  virtual void set_events(Events& events) = 0;

  virtual Bytes read(std::size_t max) = 0;
  virtual bool ended() const = 0;
  virtual std::size_t writable() const = 0;  // see ByteStream: write() takes everything, polite callers wait
  virtual void write(Bytes bytes) = 0;
  virtual void finish() = 0;
  virtual void reset(std::uint32_t code = 0) = 0;  // no callbacks afterwards

  virtual ProtocolId protocol() const = 0;  // empty while several are offered and none is chosen
  virtual Connection& connection() = 0;
};

// What a host speaks, asked by connections for each inbound stream.
class ProtocolTable {
 public:
  virtual ~ProtocolTable() = default;
  // The table's own view of the name if it is spoken, else empty.
  virtual ProtocolId find(std::string_view offered) const = 0;
};

struct ConnectionInfo {
  PeerId peer;
  Bytes peer_public_key;  // serialized PublicKey protobuf
  Multiaddr local;
  Multiaddr remote;
  Direction direction = Direction::outbound;
  bool early_muxer = false;   // the muxer was agreed on inside the security handshake
  std::string_view security;  // "/noise"
  std::string_view muxer;     // "/yamux/1.0.0"
};

class Connection {
 public:
  class Events {
   public:
    virtual void on_stream(std::unique_ptr<Stream> stream) = 0;  // inbound, negotiated; call set_events() now
    virtual void on_closed(Error error) = 0;  // once, last; open streams were closed before

   protected:
    ~Events() = default;
  };

  virtual ~Connection() = default;  // aborts
  virtual void set_events(Events& events) = 0;
  virtual const ConnectionInfo& info() const = 0;

  // Opens a stream offering protocols in order of preference. With `lazy` (one protocol that the peer is
  // known to speak) data may be written at once and rides with the negotiation; otherwise writes wait for its
  // end.
  virtual std::unique_ptr<Stream> open(std::span<const ProtocolId> offers, bool lazy,
                                       Stream::Events& events) = 0;
  virtual std::size_t stream_count() const = 0;
  virtual void close(std::uint32_t code = 0) = 0;  // polite: says so to the peer; on_closed follows
};

class Dial {
 public:
  class Events {
   public:
    virtual void on_connected(std::unique_ptr<Connection> connection) = 0;
    virtual void on_failed(Error error) = 0;

   protected:
    ~Events() = default;
  };
  virtual ~Dial() = default;  // cancels
};

class Listening {
 public:
  class Events {
   public:
    virtual void on_connection(std::unique_ptr<Connection> connection) = 0;
    // Somebody connected and did not come to be a connection: `error` says why (a handshake that failed or
    // took too long, a limit of ours). `remote` is empty if the system did not say who it is.
    virtual void on_refused(const Multiaddr& remote, const Error& error) {
      static_cast<void>(remote), static_cast<void>(error);
    }

   protected:
    ~Events() = default;
  };
  virtual ~Listening() = default;
  virtual Multiaddr address() const = 0;  // with the port that was chosen
};

class Transport {
 public:
  virtual ~Transport() = default;
  virtual bool can_dial(const Multiaddr& address) const = 0;
  // Begins to connect to `address` and refuses anybody but `peer` (peer_mismatch) if it is not null.
  virtual std::unique_ptr<Dial> dial(const Multiaddr& address, const PeerId* peer, Dial::Events& events) = 0;
  virtual Result<std::unique_ptr<Listening>> listen(const Multiaddr& address, Listening::Events& events) = 0;
};

}  // namespace mesocosm
