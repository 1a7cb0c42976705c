#include "tests/interop/ours/subscription.h"

#include <algorithm>

#include "tests/interop/ours/pattern.h"

namespace mesocosm::interop {

Bytes make_message(std::uint64_t index, std::size_t size) {
  return Bytes::build(size, [&](MutableByteView out) {
    std::size_t at = 0;
    for (; at < kSmallestMessage; ++at) out[at] = static_cast<std::uint8_t>(index >> (56 - 8 * at));
    while (at < size) {
      const Bytes part = pattern(at - kSmallestMessage, size - at);
      std::copy(part.begin(), part.end(), out.begin() + static_cast<std::ptrdiff_t>(at));
      at += part.size();
    }
  });
}

void Subscription::on_message(const GossipSubDelivery& delivery) {
  last_ = std::chrono::steady_clock::now();
  if (count_++ == 0) first_ = last_;
  const ByteView data = delivery.message.payload();
  if (data.size() >= kSmallestMessage && is_pattern(data.subspan(kSmallestMessage), 0)) ++valid_;
  ++authors_[std::string(as_text(delivery.message.from))];
}

Json Subscription::summary() const {
  const auto seconds = [](auto duration) { return std::chrono::duration<double>(duration).count(); };
  Json froms = Json::object();
  for (const auto& [bytes, messages] : authors_) {
    const auto author = PeerId::decode(as_bytes(bytes));
    froms[author ? author->to_string() : "(nobody)"] = messages;
  }
  Json fields{{"count", count_}, {"valid", valid_}, {"froms", std::move(froms)}};
  fields["seconds"] = seconds(last_ - first_);
  fields["first"] = count_ > 0 ? Json(seconds(first_.time_since_epoch())) : Json();
  fields["last"] = count_ > 0 ? Json(seconds(last_.time_since_epoch())) : Json();
  return fields;
}

}  // namespace mesocosm::interop
