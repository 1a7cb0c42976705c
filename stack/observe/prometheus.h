// The Prometheus text format (0.0.4) of what was counted.
#pragma once

#include <string>
#include <string_view>

#include "stack/observe/metrics.h"

namespace mesocosm {

inline constexpr std::string_view kPrometheusContentType = "text/plain; version=0.0.4; charset=utf-8";

// Families by name, members by their label values: the same counts make the same text.
std::string prometheus_text(const Metrics& metrics);

// A member's labels as the format writes them: dir="inbound",transport="tcp".
std::string prometheus_labels(const MetricFamily& family, std::size_t member);

// A number as the format writes it: the shortest that reads back as the same.
std::string prometheus_number(double value);

}  // namespace mesocosm
