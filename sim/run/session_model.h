// SessionModel: how long nodes stay, or stay away. Parameters and where they come from: docs/churn.md.
#pragma once

#include <vector>

#include "stack/base/result.h"
#include "stack/base/rng.h"
#include "stack/base/time.h"

namespace mesocosm {

class SessionModel {
 public:
  // Errors (limit): a time that is not above zero, a shape that is not or that is below 0.1, a trace without times.
  static Result<SessionModel> exponential(Duration mean);
  // P(longer than t) = exp(-(t / scale)^shape).
  static Result<SessionModel> weibull(double shape, Duration scale);
  // The logarithm is normal: half of the times are below the median, sigma is the deviation of the natural logarithm.
  static Result<SessionModel> log_normal(Duration median, double sigma);
  // Measured times, each as probable as the others.
  static Result<SessionModel> trace(std::vector<Duration> times);

  Duration draw(Rng& rng) const;
  // What is left of the time of somebody who is met in the middle of it, at a moment that has nothing to do with it: a
  // time drawn in proportion to its length, and a uniform share of that.
  Duration draw_rest(Rng& rng) const;
  double mean() const;  // s

 private:
  enum class Kind { exponential, weibull, log_normal, trace };
  SessionModel(Kind kind, double shape, double scale) : kind_(kind), shape_(shape), scale_(scale) {}

  double weighted(Rng& rng) const;

  Kind kind_;
  double shape_;                  // of weibull; sigma
  double scale_;                  // s: the mean, scale or median
  std::vector<double> times_{};   // s, rising
  std::vector<double> summed_{};  // of times_ up to here
};

}  // namespace mesocosm
