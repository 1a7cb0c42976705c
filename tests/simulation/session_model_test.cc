// Session models against their closed forms: 200,000 draws each, bounds of five standard errors.
#include "sim/run/session_model.h"

#include <algorithm>
#include <cmath>
#include <string>
#include <vector>

#include <catch2/catch.hpp>

using namespace mesocosm;

namespace {

constexpr std::size_t kDraws = 200'000;

std::vector<double> draws(const SessionModel& model, bool rest, std::uint64_t seed = 1) {
  Rng rng(seed);
  std::vector<double> seconds;
  for (std::size_t i = 0; i < kDraws; ++i)
    seconds.push_back(to_seconds(rest ? model.draw_rest(rng) : model.draw(rng)));
  std::sort(seconds.begin(), seconds.end());
  return seconds;
}

double mean(const std::vector<double>& values) {
  double sum = 0;
  for (const double value : values) sum += value;
  return sum / static_cast<double>(values.size());
}

// The share of values up to `at` is `expected`, within five standard errors.
void check_share(const std::vector<double>& sorted, double at, double expected) {
  const auto below = std::upper_bound(sorted.begin(), sorted.end(), at) - sorted.begin();
  const double share = static_cast<double>(below) / static_cast<double>(sorted.size());
  CAPTURE(at, expected, share);
  const double n = static_cast<double>(sorted.size());
  CHECK(std::abs(share - expected) <= 5 * std::sqrt(expected * (1 - expected) / n));
}

void check_mean(const std::vector<double>& values, double expected, double deviation) {
  CAPTURE(mean(values), expected);
  const double n = static_cast<double>(values.size());
  CHECK(std::abs(mean(values) - expected) <= 5 * deviation / std::sqrt(n));
}

}  // namespace

TEST_CASE("exponential times: mean, quantiles, and no memory", "[churn]") {
  const SessionModel model = *SessionModel::exponential(40s);
  CHECK(model.mean() == 40);
  for (const bool rest : {false, true}) {
    const auto times = draws(model, rest);
    check_mean(times, 40, 40);
    for (const double p : {0.1, 0.5, 0.9, 0.99}) check_share(times, -40 * std::log(1 - p), p);
  }
}

TEST_CASE("Weibull times: mean and quantiles, and what is left of them", "[churn]") {
  const double shape = GENERATE(0.515, 1.0, 2.0);
  CAPTURE(shape);
  const SessionModel model = *SessionModel::weibull(shape, 100s);
  const double g1 = std::tgamma(1 + 1 / shape), g2 = std::tgamma(1 + 2 / shape),
               g3 = std::tgamma(1 + 3 / shape);
  CHECK(model.mean() == Approx(100 * g1));
  const auto times = draws(model, false);
  check_mean(times, 100 * g1, 100 * std::sqrt(g2 - g1 * g1));
  for (const double p : {0.1, 0.5, 0.9, 0.99}) {
    check_share(times, 100 * std::pow(-std::log(1 - p), 1 / shape), p);
  }
  // Renewal theory: E rest = E T^2 / 2 E T, E rest^2 = E T^3 / 3 E T.
  const double expected = 100 * g2 / (2 * g1);
  check_mean(draws(model, true), expected, std::sqrt(1e4 * g3 / (3 * g1) - expected * expected));
}

TEST_CASE("log-normal times: mean and quantiles, and what is left of them", "[churn]") {
  constexpr double kSigma = 0.8;
  const SessionModel model = *SessionModel::log_normal(60s, kSigma);
  const double m1 = std::exp(kSigma * kSigma / 2), m2 = std::exp(2 * kSigma * kSigma),
               m3 = std::exp(4.5 * kSigma * kSigma);
  CHECK(model.mean() == Approx(60 * m1));
  const auto times = draws(model, false);
  check_mean(times, 60 * m1, 60 * std::sqrt(m2 - m1 * m1));
  for (const auto& [z, p] :
       {std::pair{-1.2815515655, 0.1}, {0.0, 0.5}, {1.2815515655, 0.9}, {2.3263478740, 0.99}}) {
    check_share(times, 60 * std::exp(kSigma * z), p);
  }
  const double expected = 60 * m2 / (2 * m1);
  check_mean(draws(model, true), expected, std::sqrt(3600 * m3 / (3 * m1) - expected * expected));
}

TEST_CASE("times of a trace: each as often as the others, and what is left of them", "[churn]") {
  const SessionModel model = *SessionModel::trace({30s, 10s, 20s, 10s});
  CHECK(model.mean() == 17.5);
  const auto times = draws(model, false);
  check_share(times, 10.1, 0.5);
  check_share(times, 20.1, 0.75);
  CHECK(times.front() == Approx(10));
  CHECK(times.back() == Approx(30));
  const auto rests = draws(model, true);  // density P(T > r) / E T
  check_share(rests, 10, 10.0 / 17.5);
  check_share(rests, 20, 15.0 / 17.5);
  CHECK(rests.back() <= 30.001);
}

TEST_CASE("a seed gives the same times", "[churn]") {
  const SessionModel model = *SessionModel::weibull(0.5, 100s);
  CHECK(draws(model, true, 7) == draws(model, true, 7));
  CHECK(draws(model, true, 7) != draws(model, true, 8));
}

TEST_CASE("session models refuse what makes no sense", "[churn]") {
  CHECK(SessionModel::exponential(0s).error().detail == "exponential: the mean must be longer than zero");
  CHECK(SessionModel::weibull(0.5, -1s).error().detail == "weibull: the scale must be longer than zero");
  CHECK(SessionModel::weibull(0.05, 1s).error().detail == "weibull: the shape must be at least 0.1");
  CHECK_FALSE(SessionModel::weibull(std::nan(""), 1s));
  CHECK_FALSE(SessionModel::log_normal(0s, 1));
  CHECK(SessionModel::log_normal(1s, 0).error().detail == "log-normal: sigma must be above 0 and at most 10");
  CHECK(SessionModel::trace({}).error().detail == "trace: there are no times");
  CHECK_FALSE(SessionModel::trace({1s, 0s}));
}
