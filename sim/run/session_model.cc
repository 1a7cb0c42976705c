#include "sim/run/session_model.h"

#include <algorithm>
#include <cmath>
#include <utility>

namespace mesocosm {
namespace {

constexpr double kLongest = 1e9;      // s; nothing that is simulated lasts that long
constexpr double kLeastShape = 0.1;   // of Weibull: below it hardly anything but its tail counts
constexpr double kLargestSigma = 10;  // the same

// Marsaglia and Tsang 2000; shape >= 1.
double gamma_variate(double shape, Rng& rng) {
  const double d = shape - 1.0 / 3.0;
  const double c = 1.0 / std::sqrt(9.0 * d);
  while (true) {
    const double x = rng.normal();
    const double root = 1.0 + c * x;
    if (root <= 0) continue;
    const double v = root * root * root;
    if (std::log(1.0 - rng.unit()) < 0.5 * x * x + d - d * v + d * std::log(v)) return d * v;
  }
}

Duration duration_of(double seconds) {
  return std::max(Duration(1), from_seconds(std::min(seconds, kLongest)));
}

bool positive(Duration time) { return time > Duration::zero(); }

}  // namespace

Result<SessionModel> SessionModel::exponential(Duration mean) {
  if (!positive(mean)) return fail(ErrorCode::limit, "exponential: the mean must be longer than zero");
  return SessionModel(Kind::exponential, 1, to_seconds(mean));
}

Result<SessionModel> SessionModel::weibull(double shape, Duration scale) {
  if (!positive(scale)) return fail(ErrorCode::limit, "weibull: the scale must be longer than zero");
  if (!(shape >= kLeastShape)) return fail(ErrorCode::limit, "weibull: the shape must be at least 0.1");
  return SessionModel(Kind::weibull, shape, to_seconds(scale));
}

Result<SessionModel> SessionModel::log_normal(Duration median, double sigma) {
  if (!positive(median)) return fail(ErrorCode::limit, "log-normal: the median must be longer than zero");
  if (!(sigma > 0 && sigma <= kLargestSigma)) {
    return fail(ErrorCode::limit, "log-normal: sigma must be above 0 and at most 10");
  }
  return SessionModel(Kind::log_normal, sigma, to_seconds(median));
}

Result<SessionModel> SessionModel::trace(std::vector<Duration> times) {
  if (times.empty()) return fail(ErrorCode::limit, "trace: there are no times");
  std::sort(times.begin(), times.end());
  if (!positive(times.front())) return fail(ErrorCode::limit, "trace: a time is not longer than zero");
  SessionModel model(Kind::trace, 1, 1);
  double sum = 0;
  for (const Duration time : times) {
    model.times_.push_back(to_seconds(time));
    model.summed_.push_back(sum += to_seconds(time));
  }
  return model;
}

Duration SessionModel::draw(Rng& rng) const {
  switch (kind_) {
    case Kind::exponential:
      return duration_of(rng.exponential(scale_));
    case Kind::weibull:
      return duration_of(scale_ * std::pow(rng.exponential(1), 1 / shape_));
    case Kind::log_normal:
      return duration_of(rng.lognormal(std::log(scale_), shape_));
    case Kind::trace:
      break;
  }
  return duration_of(times_[rng.below(times_.size())]);
}

Duration SessionModel::draw_rest(Rng& rng) const {
  const double whole = weighted(rng);
  return duration_of(whole * (1.0 - rng.unit()));
}

// A time, drawn in proportion to its length.
double SessionModel::weighted(Rng& rng) const {
  switch (kind_) {
    case Kind::exponential:
      return scale_ * gamma_variate(2, rng);
    case Kind::weibull:
      return scale_ * std::pow(gamma_variate(1 + 1 / shape_, rng), 1 / shape_);
    case Kind::log_normal:
      return rng.lognormal(std::log(scale_) + shape_ * shape_, shape_);
    case Kind::trace:
      break;
  }
  const double at = rng.unit() * summed_.back();
  const auto found = std::upper_bound(summed_.begin(), summed_.end() - 1, at);
  return times_[static_cast<std::size_t>(found - summed_.begin())];
}

double SessionModel::mean() const {
  switch (kind_) {
    case Kind::exponential:
      return scale_;
    case Kind::weibull:
      return scale_ * std::tgamma(1 + 1 / shape_);
    case Kind::log_normal:
      return scale_ * std::exp(shape_ * shape_ / 2);
    case Kind::trace:
      break;
  }
  return summed_.back() / static_cast<double>(summed_.size());
}

}  // namespace mesocosm
