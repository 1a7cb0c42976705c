#include "stack/base/rng.h"

#include <bit>
#include <cmath>
#include <numbers>

#include "stack/base/assert.h"
#include "stack/base/hash.h"

namespace mesocosm {

Rng::Rng(std::uint64_t seed) : seed_(seed) {
  for (std::size_t i = 0; i < state_.size(); ++i) state_[i] = mix64(seed + (i + 1) * 0x9e3779b97f4a7c15ULL);
}

Rng Rng::fork(std::string_view purpose, std::uint64_t index) const {
  return Rng(mix64(hash64(as_bytes(purpose), seed_) ^ mix64(index)));
}

std::uint64_t Rng::next() {
  auto& s = state_;
  const std::uint64_t result = std::rotl(s[0] + s[3], 23) + s[0];
  const std::uint64_t t = s[1] << 17;
  s[2] ^= s[0];
  s[3] ^= s[1];
  s[1] ^= s[2];
  s[0] ^= s[3];
  s[2] ^= t;
  s[3] = std::rotl(s[3], 45);
  return result;
}

std::uint64_t Rng::below(std::uint64_t bound) {
  MC_ASSERT(bound > 0);
  __extension__ using Wide = unsigned __int128;
  Wide product = static_cast<Wide>(next()) * bound;
  auto low = static_cast<std::uint64_t>(product);
  if (low < bound) {
    const std::uint64_t threshold = -bound % bound;
    while (low < threshold) {
      product = static_cast<Wide>(next()) * bound;
      low = static_cast<std::uint64_t>(product);
    }
  }
  return static_cast<std::uint64_t>(product >> 64);
}

double Rng::unit() { return static_cast<double>(next() >> 11) * 0x1.0p-53; }

double Rng::normal() {
  // Box and Muller 1958; the second value is dropped so that a generator's state is only its four words.
  const double radius = std::sqrt(-2.0 * std::log(1.0 - unit()));
  return radius * std::cos(2.0 * std::numbers::pi * unit());
}

double Rng::exponential(double mean) { return -mean * std::log(1.0 - unit()); }

double Rng::lognormal(double mu, double sigma) { return std::exp(mu + sigma * normal()); }

}  // namespace mesocosm
