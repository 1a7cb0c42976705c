#include "sim/record/metric_sampler.h"

#include <limits>
#include <string>

#include "stack/observe/prometheus.h"

namespace mesocosm {
namespace {

// A counter or gauge has one value; a histogram one for each bucket (with those below it), its sum and its count.
std::size_t values_of(const MetricFamily& family) {
  return family.type() == MetricType::histogram ? family.definition().bounds.size() + 3 : 1;
}

void collect(const Histogram& histogram, std::vector<double>& out) {
  std::uint64_t below = 0;
  for (const std::uint64_t count : histogram.counts()) {
    below += count;
    out.push_back(static_cast<double>(below));
  }
  out.push_back(histogram.sum());
  out.push_back(static_cast<double>(below));
}

void collect(const MetricFamily& family, std::size_t member, std::vector<double>& out) {
  out.clear();
  switch (family.type()) {
    case MetricType::counter:
      return out.push_back(static_cast<double>(member_of<Counter>(family, member).value()));
    case MetricType::gauge:
      return out.push_back(static_cast<double>(member_of<Gauge>(family, member).value()));
    case MetricType::histogram:
      return collect(member_of<Histogram>(family, member), out);
  }
}

}  // namespace

void MetricSampler::sample(Time now) {
  families_.resize(metrics_.families().size());
  for (std::size_t i = 0; i < families_.size(); ++i) {
    const MetricFamily& family = *metrics_.families()[i];
    for (std::size_t member = 0; member < family.size(); ++member) {
      sample_member(family, member, families_[i], now);
    }
  }
}

void MetricSampler::sample_member(const MetricFamily& family, std::size_t member, std::vector<Series>& series,
                                  Time now) {
  const std::size_t first = member * values_of(family);
  if (first == series.size()) add_series(family, member, series);
  collect(family, member, values_);
  for (std::size_t i = 0; i < values_.size(); ++i) {
    Series& at = series[first + i];
    if (at.last == values_[i]) continue;
    at.last = values_[i];
    sink_.metric(now, at.id, values_[i]);
  }
}

void MetricSampler::add_series(const MetricFamily& family, std::size_t member, std::vector<Series>& series) {
  const std::string name(family.definition().name);
  const std::string labels = prometheus_labels(family, member);
  const auto add = [&](const char* suffix, const std::string& with) {
    series.push_back({sink_.metric_series(name + suffix, with), std::numeric_limits<double>::quiet_NaN()});
  };
  if (family.type() != MetricType::histogram) return add("", labels);
  const std::string more = labels.empty() ? "" : labels + ",";
  for (const double bound : family.definition().bounds) {
    add("_bucket", more + "le=\"" + prometheus_number(bound) + '"');
  }
  add("_bucket", more + "le=\"+Inf\"");
  add("_sum", labels);
  add("_count", labels);
}

}  // namespace mesocosm
