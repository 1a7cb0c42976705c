#include "attacks/gossip/adversary.h"

#include <algorithm>
#include <array>
#include <utility>

#include "stack/base/byte_writer.h"
#include "stack/wire/framing.h"

namespace mesocosm::attacks {
namespace {

constexpr std::array<ProtocolId, 2> kProtocols = {"/meshsub/1.1.0", "/meshsub/1.0.0"};  // the best first

}  // namespace

// The stream that a peer opened to us.
class Adversary::Inbound final : public Stream::Events {
 public:
  Inbound(Adversary& owner, PeerIndex peer, std::unique_ptr<Stream> stream)
      : owner_(owner), stream_(std::move(stream)), reader_(kMaxRpc), peer_(peer) {
    stream_->set_events(*this);
  }

  void on_readable() override;
  void on_writable() override {}
  void on_closed(Error) override { gone(); }

 private:
  void gone();  // ends this object

  Adversary& owner_;
  std::unique_ptr<Stream> stream_;
  LengthPrefixReader reader_;
  PeerIndex peer_;
};

// A peer, with the stream that we opened to it.
class Adversary::Link final : public Stream::Events {
 public:
  Link(Adversary& owner, PeerIndex index) : owner_(owner), peer(index) {}

  void on_readable() override {  // nobody should write to us here
    while (!stream->read(SIZE_MAX).empty()) {
    }
    if (stream->ended()) owner_.drop(peer);
  }
  void on_writable() override {
    for (Bytes& frame : std::exchange(waiting, {})) stream->write(std::move(frame));
  }
  void on_closed(Error) override { owner_.drop(peer); }

  void write(Bytes frame) {
    if (stream->writable() > 0) return stream->write(std::move(frame));
    if (waiting.size() < kMaxWaiting) waiting.push_back(std::move(frame));
  }

 private:
  Adversary& owner_;

