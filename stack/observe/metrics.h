// Metrics: what happens, counted. A component defines its counters, gauges and histograms once, in a struct of
// its own; all nodes of a World (or the one node of a process) count in the same Metrics, which has two
// outlets: the Prometheus scrape page (prometheus.h) and the record of a run.
//
//   struct PingMetrics {
//     explicit PingMetrics(Metrics& metrics)
//         : failures(metrics.counter({"libp2p_ping_failures_total", "Pings without an answer", {"error"}})) {}
//     Family<Counter>& failures;
//   };
//   ...
//   PingMetrics& counted = env.metrics.of<PingMetrics>();  // at construction
//   counted.failures.with({"timeout"}).add();              // a short search: keep the Counter& where it is hot
//
// Names and labels are those of go-libp2p where it has the same metric, so that its dashboards work.
#pragma once

#include <cstddef>
#include <cstdint>
#include <initializer_list>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "stack/base/time.h"

namespace mesocosm {

enum class MetricType : std::uint8_t { counter, gauge, histogram };
std::string_view to_string(MetricType type);

class Counter {
 public:
  static constexpr MetricType kType = MetricType::counter;
  void add(std::uint64_t more = 1) { value_ += more; }
  std::uint64_t value() const { return value_; }

 private:
  std::uint64_t value_ = 0;
};

// Counted up and down, never set, because nodes share it: who ends takes back what it has added.
class Gauge {
 public:
  static constexpr MetricType kType = MetricType::gauge;
  void add(std::int64_t more = 1) { value_ += more; }
  void sub(std::int64_t less = 1) { value_ -= less; }
  std::int64_t value() const { return value_; }

 private:
  std::int64_t value_ = 0;
};

class Histogram {
 public:
  static constexpr MetricType kType = MetricType::histogram;
  explicit Histogram(std::span<const double> bounds) : bounds_(bounds), counts_(bounds.size() + 1) {}

  void observe(double value);
  void observe(Duration duration) { observe(static_cast<double>(duration.count()) / 1e9); }

  std::span<const double> bounds() const { return bounds_; }  // each bucket's largest value, rising
  // Of each bucket alone; the last one is for what is above every bound.
  std::span<const std::uint64_t> counts() const { return counts_; }
  std::uint64_t count() const;
  double sum() const { return sum_; }

 private:
  std::span<const double> bounds_;  // the definition's
  std::vector<std::uint64_t> counts_;
  double sum_ = 0;
};

// `count` bounds, the first one `first`, each `factor` times the one before.
std::vector<double> exponential_bounds(double first, double factor, std::size_t count);

struct MetricDefinition {
  std::string_view name;  // literals, all three
  std::string_view help;
  std::vector<std::string_view> labels = {};
  std::vector<double> bounds = {};  // of a histogram
};

// A metric with all its label values.
class MetricFamily {
 public:
  // So many sets of label values at most. Those that come later are counted together, under kOther.
  static constexpr std::size_t kMaxMembers = 128;
  static constexpr std::string_view kOther = "other";
  static constexpr std::size_t kMaxValueSize = 128;  // bytes of a label's value; longer ones are cut

  MetricFamily(const MetricFamily&) = delete;
  MetricFamily& operator=(const MetricFamily&) = delete;
  virtual ~MetricFamily() = default;

  const MetricDefinition& definition() const { return definition_; }
  virtual MetricType type() const = 0;
  std::size_t size() const { return values_.size(); }
  // Of member i, in order of first use; a value for each label.
  std::span<const std::string> values(std::size_t i) const { return values_[i]; }

 protected:
  explicit MetricFamily(MetricDefinition definition) : definition_(std::move(definition)) {}
  // The member with these values, and whether the caller must make it now.
  std::pair<std::size_t, bool> place(std::initializer_list<std::string_view> values);

 private:
  std::size_t find(std::initializer_list<std::string_view> values) const;

  MetricDefinition definition_;
  std::vector<std::vector<std::string>> values_;
  mutable std::size_t last_ = 0;  // found last
};

template <class Kind>
class Family final : public MetricFamily {
 public:
  explicit Family(MetricDefinition definition) : MetricFamily(std::move(definition)) {}
  MetricType type() const override { return Kind::kType; }

  // The member with these label values, made at its first use; it stays where it is.
  Kind& with(std::initializer_list<std::string_view> values) {
    const auto [index, made] = place(values);
    if (made) members_.push_back(make());
    return *members_[index];
  }
  const Kind& member(std::size_t i) const { return *members_[i]; }

 private:
  std::unique_ptr<Kind> make() const {
    if constexpr (Kind::kType == MetricType::histogram) {
      return std::make_unique<Kind>(definition().bounds);
    } else {
      return std::make_unique<Kind>();
    }
  }
  std::vector<std::unique_ptr<Kind>> members_;
};

// Member i of a family of this type().
template <class Kind>
const Kind& member_of(const MetricFamily& family, std::size_t i) {
  return static_cast<const Family<Kind>&>(family).member(i);
}

class Metrics {
 public:
  Metrics() = default;
  Metrics(const Metrics&) = delete;
  Metrics& operator=(const Metrics&) = delete;

  // For who does not want any: one for each thread, which nobody reads.
  static Metrics& discarded();

  // The component's struct in here, made at its first use.
  template <class Component>
  Component& of() {
    static char key;  // its address tells the components apart
    if (void* known = find(&key)) return *static_cast<Component*>(known);
    auto* made = new Component(*this);
    components_.push_back({&key, {made, [](void* gone) { delete static_cast<Component*>(gone); }}});
    return *made;
  }

  // Each name once. A metric without labels is there at once, with its zero.
  Family<Counter>& counter(MetricDefinition definition);
  Family<Gauge>& gauge(MetricDefinition definition);
  Family<Histogram>& histogram(MetricDefinition definition);

  std::span<const std::unique_ptr<MetricFamily>> families() const {
    return families_;
  }  // as they were defined

 private:
  struct Held {
    const void* key;
    std::unique_ptr<void, void (*)(void*)> component;
  };
  void* find(const void* key) const;
  template <class Kind>
  Family<Kind>& add(MetricDefinition definition);

  std::vector<std::unique_ptr<MetricFamily>> families_;  // in order of definition
  std::vector<Held> components_;
};

}  // namespace mesocosm
