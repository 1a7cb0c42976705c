#include "stack/protocols/pubsub/frame_links.h"

#include <algorithm>
#include <deque>
#include <utility>
#include <vector>

#include "stack/wire/framing.h"

namespace mesocosm {

// What we write to a peer.
class FrameLinks::Link final : public Stream::Events {
 public:
  Link(FrameLinks& owner, const PeerId& to) : owner_(owner), peer(to) {}

  void on_readable() override {  // nobody should write to us here
    while (!stream->read(SIZE_MAX).empty()) {
    }
  }
  void on_writable() override { owner_.flush(peer, *this); }
  void on_closed(Error) override { stream.reset(); }  // opened again for the next frame

 private:
  FrameLinks& owner_;

 public:
  PeerId peer;
  std::unique_ptr<Stream> stream;
  std::deque<Bytes> waiting;
  bool dialed = false;  // for a frame that was to be sent
  bool used = false;    // since idle ones were closed
};

// What a peer writes to us.
class FrameLinks::Inbound final : public Stream::Events {
 public:
  Inbound(FrameLinks& owner, const PeerId& peer, std::unique_ptr<Stream> stream)
      : owner_(owner), peer_(peer), stream_(std::move(stream)), reader_(owner.max_frame_) {
    stream_->set_events(*this);
  }

  void on_readable() override {
    for (Bytes input = stream_->read(SIZE_MAX); !input.empty(); input = stream_->read(SIZE_MAX)) {
      while (!input.empty()) {
        auto frame = reader_.next(input);
        if (frame && !*frame) break;
        if (!frame || !owner_.take(peer_, **frame)) {
          stream_->reset();
          return gone();
        }
      }
    }
    if (!stream_->ended()) return;
    stream_->finish();
    gone();
  }
  void on_writable() override {}
  void on_closed(Error) override { gone(); }

 private:
  void gone() { owner_.inbound_.erase(PeerId(peer_)); }  // destroys this

  FrameLinks& owner_;
  PeerId peer_;
  std::unique_ptr<Stream> stream_;
  LengthPrefixReader reader_;
};

FrameLinks::FrameLinks(Swarm& swarm, ProtocolId protocol, std::size_t max_frame, Events& events)
    : swarm_(swarm), protocol_(protocol), max_frame_(max_frame), events_(events) {
  swarm_.handle(protocol_, *this);
  swarm_.observe(*this);
}

FrameLinks::~FrameLinks() {
  swarm_.unobserve(*this);
  swarm_.unhandle(protocol_);
}

void FrameLinks::send(const PeerId& to, const Bytes& message) {
  auto& link = links_[to];
  if (link == nullptr) link = std::make_unique<Link>(*this, to);
  if (link->waiting.size() >= kMaxWaiting) link->waiting.pop_front();
  link->waiting.push_back(length_prefixed(message));
  link->used = true;
  if (swarm_.connected(to)) return flush(to, *link);
  link->dialed = true;
  swarm_.dial(to);
}

void FrameLinks::flush(const PeerId& peer, Link& link) {
  if (link.stream == nullptr) link.stream = swarm_.open(peer, {&protocol_, 1}, link);
  while (link.stream != nullptr && !link.waiting.empty() && link.stream->writable() > 0) {
    link.stream->write(std::move(link.waiting.front()));
    link.waiting.pop_front();
  }
}

Result<> FrameLinks::take(const PeerId& from, const Bytes& frame) {
  if (const auto link = links_.find(from); link != links_.end()) link->second->used = true;
  return events_.on_frame(from, frame);
}

void FrameLinks::close_idle(std::span<const PeerId> keep) {
  std::vector<PeerId> idle;
  for (auto& [peer, link] : links_) {
    const bool used = std::exchange(link->used, false);
    if (!link->dialed || used || !link->waiting.empty()) continue;
    if (std::find(keep.begin(), keep.end(), peer) == keep.end()) idle.push_back(peer);
  }
  for (const PeerId& peer : idle) swarm_.disconnect(peer);
}

void FrameLinks::on_peer_connected(const PeerId& peer) {
  if (const auto link = links_.find(peer); link != links_.end()) flush(peer, *link->second);
  on_peer_protocols(peer);
}

void FrameLinks::on_peer_protocols(const PeerId& peer) {
  Connection* connection = swarm_.connection(peer);
  if (connection == nullptr || !swarm_.peers().speaks(peer, protocol_)) return;
  const auto link = links_.find(peer);
  const bool ours = link != links_.end() && link->second->dialed;
  events_.on_linked(peer, !ours && connection->info().direction == Direction::outbound);
}

void FrameLinks::on_connection_closed(const Connection& connection, const Error& error) {
  const PeerId peer = connection.info().peer;
  if (!swarm_.connected(peer)) lose(peer, !error.ok());
}

void FrameLinks::on_dial_failed(const PeerId& peer, const Error&) {
  const PeerId lost = peer;
  if (!swarm_.connected(lost)) lose(lost, true);
}

void FrameLinks::lose(const PeerId& peer, bool failed) {
  links_.erase(peer);
  inbound_.erase(peer);
  events_.on_lost(peer, failed);
}

void FrameLinks::on_stream(std::unique_ptr<Stream> stream) {
  const PeerId peer = stream->connection().info().peer;
  inbound_[peer] = std::make_unique<Inbound>(*this, peer, std::move(stream));
}

}  // namespace mesocosm