 public:
  PeerIndex peer;
  std::unique_ptr<Stream> stream;
  std::unique_ptr<Inbound> inbound;
  std::vector<Bytes> waiting;  // frames for a stream that takes no more
};

void Adversary::Inbound::gone() { owner_.links_[peer_]->inbound.reset(); }

void Adversary::Inbound::on_readable() {
  for (Bytes input = stream_->read(SIZE_MAX); !input.empty(); input = stream_->read(SIZE_MAX)) {
    while (!input.empty()) {
      const Bytes before = input;
      const bool from_start = reader_.idle();
      const auto message = reader_.next(input);
      if (message && !*message) break;
      bool understood = false;
      if (message) {
        const std::size_t used = before.size() - input.size();
        const bool whole = from_start && used > (*message)->size();  // then it is passed on as it came
        const std::size_t prefix = whole ? used - (*message)->size() : 0;
        understood = owner_.on_frame(peer_, whole ? before.slice(0, used) : **message, prefix);
      }
      if (understood) continue;
      stream_->reset();
      return gone();
    }
  }
  if (!stream_->ended()) return;
  stream_->finish();
  gone();
}

PubSubFactory recruit(std::shared_ptr<Mind> mind) {
  return [mind = std::move(mind)](Env& env, Swarm& swarm, const KeyPair& key) {
    return std::make_unique<Adversary>(env, swarm, key, mind);
  };
}

Adversary::Adversary(Env& env, Swarm& swarm, const KeyPair& key, std::shared_ptr<Mind> mind)
    : env_(env),
      swarm_(swarm),
      mind_(std::move(mind)),
      core_(swarm.local_peer(), *mind_, mind_->mischief(), env.rng.fork("adversary"), *this, &key) {
  for (const ProtocolId protocol : kProtocols) swarm_.handle(protocol, *this);
  swarm_.observe(*this);
  mind_->join(*this, swarm_.local_peer());
  on_phase();  // who is restarted may come into the middle of it
}

Adversary::~Adversary() {
  mind_->leave(*this);
  for (const ProtocolId protocol : kProtocols) swarm_.unhandle(protocol);
}

Result<> Adversary::subscribe(std::string_view) { return {}; }

void Adversary::unsubscribe(std::string_view) {}

Result<MessageId> Adversary::publish(std::string_view, ByteView) {
  return fail(ErrorCode::unsupported, "publish: an adversary has nothing of its own to say");
}

// --- peers

// Links up with a connected peer that is known to speak one of our protocols.
void Adversary::consider(const PeerId& peer) {
  if (mind_->phase() == Phase::over) return swarm_.disconnect(peer);
  if (core_.find_peer(peer) != kNoPeer || !swarm_.connected(peer)) return;
  for (const ProtocolId& protocol : kProtocols) {
    if (!swarm_.peers().speaks(peer, protocol)) continue;
    link_up(peer, protocol);
    return;
  }
}

PeerIndex Adversary::link_up(const PeerId& peer, ProtocolId protocol) {
  const auto* known = std::find(kProtocols.begin(), kProtocols.end(), protocol);
  if (known == kProtocols.end() || !swarm_.connected(peer)) return kNoPeer;
  const PeerIndex index = core_.on_peer_added(peer);
  if (links_.size() <= index) links_.resize(index + 1);
  links_[index] = std::make_unique<Link>(*this, index);
  links_[index]->stream = swarm_.open(peer, {known, 1}, *links_[index]);
  if (links_[index]->stream != nullptr) return index;
  drop(index);
  return kNoPeer;
}

void Adversary::on_stream(std::unique_ptr<Stream> stream) {
  const PeerId peer = stream->connection().info().peer;
  PeerIndex index = core_.find_peer(peer);
  if (index == kNoPeer && mind_->phase() != Phase::over) index = link_up(peer, stream->protocol());
  if (index == kNoPeer) return stream->reset();
  links_[index]->inbound = std::make_unique<Inbound>(*this, index, std::move(stream));
}

void Adversary::on_peer_disconnected(const PeerId& peer) {
  if (const PeerIndex index = core_.find_peer(peer); index != kNoPeer) drop(index);
}

void Adversary::drop(PeerIndex peer) {
  core_.on_peer_removed(peer);
  links_[peer].reset();
}

void Adversary::on_phase() {
  core_.on_phase(env_.clock.now());
  if (mind_->phase() == Phase::over) {
    for (const PeerId& peer : swarm_.connected_peers()) swarm_.disconnect(peer);
  }
  arm();
}

// --- bytes

bool Adversary::on_frame(PeerIndex from, const Bytes& frame, std::size_t prefix) {
  if (!decode_frame(frame, prefix, parts_)) return false;
  core_.on_rpc(from, parts_, env_.clock.now());
  parts_.clear();  // lets go of the buffer
  if (parts_.capacity() > 16) std::vector<RpcPart>().swap(parts_);
  arm();
  return true;
}

void Adversary::send(PeerIndex to, std::vector<RpcPart> parts) {
  for (Rpc rest = parts; !rest.empty();) links_[to]->write(encode_control_frame(rest, kMaxControlRpc));
}

void Adversary::send_message(std::span<const PeerIndex> to, const RpcPart& message) {
  Bytes frame = message.bytes;
  if (message.header == 0) {
    const Bytes header = message_header(frame.size());
    ByteWriter out(header.size() + frame.size());
    out.put(header.view());
    out.put(frame.view());
    frame = out.take();
  }
  for (PeerIndex peer : to) links_[peer]->write(frame);
}

void Adversary::on_deadline() {
  core_.on_deadline(env_.clock.now());
  arm();
}

void Adversary::arm() {
  const Time next = core_.deadline();
  if (next == Time::max()) {
    env_.clock.disarm(timer_);
  } else if (!timer_.armed() || timer_.deadline() != next) {
    env_.clock.arm(timer_, std::max(next, env_.clock.now()));
  }
}

}  // namespace mesocosm::attacks
