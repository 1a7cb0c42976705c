#include "sim/net/packet_queue.h"

#include <cmath>

namespace mesocosm {
namespace {

std::uint64_t bytes_of(const PacketQueue::Dropped& dropped, std::size_t from) {
  std::uint64_t bytes = 0;
  for (std::size_t i = from; i < dropped.size(); ++i) bytes += dropped[i].size;
  return bytes;
}

}  // namespace

std::unique_ptr<PacketQueue> PacketQueue::make(QueueDiscipline discipline, std::uint64_t limit) {
  switch (discipline) {
    case QueueDiscipline::codel:
      return std::make_unique<CodelQueue>(limit);
    case QueueDiscipline::fq_codel:
      return std::make_unique<FqCodelQueue>(limit);
    case QueueDiscipline::drop_tail:
      break;
  }
  return std::make_unique<DropTailQueue>(limit);
}

// --- Drop-tail

void DropTailQueue::put(QueuedPacket packet, Dropped& dropped) {
  if (bytes_ > limit_) return dropped.push_back(packet);
  bytes_ += packet.size;
  waiting_.push_back(packet);
}

std::optional<QueuedPacket> DropTailQueue::take(Time, Dropped&) {
  if (waiting_.empty()) return std::nullopt;
  const QueuedPacket packet = waiting_.front();
  waiting_.pop_front();
  bytes_ -= packet.size;
  return packet;
}

// --- CoDel

void CodelQueue::put(QueuedPacket packet, Dropped& dropped) {
  if (bytes_ > limit_) return dropped.push_back(packet);
  bytes_ += packet.size;
  waiting_.push_back(packet);
}

void CodelQueue::drop_head(Dropped& dropped) {
  bytes_ -= waiting_.front().size;
  dropped.push_back(waiting_.front());
  waiting_.pop_front();
}

CodelQueue::Head CodelQueue::dodequeue(Time now) {
  if (waiting_.empty()) {
    first_above_time_.reset();
    return {};
  }
  Head head{waiting_.front(), false};
  waiting_.pop_front();
  bytes_ -= head.packet->size;
  if (now - head.packet->since < kTarget || bytes_ <= kLargestPacket) {
    first_above_time_.reset();
  } else if (!first_above_time_) {
    first_above_time_ = now + kInterval;
  } else {
    head.ok_to_drop = now >= *first_above_time_;
  }
  return head;
}

Time CodelQueue::control_law(Time at, std::uint32_t count) {
  return at + Duration(static_cast<std::int64_t>(static_cast<double>(kInterval.count()) / std::sqrt(count)));
}

std::optional<QueuedPacket> CodelQueue::take(Time now, Dropped& dropped) {
  Head head = dodequeue(now);
  if (dropping_) {
    if (!head.ok_to_drop) dropping_ = false;
    while (dropping_ && now >= drop_next_) {
      dropped.push_back(*head.packet);
      ++count_;
      head = dodequeue(now);
      if (head.ok_to_drop) {
        drop_next_ = control_law(drop_next_, count_);
      } else {
        dropping_ = false;
      }
    }
  } else if (head.ok_to_drop) {
    dropped.push_back(*head.packet);
    head = dodequeue(now);
    dropping_ = true;
    // Soon after the last time, it begins where that had come to.
    const std::uint32_t delta = count_ - last_count_;
    count_ = delta > 1 && now - drop_next_ < 16 * kInterval ? delta : 1;
    drop_next_ = control_law(now, count_);
    last_count_ = count_;
  }
  return head.packet;
}

// --- FQ-CoDel

void FqCodelQueue::put(QueuedPacket packet, Dropped& dropped) {
  std::unique_ptr<Flow>& place = flows_[packet.flow % kFlows];
  if (place == nullptr) place = std::make_unique<Flow>();
  Flow& flow = *place;
  const bool full = bytes_ > limit_;
  bytes_ += packet.size;
  flow.queue.put(packet, dropped);
  if (!flow.active) {
    flow.active = true;
    flow.deficit = kQuantum;
    new_.push_back(&flow);
  }
  if (full) drop_from_fattest(dropped);
}

void FqCodelQueue::drop_from_fattest(Dropped& dropped) {
  Flow* fattest = nullptr;
  for (const auto* list : {&new_, &old_}) {
    for (Flow* flow : *list) {
      if (fattest == nullptr || flow->queue.bytes() > fattest->queue.bytes()) fattest = flow;
    }
  }
  const std::size_t before = dropped.size();
  fattest->queue.drop_head(dropped);
  bytes_ -= bytes_of(dropped, before);
}

std::optional<QueuedPacket> FqCodelQueue::take(Time now, Dropped& dropped) {
  for (;;) {
    const bool from_new = !new_.empty();
    auto& list = from_new ? new_ : old_;
    if (list.empty()) return std::nullopt;
    Flow& flow = *list.front();
    if (flow.deficit <= 0) {
      flow.deficit += kQuantum;
      list.pop_front();
      old_.push_back(&flow);
      continue;
    }
    const std::size_t before = dropped.size();
    const std::optional<QueuedPacket> packet = flow.queue.take(now, dropped);
    bytes_ -= bytes_of(dropped, before);
    if (packet) {
      flow.deficit -= packet->size;
      bytes_ -= packet->size;
      return packet;
    }
    list.pop_front();
    // A flow that just began waits for a turn behind the others, lest it begin again and again.
    if (from_new) {
      old_.push_back(&flow);
    } else {
      flow.active = false;
    }
  }
}

}  // namespace mesocosm
