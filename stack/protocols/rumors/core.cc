#include "stack/protocols/rumors/core.h"

#include <algorithm>
#include <utility>

namespace mesocosm {
namespace {

constexpr std::size_t kMaxBatch = 1 << 20;  // bytes of payload in a message, beyond its first rumor

}  // namespace

Result<> RumorsParams::validate() const {
  if (k < 1 || k > 1'000'000) return fail(ErrorCode::unsupported, "k must be from 1 to 1000000");
  if (period < 1ms) return fail(ErrorCode::unsupported, "period must be at least 1 ms");
  if (max_hot < 1) return fail(ErrorCode::unsupported, "max_hot must be at least 1");
  return {};
}

RumorsCore::RumorsCore(const RumorsParams& params, const PeerId& self, std::uint64_t first_number, Rng rng,
                       RumorsActions& actions)
    : params_(params),
      self_(self),
      next_number_(first_number),
      rng_(rng),
      actions_(actions),
      recent_(params.limits) {}

Result<MessageId> RumorsCore::publish(std::string_view topic, ByteView data, Time now) {
  if (data.size() > params_.limits.max_message) return fail(ErrorCode::too_large, "publish: the message");
  if (topic.size() > Broadcast::kMaxTopic) return fail(ErrorCode::too_large, "publish: the topic's name");
  const MessageId id = broadcast_id(self_, next_number_++);
  recent_.add(id, {cycle_}, now);
  if (hot_.size() >= params_.max_hot) hot_.erase(hot_.begin());
  hot_.push_back({.message = {id, Bytes::copy(topic), Bytes::copy(data)}});
  return id;
}

// Whether a site stops spreading the rumor, at the end of a cycle.
bool RumorsCore::loses_interest(Hot& rumor) {
  const bool told = std::exchange(rumor.told, false);
  const bool needed = std::exchange(rumor.needed, false);
  if (!told) return false;
  if (params_.feedback && needed) {
    rumor.disappointments = 0;
    return false;
  }
  if (!params_.counter) return rng_.below(params_.k) == 0;
  return ++rumor.disappointments >= params_.k;
}

void RumorsCore::on_cycle(const PeerId& partner, Time now) {
  std::erase_if(hot_, [this](Hot& rumor) { return loses_interest(rumor); });
  for (Broadcast& message : fresh_) hot_.push_back({.message = std::move(message)});
  fresh_.clear();
  if (hot_.size() > params_.max_hot) {
    hot_.erase(hot_.begin(), hot_.end() - static_cast<std::ptrdiff_t>(params_.max_hot));
  }
  ++cycle_;
  recent_.expire(now);
  if (partner.empty()) return;
  RumorsMessage call;
  call.pull = params_.mode != RumorMode::push;
  tell(partner, std::move(call), params_.mode != RumorMode::pull);
}

Result<> RumorsCore::on_message(const PeerId& from, const RumorsMessage& message, Time now) {
  RumorsMessage answer;
  for (const Broadcast& rumor : message.rumors) {
    if (rumor.data.size() > params_.limits.max_message) return fail(ErrorCode::too_large, "a rumor");
    const bool needed = hear(from, rumor, now);
    if (params_.feedback) answer.feedback.push_back({rumor.id, needed});
  }
  take(message.feedback);
  tell(from, std::move(answer), message.pull);
  return {};
}

// Whether it was news in this cycle.
bool RumorsCore::hear(const PeerId& from, const Broadcast& rumor, Time now) {
  if (const Known* known = recent_.find(rumor.id)) {
    actions_.duplicate(rumor, from);
    return known->cycle == cycle_;
  }
  recent_.add(rumor.id, {cycle_}, now);
  if (fresh_.size() < params_.max_hot)
    fresh_.push_back({rumor.id, rumor.topic.compact(), rumor.data.compact()});
  actions_.deliver(rumor, from);
  return true;
}

// Sends a message, with our hot rumors in it if they are wanted, in as many pieces as need be; nothing if it is empty.
void RumorsCore::tell(const PeerId& to, RumorsMessage message, bool with_rumors) {
  std::size_t size = 0;
  for (Hot& rumor : hot_) {
    if (!with_rumors) break;
    if (!params_.feedback) rumor.told = true;
    if (!message.rumors.empty() && size + rumor.message.data.size() > kMaxBatch) {
      actions_.send(to, std::exchange(message, {}));
      size = 0;
    }
    size += rumor.message.data.size();
    message.rumors.push_back(rumor.message);
    ++rumors_sent_;
  }
  if (message.pull || !message.rumors.empty() || !message.feedback.empty()) actions_.send(to, message);
}

void RumorsCore::take(std::span<const RumorFeedback> feedback) {
  for (const RumorFeedback& told : feedback) {
    const auto rumor =
        std::find_if(hot_.begin(), hot_.end(), [&](const Hot& hot) { return hot.message.id == told.id; });
    if (rumor == hot_.end()) continue;
    rumor->told = true;
    rumor->needed = rumor->needed || told.needed;
  }
}

}  // namespace mesocosm
