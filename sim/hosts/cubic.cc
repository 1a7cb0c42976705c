#include "sim/hosts/cubic.h"

#include <algorithm>

namespace mesocosm::hosts {
namespace {

// Linux's constants: beta = 717/1024, C = 410/1024 segments/s^3.
constexpr std::uint64_t kBeta = 717, kScale = 1024;
constexpr std::uint64_t kCubicC = 410;
constexpr Duration kLeastUpdate = 1s / 32;

constexpr std::uint32_t kHystartWindow = 16;  // segments: below, slow start does not end
constexpr Duration kTrainSpacing = 2ms;
constexpr std::uint32_t kLeastRise = 4000, kMostRise = 16'000;  // us
constexpr std::uint8_t kSamples = 8;

std::uint32_t to_us(Duration duration) {
  return static_cast<std::uint32_t>(std::clamp<std::int64_t>(duration / 1us, 0, ~std::uint32_t{0}));
}

// The cube root, rounded down.
std::uint64_t cube_root(std::uint64_t a) {
  std::uint64_t root = 0;
  for (std::uint64_t bit = std::uint64_t{1} << 20; bit > 0; bit >>= 1) {
    const std::uint64_t next = root | bit;
    if (next * next * next <= a) root = next;
  }
  return root;
}

// C * (t in ms / 1000)^3, in segments.
std::uint64_t cubic_segments(std::uint64_t ms) {
  const std::uint64_t t = std::min<std::uint64_t>(ms, 1'000'000);
  return kCubicC * (t * t / 1000 * t / 1000) / 1000 / kScale;
}

}  // namespace

bool Cubic::ends_slow_start(const Acknowledgement& ack, std::uint32_t cwnd, std::uint32_t ssthresh) {
  const std::uint32_t rtt = std::max(1u, to_us(ack.rtt));
  if (delay_min_us_ == 0 || rtt < delay_min_us_) delay_min_us_ = rtt;
  if (found_ || cwnd >= ssthresh || cwnd < kHystartWindow * kSegment) return false;
  if (!in_round_ || static_cast<std::int32_t>(ack.acked_to - round_end_) > 0) {
    in_round_ = true;
    round_end_ = ack.sent_to;
    round_begin_ = train_end_ = ack.first;
    round_rtt_us_ = ~std::uint32_t{0};
    samples_ = 0;
  }
  const Duration spacing = ack.count > 1 ? (ack.last - ack.first) / (ack.count - 1) : Duration{};
  if (ack.first - train_end_ <= kTrainSpacing && spacing <= kTrainSpacing) {
    train_end_ = ack.last;
    if (to_us(ack.last - round_begin_) > delay_min_us_ / 2) found_ = true;
  }
  round_rtt_us_ = std::min(round_rtt_us_, rtt);
  if (samples_ < kSamples) {
    samples_ = static_cast<std::uint8_t>(std::min<std::uint32_t>(kSamples, samples_ + ack.count));
  } else if (round_rtt_us_ > delay_min_us_ + std::clamp(delay_min_us_ / 8, kLeastRise, kMostRise)) {
    found_ = true;
  }
  return found_;
}

std::uint32_t Cubic::grow(Time now, std::uint32_t bytes, std::uint32_t cwnd, std::uint32_t ssthresh) {
  if (cwnd < ssthresh) {
    const std::uint32_t doubled = std::min(bytes, ssthresh - cwnd);
    cwnd += doubled;
    bytes -= doubled;
    if (bytes == 0) return cwnd;
  }
  reno_counted_ += bytes;
  update(now, cwnd);
  if (counted_ >= per_segment_) {  // gathered while growth was slower
    counted_ = 0;
    cwnd += kSegment;
  }
  counted_ += bytes;
  const std::uint32_t grown = counted_ / per_segment_;
  counted_ -= grown * per_segment_;
  return cwnd + grown * kSegment;
}

// How many bytes are to be acknowledged for each segment that the window grows: by the cubic function of the time since
// the last loss, but no slower than Reno would grow.
void Cubic::update(Time now, std::uint32_t cwnd) {
  const std::uint32_t window = std::max(1u, cwnd / kSegment);  // segments
  if (epoch_ == Time{}) {
    epoch_ = now;
    reno_ = cwnd;
    reno_counted_ = 0;
    if (last_max_ <= window) {
      k_ms_ = 0;
      origin_ = window;
    } else {
      // K = cube root of (W / C), in ms: of W / C * 10^9 ms^3.
      k_ms_ = static_cast<std::uint32_t>(
          cube_root((std::uint64_t{last_max_ - window} * kScale * 1'000'000'000) / kCubicC));
      origin_ = last_max_;
    }
  } else if (updated_at_ == cwnd && now - updated_ <= kLeastUpdate) {
    return;
  }
  updated_ = now;
  updated_at_ = cwnd;

  const auto t = static_cast<std::uint64_t>((now - epoch_) / 1ms) + delay_min_us_ / 1000;
  const std::uint64_t off = cubic_segments(t < k_ms_ ? k_ms_ - t : t - k_ms_);
  const std::uint64_t target = t < k_ms_ ? origin_ - std::min<std::uint64_t>(off, origin_) : origin_ + off;
  std::uint64_t count = target > window ? window / (target - window) : 100 * std::uint64_t{window};
  if (last_max_ == 0) count = std::min<std::uint64_t>(count, 20);

  // Reno with the same reduction would grow a segment for each 15/8 windows.
  const std::uint64_t step = std::uint64_t{cwnd} * 15 / 8;
  while (reno_counted_ > step) {
    reno_counted_ -= static_cast<std::uint32_t>(step);
    reno_ += kSegment;
  }
  if (reno_ >= cwnd + kSegment) count = std::min<std::uint64_t>(count, window / ((reno_ - cwnd) / kSegment));
  count = std::max<std::uint64_t>(count, 2);
  per_segment_ = static_cast<std::uint32_t>(std::min<std::uint64_t>(count, 1u << 20)) * kSegment;
}

std::uint32_t Cubic::reduce(std::uint32_t cwnd) {
  const std::uint32_t window = cwnd / kSegment;
  epoch_ = Time{};
  // Fast convergence: a flow that did not come back to where it was leaves room to others.
  last_max_ =
      window < last_max_ ? static_cast<std::uint32_t>(window * (kScale + kBeta) / (2 * kScale)) : window;
  return std::max(static_cast<std::uint32_t>(cwnd * kBeta / kScale), 2 * kSegment);
}

void Cubic::skip(Duration idle) {
  if (epoch_ != Time{}) epoch_ += idle;
}

}  // namespace mesocosm::hosts
