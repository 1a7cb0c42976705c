#include "stack/observe/metrics.h"

#include <algorithm>
#include <numeric>

#include "stack/base/assert.h"

namespace mesocosm {

void Histogram::observe(double value) {
  const auto bucket = std::lower_bound(bounds_.begin(), bounds_.end(), value) - bounds_.begin();
  ++counts_[static_cast<std::size_t>(bucket)];
  sum_ += value;
}

std::uint64_t Histogram::count() const {
  return std::accumulate(counts_.begin(), counts_.end(), std::uint64_t{0});
}

std::vector<double> exponential_bounds(double first, double factor, std::size_t count) {
  std::vector<double> bounds;
  for (double bound = first; bounds.size() < count; bound *= factor) bounds.push_back(bound);
  return bounds;
}

std::string_view to_string(MetricType type) {
  switch (type) {
    case MetricType::counter:
      return "counter";
    case MetricType::gauge:
      return "gauge";
    case MetricType::histogram:
      return "histogram";
  }
  return "untyped";
}

namespace {
std::string_view cut(std::string_view value) { return value.substr(0, MetricFamily::kMaxValueSize); }
}  // namespace

std::size_t MetricFamily::find(std::initializer_list<std::string_view> values) const {
  const auto is = [&](const std::vector<std::string>& member) {
    return std::equal(member.begin(), member.end(), values.begin(),
                      [](std::string_view kept, std::string_view value) { return kept == cut(value); });
  };
  if (last_ < values_.size() && is(values_[last_])) return last_;
  return static_cast<std::size_t>(std::find_if(values_.begin(), values_.end(), is) - values_.begin());
}

std::pair<std::size_t, bool> MetricFamily::place(std::initializer_list<std::string_view> values) {
  MC_ASSERT(values.size() == definition_.labels.size());
  last_ = find(values);
  if (last_ < values_.size()) return {last_, false};
  if (values_.size() < kMaxMembers) {
    std::vector<std::string>& kept = values_.emplace_back();
    for (const std::string_view value : values) kept.emplace_back(cut(value));
    return {last_, true};
  }
  const bool first = values_.size() == kMaxMembers;
  if (first) values_.emplace_back(values.size(), std::string(kOther));
  last_ = kMaxMembers;
  return {last_, first};
}

Metrics& Metrics::discarded() {
  thread_local Metrics metrics;
  return metrics;
}

void* Metrics::find(const void* key) const {
  for (const Held& held : components_) {
    if (held.key == key) return held.component.get();
  }
  return nullptr;
}

template <class Kind>
Family<Kind>& Metrics::add(MetricDefinition definition) {
  for (const auto& family : families_) MC_ASSERT(family->definition().name != definition.name);
  MC_ASSERT(std::is_sorted(definition.bounds.begin(), definition.bounds.end()));
  auto made = std::make_unique<Family<Kind>>(std::move(definition));
  Family<Kind>& family = *made;
  families_.push_back(std::move(made));
  if (family.definition().labels.empty()) family.with({});
  return family;
}

Family<Counter>& Metrics::counter(MetricDefinition definition) { return add<Counter>(std::move(definition)); }
Family<Gauge>& Metrics::gauge(MetricDefinition definition) { return add<Gauge>(std::move(definition)); }
Family<Histogram>& Metrics::histogram(MetricDefinition definition) {
  MC_ASSERT(!definition.bounds.empty());
  return add<Histogram>(std::move(definition));
}

}  // namespace mesocosm
