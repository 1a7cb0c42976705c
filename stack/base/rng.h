// The generator that decides: xoshiro256++ (Blackman and Vigna 2019), forked by purpose, the same everywhere.
// No std::*_distribution: their results differ between libraries.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <span>
#include <string_view>
#include <utility>

namespace mesocosm {

class Rng {
 public:
  explicit Rng(std::uint64_t seed);
  // An independent generator for one purpose; depends on this one's seed and the purpose, not on what was
  // drawn.
  Rng fork(std::string_view purpose, std::uint64_t index = 0) const;

  std::uint64_t next();
  std::uint64_t below(std::uint64_t bound);  // uniform in [0, bound); bound > 0 (Lemire 2019)
  double unit();                             // uniform in [0, 1), 53 bits
  bool chance(double probability) { return unit() < probability; }
  double normal();                  // standard normal
  double exponential(double mean);  // mean > 0
  double lognormal(double mu, double sigma);

  template <class T>
  void shuffle(std::span<T> items) {
    for (std::size_t i = items.size(); i > 1; --i) std::swap(items[i - 1], items[below(i)]);
  }

 private:
  std::uint64_t seed_;
  std::array<std::uint64_t, 4> state_;
};

}  // namespace mesocosm
