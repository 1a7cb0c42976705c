// Env: all that a node may know of the world outside.
#pragma once

#include "stack/base/bytes.h"
#include "stack/base/rng.h"
#include "stack/env/clock.h"
#include "stack/env/network.h"
#include "stack/env/trace.h"
#include "stack/observe/log.h"
#include "stack/observe/metrics.h"

namespace mesocosm {

// Makes secrets: keys, nonces. From the operating system on real sockets, seeded in simulation.
class Entropy {
 public:
  virtual ~Entropy() = default;
  virtual void fill(MutableByteView out) = 0;
};

// Secrets for simulations: repeatable from the seed, never to be used on a real network.
class SeededEntropy final : public Entropy {
 public:
  explicit SeededEntropy(Rng rng) : rng_(rng) {}
  void fill(MutableByteView out) override {
    for (std::size_t i = 0; i < out.size(); i += 8) {
      std::uint64_t word = rng_.next();
      for (std::size_t j = i; j < out.size() && j < i + 8; ++j, word >>= 8)
        out[j] = static_cast<std::uint8_t>(word);
    }
  }

 private:
  Rng rng_;
};

struct Env {
  Clock& clock;
  Network& network;
  Rng& rng;          // decides; fork it by purpose
  Entropy& entropy;  // makes secrets
  Trace& trace;
  Metrics& metrics = Metrics::discarded();  // shared by the nodes of a World
  Log& log = Log::none();
};

}  // namespace mesocosm
