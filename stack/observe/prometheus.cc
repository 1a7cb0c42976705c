#include "stack/observe/prometheus.h"

#include <algorithm>
#include <charconv>
#include <numeric>
#include <vector>

#include "stack/observe/text.h"

namespace mesocosm {
namespace {

// A label's value: escaped as the format asks, and valid UTF-8 whatever it was.
void append_value(std::string& out, std::string_view value) {
  while (!value.empty()) {
    const std::size_t length = utf8_length(value);
    if (length == 0) {
      out += "\xef\xbf\xbd";
    } else if (value[0] == '\\' || value[0] == '"') {
      out += {'\\', value[0]};
    } else if (value[0] == '\n') {
      out += "\\n";
    } else {
      out += value.substr(0, length);
    }
    value.remove_prefix(length == 0 ? 1 : length);
  }
}

class Page {
 public:
  void add(const MetricFamily& family) {
    name_ = family.definition().name;
    head("# HELP ", family.definition().help);
    head("# TYPE ", to_string(family.type()));
    std::vector<std::size_t> order(family.size());
    std::iota(order.begin(), order.end(), std::size_t{0});
    std::sort(order.begin(), order.end(), [&](std::size_t a, std::size_t b) {
      return std::lexicographical_compare(family.values(a).begin(), family.values(a).end(),
                                          family.values(b).begin(), family.values(b).end());
    });
    for (const std::size_t member : order) add_member(family, member);
  }

  std::string take() { return std::move(text_); }

 private:
  void head(std::string_view what, std::string_view value) {
    text_ += what;
    text_ += name_;
    text_ += ' ';
    text_ += value;
    text_ += '\n';
  }

  void line(std::string_view suffix, std::string_view labels, std::string_view value) {
    text_ += name_;
    text_ += suffix;
    if (!labels.empty()) {
      text_ += '{';
      text_ += labels;
      text_ += '}';
    }
    text_ += ' ';
    text_ += value;
    text_ += '\n';
  }

  void add_member(const MetricFamily& family, std::size_t member) {
    const std::string labels = prometheus_labels(family, member);
    switch (family.type()) {
      case MetricType::counter:
        return line("", labels, std::to_string(member_of<Counter>(family, member).value()));
      case MetricType::gauge:
        return line("", labels, std::to_string(member_of<Gauge>(family, member).value()));
      case MetricType::histogram:
        return add_histogram(member_of<Histogram>(family, member), labels);
    }
  }

  void add_histogram(const Histogram& histogram, const std::string& labels) {
    const std::string more = labels.empty() ? "" : labels + ",";
    std::uint64_t below = 0;
    for (std::size_t i = 0; i < histogram.counts().size(); ++i) {
      const bool last = i == histogram.bounds().size();
      below += histogram.counts()[i];
      line("_bucket", more + "le=\"" + (last ? "+Inf" : prometheus_number(histogram.bounds()[i])) + '"',
           std::to_string(below));
    }
    line("_sum", labels, prometheus_number(histogram.sum()));
    line("_count", labels, std::to_string(below));
  }

  std::string_view name_;
  std::string text_;
};

}  // namespace

std::string prometheus_labels(const MetricFamily& family, std::size_t member) {
  std::string out;
  for (std::size_t i = 0; i < family.definition().labels.size(); ++i) {
    if (!out.empty()) out += ',';
    out += family.definition().labels[i];
    out += "=\"";
    append_value(out, family.values(member)[i]);
    out += '"';
  }
  return out;
}

std::string prometheus_number(double value) {
  char digits[32];
  const auto end = std::to_chars(std::begin(digits), std::end(digits), value);
  return {digits, end.ptr};
}

std::string prometheus_text(const Metrics& metrics) {
  std::vector<const MetricFamily*> families;
  for (const auto& family : metrics.families()) families.push_back(family.get());
  std::sort(families.begin(), families.end(),
            [](const auto* a, const auto* b) { return a->definition().name < b->definition().name; });
  Page page;
  for (const MetricFamily* family : families) page.add(*family);
  return page.take();
}

}  // namespace mesocosm
