#include "stack/protocols/rumors/rumors.h"

#include <algorithm>

namespace mesocosm {
namespace {

constexpr std::size_t kMaxFrame = 2 << 20;  // a message's rumors but the largest, and what is around them

}  // namespace

Rumors::Rumors(Env& env, Swarm& swarm, const RumorsParams& params)
    : env_(env),
      rng_(env.rng.fork("rumors")),
      topics_(env),
      core_(params, swarm.local_peer(), static_cast<std::uint64_t>(env.clock.unix_nanoseconds()),
            rng_.fork("core"), *this),
      links_(swarm, "/mesocosm/rumors/1.0.0", params.limits.max_message + kMaxFrame, *this) {
  env_.clock.arm_after(
      cycle_,
      Duration(static_cast<std::int64_t>(rng_.below(static_cast<std::uint64_t>(params.period.count())))));
}

Result<MessageId> Rumors::publish(std::string_view topic, ByteView data) {
  auto id = core_.publish(topic, data, env_.clock.now());
  if (id) topics_.published(*id, topic, data.size());
  return id;
}

Result<> Rumors::on_frame(const PeerId& from, const Bytes& frame) {
  const auto message = decode_rumors(frame);
  if (!message) return tl::unexpected(message.error());
  return core_.on_message(from, *message, env_.clock.now());
}

void Rumors::on_linked(const PeerId& peer, bool) {
  if (std::find(partners_.begin(), partners_.end(), peer) == partners_.end()) partners_.push_back(peer);
}

void Rumors::on_cycle() {
  env_.clock.arm_after(cycle_, core_.params().period);
  core_.on_cycle(partners_.empty() ? PeerId() : partners_[rng_.below(partners_.size())], env_.clock.now());
}

}  // namespace mesocosm
