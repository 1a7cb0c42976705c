// docs/metrics.md tells of the metrics that nodes have, and of no others.
#include <algorithm>
#include <cstdio>
#include <fstream>
#include <string>
#include <vector>

#include <catch2/catch.hpp>

#include "sim/run/world.h"
#include "tests/source_path.h"

using namespace mesocosm;
using mesocosm::testing::source_path;

namespace {

std::string row_of(const MetricFamily& family) {
  const MetricDefinition& definition = family.definition();
  std::string labels;
  for (const std::string_view label : definition.labels) {
    labels += (labels.empty() ? "`" : ", `") + std::string(label) + "`";
  }
  return "| `" + std::string(definition.name) + "` | " + std::string(to_string(family.type())) + " | " +
         labels + " | " + std::string(definition.help) + " |";
}

// A world whose node runs everything, behind everything.
std::unique_ptr<World> world_of_one() {
  auto world = World::flow(1, StackKind::full, UniformLatency{}, source_path("data"));
  NodeKind kind;
  kind.gossipsub.emplace().validation_delay = 1ms;
  const NodeIndex node = world->add_node(kind);
  world->put_behind({}, {&node, 1});
  world->start("", "{}");
  return world;
}

std::vector<std::string> defined_rows() {
  const auto world = world_of_one();
  std::vector<std::string> rows;
  for (const auto& family : world->metrics().families()) rows.push_back(row_of(*family));
  std::sort(rows.begin(), rows.end());
  return rows;
}

std::vector<std::string> documented_rows() {
  std::ifstream page(source_path("docs/metrics.md"));
  std::vector<std::string> rows;
  for (std::string line; std::getline(page, line);) {
    const bool metric = line.find("` | counter |") != std::string::npos ||
                        line.find("` | gauge |") != std::string::npos ||
                        line.find("` | histogram |") != std::string::npos;
    if (metric) rows.push_back(line);
  }
  return rows;
}

}  // namespace

TEST_CASE("docs/metrics.md has a row for each metric, in order", "[observe][docs]") {
  const std::vector<std::string> rows = defined_rows();
  if (documented_rows() == rows) return;
  std::string table;
  for (const std::string& row : rows) table += row + "\n";
  std::fputs(table.c_str(), stdout);  // as it is, to be copied
  FAIL("the table of docs/metrics.md should be what stands above");
}

TEST_CASE("metrics are named as Prometheus asks", "[observe][docs]") {
  const auto world = world_of_one();
  const auto ends_with = [](std::string_view text, std::string_view end) {
    return text.size() >= end.size() && text.substr(text.size() - end.size()) == end;
  };
  for (const auto& family : world->metrics().families()) {
    const std::string_view name = family->definition().name;
    INFO(name);
    CHECK(name.find_first_not_of("abcdefghijklmnopqrstuvwxyz0123456789_") == std::string_view::npos);
    CHECK(ends_with(name, "_total") == (family->type() == MetricType::counter));
    CHECK_FALSE(family->definition().help.empty());
    CHECK(family->definition().help.find_first_of("\n\\|") == std::string_view::npos);
  }
}
