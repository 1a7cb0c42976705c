#include "stack/protocols/cyclon/cyclon.h"

namespace mesocosm {
namespace {

constexpr std::size_t kAroundMessage = 1 << 20;  // entries with their addresses

}  // namespace

Cyclon::Cyclon(Env& env, Swarm& swarm, const CyclonParams& params)
    : env_(env),
      swarm_(swarm),
      topics_(env),
      core_(params, swarm.local_peer(), env.rng.fork("cyclon"), *this),
      recent_(params.limits),
      next_number_(static_cast<std::uint64_t>(env.clock.unix_nanoseconds())),
      links_(swarm, "/mesocosm/cyclon/1.0.0", params.limits.max_message + kAroundMessage, *this) {
  const auto period = static_cast<std::uint64_t>(params.period.count());
  env_.clock.arm_after(period_,
                       Duration(static_cast<std::int64_t>(env.rng.fork("cyclon period").below(period))));
}

Result<MessageId> Cyclon::publish(std::string_view topic, ByteView data) {
  if (data.size() > core_.params().limits.max_message)
    return fail(ErrorCode::too_large, "publish: the message");
  if (topic.size() > Broadcast::kMaxTopic) return fail(ErrorCode::too_large, "publish: the topic's name");
  const Broadcast message{broadcast_id(swarm_.local_peer(), next_number_++), Bytes::copy(topic),
                          Bytes::copy(data)};
  recent_.expire(env_.clock.now());
  recent_.add(message.id, {}, env_.clock.now());
  topics_.published(message.id, topic, data.size());
  spread(message, {});
  return message.id;
}

Result<> Cyclon::on_frame(const PeerId& from, const Bytes& frame) {
  const auto decoded = decode_cyclon(frame);
  if (!decoded) return tl::unexpected(decoded.error());
  for (const PeerEntry& entry : decoded->told) {
    if (entry.peer != swarm_.local_peer()) swarm_.peers().add_addresses(entry.peer, entry.addresses);
  }
  const CyclonMessage& message = decoded->message;
  return message.kind == CyclonMessage::Kind::push ? on_push(from, *message.broadcast)
                                                   : core_.on_message(from, message);
}

Result<> Cyclon::on_push(const PeerId& from, const Broadcast& message) {
  if (message.data.size() > core_.params().limits.max_message) return fail(ErrorCode::too_large, "a message");
  recent_.expire(env_.clock.now());
  if (recent_.find(message.id) != nullptr) {
    topics_.duplicate(message, from);
    return {};
  }
  recent_.add(message.id, {}, env_.clock.now());
  topics_.delivered(message, from);
  spread(message, from);
  return {};
}

void Cyclon::spread(const Broadcast& message, const PeerId& but) {
  CyclonMessage push{.kind = CyclonMessage::Kind::push};
  push.broadcast = message;
  for (const PeerId& to : core_.sample(core_.params().push_fanout, but)) send(to, push);
}

void Cyclon::on_linked(const PeerId& peer, bool contact) {
  if (!contact) return;
  if (core_.view().empty()) {
    core_.join(peer);
  } else {
    core_.introduce(peer);
  }
}

void Cyclon::on_lost(const PeerId& peer, bool failed) {
  if (failed) core_.on_failure(peer);
}

std::vector<Multiaddr> Cyclon::addresses(const PeerId& peer) const {
  return peer == swarm_.local_peer() ? swarm_.listen_addresses() : swarm_.peers().addresses(peer);
}

void Cyclon::send(const PeerId& to, const CyclonMessage& message) { links_.send(to, encode(message, *this)); }

void Cyclon::on_period() {
  env_.clock.arm_after(period_, core_.params().period);
  core_.on_period();
  links_.close_idle({});
}

}  // namespace mesocosm
