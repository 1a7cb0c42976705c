// FrameLinks: a protocol's frames to and from peers, behind their lengths: a stream of ours to each peer that we write
// to, and one of theirs that is read. Connects to whom it is not connected to when something is to be sent there.
#pragma once

#include <cstddef>
#include <map>
#include <memory>
#include <span>

#include "stack/swarm/swarm.h"

namespace mesocosm {

class FrameLinks final : public SwarmObserver, public ProtocolHandler {
 public:
  class Events {
   public:
    // An error resets the stream that it came on.
    virtual Result<> on_frame(const PeerId& from, const Bytes& frame) = 0;
    // It is connected and speaks the protocol; perhaps told again. `contact`: the host dialed it, and not for a frame.
    virtual void on_linked(const PeerId& peer, bool contact) = 0;
    // Its last connection ended, or none could be made. Not `failed`: one side said goodbye.
    virtual void on_lost(const PeerId& peer, bool failed) = 0;

   protected:
    ~Events() = default;
  };

  static constexpr std::size_t kMaxWaiting = 256;  // frames for one peer; then the oldest is dropped

  // Registers itself with the swarm; all outlive it. `protocol` is a literal.
  FrameLinks(Swarm& swarm, ProtocolId protocol, std::size_t max_frame, Events& events);
  ~FrameLinks();

  // Never calls back before it returns.
  void send(const PeerId& to, const Bytes& message);
  // Says goodbye to those who were dialed for a frame, and with whom none came or went since this was called before; not to
  // those in `keep`.
  void close_idle(std::span<const PeerId> keep);

  void on_peer_connected(const PeerId& peer) override;
  void on_peer_protocols(const PeerId& peer) override;
  void on_connection_closed(const Connection& connection, const Error& error) override;
  void on_dial_failed(const PeerId& peer, const Error& error) override;
  void on_stream(std::unique_ptr<Stream> stream) override;

 private:
  class Link;
  class Inbound;
  void flush(const PeerId& peer, Link& link);
  Result<> take(const PeerId& from, const Bytes& frame);
  void lose(const PeerId& peer, bool failed);

  Swarm& swarm_;
  ProtocolId protocol_;
  std::size_t max_frame_;
  Events& events_;
  std::map<PeerId, std::unique_ptr<Link>> links_;
  std::map<PeerId, std::unique_ptr<Inbound>> inbound_;
};

}  // namespace mesocosm
