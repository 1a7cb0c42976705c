#include "stack/asio/loop.h"

#include <algorithm>

#include <boost/asio/post.hpp>

#include "stack/base/assert.h"

namespace mesocosm::asio {
namespace {

// Received pieces of at least this size keep the whole scratch buffer; smaller ones are copied out of it, so
// that who holds a few bytes does not hold 256 KiB.
constexpr std::size_t kGiveAway = Loop::kScratch / 4;

// Timers that fire before sockets get their chance.
constexpr int kTimersAtOnce = 256;

// Far deadlines are looked at again after this time, so that none overflows the machine's clock.
constexpr Duration kLongestSleep = 1h;

// Marks when a timer for the end of a run has fired.
class EndOfRun final : public Timer {
 public:
  explicit EndOfRun(boost::asio::io_context& context) : context_(context) {}
  void on_timer() override {
    reached_ = true;
    context_.stop();
  }
  bool reached() const { return reached_; }

 private:
  boost::asio::io_context& context_;
  bool reached_ = false;
};

}  // namespace

// Everything between entering and leaving one of the run functions.
class Loop::Run {
 public:
  explicit Run(Loop& loop) : loop_(loop) {
    MC_ASSERT(!loop_.in_run_);  // no runs inside callbacks
    loop_.now_ = loop_.read_clock();
    loop_.in_run_ = true;
    loop_.finish_turn();  // what setup code deferred and wrote
  }
  ~Run() {
    loop_.in_run_ = false;
    if (loop_.context_.stopped()) loop_.context_.restart();
  }

 private:
  Loop& loop_;
};

// One thread uses the sockets; stop() and the resolver's thread use the scheduler only.
Loop::Loop() : context_(BOOST_ASIO_CONCURRENCY_HINT_UNSAFE_IO) {}

std::int64_t Loop::unix_nanoseconds() const {
  // The calendar at the turn's time, so that it stands still within a turn too.
  const auto since_start = std::chrono::steady_clock::now() - start_;
  const auto calendar = std::chrono::system_clock::now().time_since_epoch();
  return (std::chrono::duration_cast<Duration>(calendar) - since_start + now().time_since_epoch()).count();
}

void Loop::arm(Timer& timer, Time at) {
  if (timer.armed()) timers_.remove(timer);
  timers_.push(timer, at);
  set_home(timer, this);
  if (at < earliest_) earliest_ = at;
}

void Loop::disarm(Timer& timer) noexcept {
  if (!timer.armed()) return;
  timers_.remove(timer);
  set_home(timer, nullptr);
}

bool Loop::run() {
  Run run(*this);
  context_.run();
  return true;
}

bool Loop::run_until(Time end) {
  Run run(*this);
  EndOfRun limit(context_);
  arm(limit, end);
  finish_turn();
  context_.run();
  return !limit.reached();
}

void Loop::step(Time end) {
  Run run(*this);
  EndOfRun limit(context_);
  arm(limit, end);
  finish_turn();
  context_.run_one();
}

void Loop::poll() {
  Run run(*this);
  context_.poll();
}

void Loop::later(Task& notice) {
  notices_[collecting_].push(notice);
  if (notices_posted_) return;
  notices_posted_ = true;
  boost::asio::post(context_, [this] { run_notices(); });
}

// Notices that come while these run wait for the next round, so that sockets get their chance in between.
void Loop::run_notices() {
  TaskList& notices = notices_[collecting_];
  collecting_ ^= 1;
  notices_posted_ = false;
  notices.run_all();
}

MutableByteView Loop::scratch() {
  if (scratch_.empty()) scratch_ = Bytes::build(kScratch, [](MutableByteView) {});
  return {const_cast<std::uint8_t*>(scratch_.data()), scratch_.size()};
}

Bytes Loop::take(std::size_t size) {
  if (size < kGiveAway) return Bytes::copy(ByteView(scratch_).first(size));
  return std::exchange(scratch_, {}).slice(0, size);
}

Time Loop::read_clock() const {
  return Time(std::chrono::duration_cast<Duration>(std::chrono::steady_clock::now() - start_));
}

void Loop::begin_turn() {
  MC_ASSERT(!in_turn_);
  in_turn_ = true;
  now_ = read_clock();
}

void Loop::end_turn() {
  finish_turn();
  in_turn_ = false;
}

void Loop::finish_turn() {
  while (!tasks_.empty() || !sockets_.empty()) {
    tasks_.run_all();
    sockets_.run_all();
  }
  if (earliest_ < wakeup_at_) schedule_wakeup(earliest_);
}

void Loop::schedule_wakeup(Time at) {
  wakeup_at_ = std::min(at, now_ + kLongestSleep);
  earliest_ = kNever;
  wakeup_.expires_at(start_ + wakeup_at_.time_since_epoch());
  wakeup_.async_wait([this](const boost::system::error_code& error) {
    if (!error) run_due_timers();
  });
}

void Loop::run_due_timers() {
  struct Afterwards {
    ~Afterwards() { loop.sleep_until_next(); }
    Loop& loop;
  } afterwards{*this};
  wakeup_at_ = Time::min();         // no need to schedule while we are at it
  const Time limit = read_clock();  // timers armed from now on come after the sockets' chance
  for (int i = 0; i < kTimersAtOnce && !context_.stopped(); ++i) {
    Timer* const timer = timers_.pop(limit);
    if (timer == nullptr) break;
    set_home(*timer, nullptr);
    Turn turn(*this);
    timer->on_timer();
  }
}

void Loop::sleep_until_next() {
  wakeup_at_ = kNever;
  earliest_ = kNever;
  const Time next = timers_.next_deadline();
  if (next != kNever) schedule_wakeup(next);
}

}  // namespace mesocosm::asio
