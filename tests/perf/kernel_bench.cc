// The event kernel under the HOLD model (Jones 1986): N timers pending, each that fires is armed again after
// an exponential delay with mean 1 s. Prints events per CPU second, each the best of three rounds.
#include <algorithm>
#include <cstdio>
#include <ctime>
#include <deque>
#include <vector>

#include "sim/kernel/kernel.h"
#include "stack/base/rng.h"

using namespace mesocosm;

namespace {

struct Hold {
  Kernel kernel;
  std::vector<Duration> delays;  // drawn beforehand: the generator is not what is measured
  std::size_t next = 0;

  Hold() {
    Rng rng(1);
    delays.resize(1 << 16);
    for (Duration& delay : delays) delay = from_seconds(rng.exponential(1.0));
  }
  Duration draw() { return delays[next++ & 0xffff]; }
};

struct Holder final : Timer {
  explicit Holder(Hold& hold) : hold(hold) {}
  void on_timer() override { hold.kernel.arm_after(*this, hold.draw()); }
  Hold& hold;
};

double nanoseconds_per_event(std::size_t pending, std::uint64_t events) {
  Hold hold;
  std::deque<Holder> holders;
  for (std::size_t i = 0; i < pending; ++i) hold.kernel.arm_after(holders.emplace_back(hold), hold.draw());
  hold.kernel.run_until(Time(3s));  // the steady state
  double best = 1e9;
  for (int round = 0; round < 3; ++round) {
    const std::uint64_t before = hold.kernel.events();
    const std::clock_t start = std::clock();  // CPU time
    hold.kernel.run_until(hold.kernel.now() +
                          from_seconds(static_cast<double>(events) / static_cast<double>(pending)));
    const double taken = 1e9 * static_cast<double>(std::clock() - start) / CLOCKS_PER_SEC;
    best = std::min(best, taken / static_cast<double>(hold.kernel.events() - before));
  }
  return best;
}

}  // namespace

int main() {
  std::printf("%-10s %12s %14s\n", "pending", "ns/event", "events/s");
  for (const std::size_t pending : {1'000u, 10'000u, 100'000u, 1'000'000u}) {
    const double ns = nanoseconds_per_event(pending, 3'000'000);
    std::printf("%-10zu %12.1f %14.0f\n", pending, ns, 1e9 / ns);
  }
}
