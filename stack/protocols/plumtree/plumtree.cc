#include "stack/protocols/plumtree/plumtree.h"

namespace mesocosm {
namespace {

constexpr std::size_t kAroundMessage = 1 << 20;  // announcements, entries with their addresses

}  // namespace

Plumtree::Plumtree(Env& env, Swarm& swarm, const HyParViewParams& membership, const PlumtreeParams& params)
    : env_(env),
      swarm_(swarm),
      topics_(env),
      plumtree_(params, swarm.local_peer(), static_cast<std::uint64_t>(env.clock.unix_nanoseconds()), *this),
      hyparview_(membership, swarm.local_peer(), env.rng.fork("hyparview"), *this),
      links_(swarm, "/mesocosm/plumtree/1.0.0", params.limits.max_message + kAroundMessage, *this) {
  const auto period = static_cast<std::uint64_t>(membership.period.count());
  env_.clock.arm_after(period_,
                       Duration(static_cast<std::int64_t>(env.rng.fork("hyparview period").below(period))));
}

Result<MessageId> Plumtree::publish(std::string_view topic, ByteView data) {
  auto id = plumtree_.publish(topic, data, env_.clock.now());
  if (id) topics_.published(*id, topic, data.size());
  return id;
}

Result<> Plumtree::on_frame(const PeerId& from, const Bytes& encoded) {
  const auto frame = decode_plumtree_frame(encoded);
  if (!frame) return tl::unexpected(frame.error());
  if (frame->kind == PlumtreeFrame::Kind::membership) return on_membership(from, frame->message);
  const auto message = decode_plumtree(frame->message);
  if (!message) return tl::unexpected(message.error());
  hyparview_.on_neighbor_traffic(from);
  auto done = plumtree_.on_message(from, *message, env_.clock.now());
  arm();
  return done;
}

Result<> Plumtree::on_membership(const PeerId& from, const Bytes& encoded) {
  const auto decoded = decode_hyparview(encoded);
  if (!decoded) return tl::unexpected(decoded.error());
  for (const PeerEntry& entry : decoded->told) {
    if (entry.peer != swarm_.local_peer()) swarm_.peers().add_addresses(entry.peer, entry.addresses);
  }
  return hyparview_.on_message(from, decoded->message);
}

void Plumtree::on_linked(const PeerId& peer, bool contact) {
  if (contact && hyparview_.active().size() < hyparview_.params().active) hyparview_.join(peer);
}

// Who said goodbye to somebody who is no neighbor may well be asked later.
void Plumtree::on_lost(const PeerId& peer, bool failed) {
  if (failed || hyparview_.is_active(peer)) hyparview_.on_failure(peer);
}

std::vector<Multiaddr> Plumtree::addresses(const PeerId& peer) const {
  return peer == swarm_.local_peer() ? swarm_.listen_addresses() : swarm_.peers().addresses(peer);
}

void Plumtree::send(const PeerId& to, const HyParViewMessage& message) {
  links_.send(to, encode_plumtree_frame(PlumtreeFrame::Kind::membership,
                                        [&](ProtoWriter& out) { write_hyparview(out, message, *this); }));
}

void Plumtree::send(const PeerId& to, const PlumtreeMessage& message) {
  if (message.kind == PlumtreeMessage::Kind::ihave) {
    env_.trace.record(
        {.kind = TraceKind::ihave_sent, .peer = to.hash(), .value = message.announcements.size()});
  }
  links_.send(to, encode_plumtree_frame(PlumtreeFrame::Kind::tree,
                                        [&](ProtoWriter& out) { write_plumtree(out, message); }));
}

void Plumtree::neighbor_up(const PeerId& peer) { plumtree_.neighbor_up(peer); }

void Plumtree::neighbor_down(const PeerId& peer) { plumtree_.neighbor_down(peer); }

void Plumtree::on_period() {
  env_.clock.arm_after(period_, hyparview_.params().period);
  hyparview_.on_period();
  links_.close_idle(hyparview_.active());
}

void Plumtree::on_timer() {
  plumtree_.on_timer(env_.clock.now());
  arm();
}

void Plumtree::arm() {
  const Time next = plumtree_.next_timer();
  if (next == kNever) return env_.clock.disarm(timer_);
  if (!timer_.armed() || timer_.deadline() != next) env_.clock.arm(timer_, next);
}

}  // namespace mesocosm
