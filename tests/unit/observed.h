// What was counted, as lines of the scrape page, for tests.
#pragma once

#include <sstream>
#include <string>
#include <string_view>
#include <vector>

#include "stack/observe/prometheus.h"

namespace mesocosm::testing {

// The page's lines of one metric without its name: "{dir=\"inbound\"} 2", or "2" without labels. Of a histogram:
// those of `name` with _count, _sum or _bucket.
inline std::vector<std::string> observed(const Metrics& metrics, const std::string& name) {
  std::vector<std::string> lines;
  std::istringstream page(prometheus_text(metrics));
  for (std::string line; std::getline(page, line);) {
    if (line.rfind(name, 0) != 0) continue;
    const char next = line[name.size()];
    if (next == '{') lines.push_back(line.substr(name.size()));
    if (next == ' ') lines.push_back(line.substr(name.size() + 1));
  }
  return lines;
}

}  // namespace mesocosm::testing
