#include "sim/packet/engine.h"

#include <deque>
#include <vector>

#include <ns3/config.h>
#include <ns3/rng-seed-manager.h>
#include <ns3/simulator-impl.h>
#include <ns3/simulator.h>

#include "sim/packet/ns3.h"
#include "stack/base/assert.h"

namespace mesocosm {
namespace {

bool engine_exists = false;

// ns-3 keeps every Time that lives in a std::set, in case its resolution changes, until Simulator::Run, which is not
// called here: a quarter of all the work. Setting the resolution that there is ends that, once in a process.
void forget_times() {
  static const bool once = [] {
    ns3::Time::SetResolution(ns3::Time::NS);
    return true;
  }();
  static_cast<void>(once);
}

}  // namespace

// An event of ns-3 that waits in the kernel's queue. Its place in the engine's table is the event's uid.
class EngineImpl;

struct EngineEvent final : Timer {
  void on_timer() override;

  EngineImpl* engine = nullptr;
  ns3::EventImpl* event = nullptr;  // one reference is ours; null: free
  std::uint32_t context = 0;
  std::uint32_t index = 0;
};

class EngineImpl final : public ns3::SimulatorImpl {
 public:
  explicit EngineImpl(Kernel& kernel) : kernel_(kernel) {}
  ~EngineImpl() override {
    for (EngineEvent& slot : slots_) {
      if (slot.event != nullptr) slot.event->Unref();
    }
  }

  void run(EngineEvent& slot) {
    ns3::EventImpl* const event = slot.event;
    context_ = slot.context;
    release(slot);
    ++events_;
    event->Invoke();
    event->Unref();
    context_ = ns3::Simulator::NO_CONTEXT;
  }

  // --- SimulatorImpl
  void Destroy() override {
    while (!at_end_.empty()) {
      const ns3::EventId id = at_end_.front();
      at_end_.pop_front();
      if (!id.PeekEventImpl()->IsCancelled()) id.PeekEventImpl()->Invoke();
    }
  }
  bool IsFinished() const override { return false; }
  void Stop() override { kernel_.stop(); }
  void Stop(const ns3::Time& delay) override { Schedule(delay, ns3::MakeEvent(&ns3::Simulator::Stop)); }
  ns3::EventId Schedule(const ns3::Time& delay, ns3::EventImpl* event) override {
    return place(delay, event, context_);
  }
  void ScheduleWithContext(std::uint32_t context, const ns3::Time& delay, ns3::EventImpl* event) override {
    place(delay, event, context);
  }
  ns3::EventId ScheduleNow(ns3::EventImpl* event) override { return place(ns3::Time(0), event, context_); }
  ns3::EventId ScheduleDestroy(ns3::EventImpl* event) override {
    ns3::EventId id(ns3::Ptr<ns3::EventImpl>(event, false), now(), kNoContext, ns3::EventId::UID::DESTROY);
    at_end_.push_back(id);
    return id;
  }
  void Remove(const ns3::EventId& id) override {
    if (id.GetUid() == ns3::EventId::UID::DESTROY) {
      for (auto at = at_end_.begin(); at != at_end_.end(); ++at) {
        if (*at == id) {
          at_end_.erase(at);
          return;
        }
      }
      return;
    }
    EngineEvent* const slot = pending(id);
    if (slot == nullptr) return;
    ns3::EventImpl* const event = slot->event;
    kernel_.disarm(*slot);
    release(*slot);
    event->Cancel();
    event->Unref();
  }
  void Cancel(const ns3::EventId& id) override {
    if (id.GetUid() == ns3::EventId::UID::DESTROY) {
      if (!IsExpired(id)) id.PeekEventImpl()->Cancel();
    } else {
      Remove(id);
    }
  }
  bool IsExpired(const ns3::EventId& id) const override {
    if (id.GetUid() != ns3::EventId::UID::DESTROY) return pending(id) == nullptr;
    if (id.PeekEventImpl() == nullptr || id.PeekEventImpl()->IsCancelled()) return true;
    for (const ns3::EventId& other : at_end_) {
      if (other == id) return false;
    }
    return true;
  }
  void Run() override { kernel_.run_until(kNever); }
  ns3::Time Now() const override { return ns3::TimeStep(now()); }
  ns3::Time GetDelayLeft(const ns3::EventId& id) const override {
    return IsExpired(id) ? ns3::TimeStep(0) : ns3::TimeStep(id.GetTs() - now());
  }
  ns3::Time GetMaximumSimulationTime() const override {
    return ns3::TimeStep(kNever.time_since_epoch().count());
  }
  void SetScheduler(ns3::ObjectFactory) override {}  // the kernel has its own
  std::uint32_t GetSystemId() const override { return 0; }
  std::uint32_t GetContext() const override { return context_; }
  std::uint64_t GetEventCount() const override { return events_; }
  void PreEventHook(const ns3::EventId&) override {}

 private:
  static constexpr std::uint32_t kNoContext = ns3::Simulator::NO_CONTEXT;
  static constexpr std::uint32_t kFirstUid = ns3::EventId::UID::VALID;

  std::uint64_t now() const { return static_cast<std::uint64_t>(kernel_.now().time_since_epoch().count()); }

  ns3::EventId place(const ns3::Time& delay, ns3::EventImpl* event, std::uint32_t context) {
    MC_ASSERT(!delay.IsStrictlyNegative());
    if (free_.empty()) {
      free_.push_back(static_cast<std::uint32_t>(slots_.size()));
      slots_.emplace_back();
    }
    const std::uint32_t index = free_.back();
    free_.pop_back();
    EngineEvent& slot = slots_[index];
    slot.engine = this;
    slot.event = event;
    slot.context = context;
    slot.index = index;
    kernel_.arm_after(slot, Duration(delay.GetNanoSeconds()));
    return {ns3::Ptr<ns3::EventImpl>(event), now() + static_cast<std::uint64_t>(delay.GetNanoSeconds()),
            context, index + kFirstUid};
  }

  // The event that `id` stands for, if it is still to come. While somebody holds the id its EventImpl lives,
  // so that another event in the same place has another address.
  EngineEvent* pending(const ns3::EventId& id) const {
    const std::uint32_t index = id.GetUid() - kFirstUid;
    if (id.PeekEventImpl() == nullptr || id.GetUid() < kFirstUid || index >= slots_.size()) return nullptr;
    EngineEvent& slot = slots_[index];
    return slot.event == id.PeekEventImpl() ? &slot : nullptr;
  }
  void release(EngineEvent& slot) {
    slot.event = nullptr;
    free_.push_back(slot.index);
  }

  Kernel& kernel_;
  mutable std::deque<EngineEvent> slots_;
  std::vector<std::uint32_t> free_;
  std::deque<ns3::EventId> at_end_;
  std::uint64_t events_ = 0;
  std::uint32_t context_ = kNoContext;
};

void EngineEvent::on_timer() { engine->run(*this); }

Ns3Engine::Ns3Engine(Kernel& kernel, std::uint64_t seed) {
  MC_ASSERT(!engine_exists);
  engine_exists = true;
  forget_times();
  ns3::Config::Reset();
  ns3::RngSeedManager::SetSeed(static_cast<std::uint32_t>(seed >> 32) | 1);
  ns3::RngSeedManager::SetRun(seed & 0xffffffff);
  ns3::Simulator::SetImplementation(ns3::CreateObject<EngineImpl>(kernel));
}

Ns3Engine::~Ns3Engine() {
  ns3::Simulator::Destroy();
  ns3::Config::Reset();
  engine_exists = false;
}

bool Ns3Engine::exists() { return engine_exists; }

}  // namespace mesocosm
