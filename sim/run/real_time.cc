#include "sim/run/real_time.h"

#include <algorithm>

#include <poll.h>

namespace mesocosm {
namespace {

constexpr Duration kLongestWait = 20ms;  // so that whoever runs the simulation may look after other things

}  // namespace

void Lateness::note(Duration late) {
  ++batches;
  if (late > 1ms) ++over_1ms;
  total += late;
  most = std::max(most, late);
}

struct RealTime::Watched final : Timer {
  Watched(int number, Reader& user) : descriptor(number), reader(user) {}
  void on_timer() override { reader.on_readable(); }

  int descriptor;
  Reader& reader;
};

RealTime::RealTime(Kernel& kernel) : kernel_(kernel) {}
RealTime::~RealTime() = default;

void RealTime::watch(int descriptor, Reader& reader) {
  watched_.push_back(std::make_unique<Watched>(descriptor, reader));
}

Time RealTime::wait() {
  if (!origin_) origin_ = Wall::now() - kernel_.now().time_since_epoch();
  if (first_due_ != kNever) lateness_.note(real_now() - first_due_);
  poll_until(std::min(kernel_.next_event(), real_now() + kLongestWait));
  const Time now = std::max(real_now(), kernel_.now());
  first_due_ = kernel_.next_event() <= now ? kernel_.next_event() : kNever;
  return now + Duration(1);
}

// What can be read then has arrived then.
void RealTime::poll_until(Time end) {
  std::vector<pollfd> polled;
  for (const auto& watched : watched_) polled.push_back({watched->descriptor, POLLIN, 0});
  const Duration wait = std::max(Duration::zero(), end - real_now());
  const auto seconds = std::chrono::duration_cast<std::chrono::seconds>(wait);
  const timespec timeout{seconds.count(), static_cast<long>((wait - seconds).count())};
  if (::ppoll(polled.data(), polled.size(), &timeout, nullptr) <= 0) return;
  for (std::size_t i = 0; i < polled.size(); ++i) {
    if (polled[i].revents != 0) kernel_.arm(*watched_[i], std::max(real_now(), kernel_.now()));
  }
}

Time RealTime::real_now() const { return Time(std::chrono::duration_cast<Duration>(Wall::now() - *origin_)); }

}  // namespace mesocosm
