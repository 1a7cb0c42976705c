#include "stack/transport/linger.h"

#include <algorithm>
#include <utility>

namespace mesocosm {

class Linger::Entry final : public ByteStream::Events {
 public:
  Entry(Linger& owner, std::unique_ptr<ByteStream> stream) : owner_(owner), stream_(std::move(stream)) {
    owner_.clock_.arm_after(timer_, owner_.timeout_);
    stream_->set_events(*this);
    stream_->finish();
  }

 private:
  void on_readable() override {
    while (!stream_->read(SIZE_MAX).empty()) {
    }
  }
  void on_writable() override {}
  void on_closed(Error) override { owner_.remove(*this); }  // both sides have ended, or it broke
  void on_timer() { owner_.remove(*this); }

  Linger& owner_;
  std::unique_ptr<ByteStream> stream_;
  MemberTimer<&Entry::on_timer> timer_{*this};
};

Linger::Linger(Clock& clock, Duration timeout) : clock_(clock), timeout_(timeout) {}

Linger::~Linger() = default;

void Linger::keep(std::unique_ptr<ByteStream> stream) {
  if (streams_.size() < kMost) streams_.push_back(std::make_unique<Entry>(*this, std::move(stream)));
}

void Linger::remove(Entry& entry) {
  const auto at =
      std::find_if(streams_.begin(), streams_.end(), [&](const auto& kept) { return kept.get() == &entry; });
  const auto gone = std::move(*at);
  streams_.erase(at);
}

}  // namespace mesocosm
