#include "tests/adversarial/threads.h"

#include <pthread.h>
#include <time.h>

#include "stack/base/assert.h"

namespace mesocosm::testing {

LoopThread::LoopThread(const std::function<void(AsioLoop&)>& begin, Job end)
    : end_(std::move(end)), thread_([this, &begin] { run([&] { begin(loop_); }); }) {
  std::unique_lock lock(mutex_);
  changed_.wait(lock, [this] { return ready_; });
}

LoopThread::~LoopThread() {
  {
    const std::lock_guard lock(mutex_);
    quit_ = true;
  }
  loop_.stop();
  thread_.join();
}

void LoopThread::run(const Job& begin) {
  begin();
  std::unique_lock lock(mutex_);
  ready_ = true;
  changed_.notify_all();
  while (!quit_) {
    lock.unlock();
    loop_.run();
    lock.lock();
    if (job_ == nullptr) continue;
    lock.unlock();
    (*job_)();
    lock.lock();
    job_ = nullptr;
    changed_.notify_all();
  }
  lock.unlock();
  end_();
}

void LoopThread::ask(const Job& job) {
  std::unique_lock lock(mutex_);
  job_ = &job;
  loop_.stop();
  changed_.wait(lock, [this] { return job_ == nullptr; });
}

Duration LoopThread::cpu() {
  clockid_t clock{};
  timespec time{};
  MC_ASSERT(pthread_getcpuclockid(thread_.native_handle(), &clock) == 0 && clock_gettime(clock, &time) == 0);
  return std::chrono::seconds(time.tv_sec) + std::chrono::nanoseconds(time.tv_nsec);
}

}  // namespace mesocosm::testing
