// Networks in rounds for Python: the epidemic protocols' cores without connections or clocks.
#include <pybind11/numpy.h>
#include <pybind11/pybind11.h>
#include <pybind11/stl.h>

#include "python/bind.h"
#include "python/config_epidemics.h"
#include "sim/rounds/cyclon_rounds.h"
#include "sim/rounds/graph.h"
#include "sim/rounds/plumtree_rounds.h"
#include "sim/rounds/rumor_rounds.h"
#include "sim/run/world.h"

namespace py = pybind11;

namespace mesocosm::python {
namespace {

using rounds::NodeNumber;
using Links = std::vector<std::pair<NodeNumber, NodeNumber>>;

py::array_t<std::uint32_t> table_of(const Links& links) {
  py::array_t<std::uint32_t> table({static_cast<py::ssize_t>(links.size()), py::ssize_t{2}});
  auto cells = table.mutable_unchecked<2>();
  for (py::ssize_t row = 0; row < cells.shape(0); ++row) {
    cells(row, 0) = links[static_cast<std::size_t>(row)].first;
    cells(row, 1) = links[static_cast<std::size_t>(row)].second;
  }
  return table;
}

// By run: sites that heard, times sent, sum of delays, last delay.
py::array_t<std::uint64_t> spread_rumor(NodeNumber sites, const py::dict& config, std::uint64_t seed,
                                        std::uint32_t runs) {
  const RumorsParams params = rumors_from(config);
  py::array_t<std::uint64_t> table({static_cast<py::ssize_t>(runs), py::ssize_t{4}});
  auto cells = table.mutable_unchecked<2>();
  const Rng rng(seed);
  for (py::ssize_t run = 0; run < cells.shape(0); ++run) {
    const std::uint64_t own = rng.fork("run", static_cast<std::uint64_t>(run)).next();
    const rounds::RumorOutcome outcome = rounds::spread_rumor(sites, params, own);
    cells(run, 0) = outcome.heard;
    cells(run, 1) = outcome.sent;
    cells(run, 2) = outcome.delay_sum;
    cells(run, 3) = outcome.last;
  }
  return table;
}

rounds::CyclonStart start_from(const std::string& name) {
  if (name == "chain") return rounds::CyclonStart::chain;
  if (name == "star") return rounds::CyclonStart::star;
  if (name == "random") return rounds::CyclonStart::random;
  if (name == "join") return rounds::CyclonStart::join;
  throw ConfigError("Cyclon: start must be chain, star, random or join, not '" + name + "'");
}

py::tuple measure_graph(NodeNumber nodes,
                        const py::array_t<std::uint32_t, py::array::c_style | py::array::forcecast>& table,
                        bool directed, NodeNumber sources, std::uint64_t seed) {
  const auto cells = table.unchecked<2>();
  Links links;
  for (py::ssize_t row = 0; row < cells.shape(0); ++row) {
    if (cells(row, 0) >= nodes || cells(row, 1) >= nodes)
      throw ConfigError("a link with a node that is not there");
    links.emplace_back(cells(row, 0), cells(row, 1));
  }
  const rounds::GraphMeasures measures = rounds::measure_graph(nodes, links, directed, sources, seed);
  return py::make_tuple(measures.clustering, measures.shortest_path, measures.reached);
}

py::tuple broadcast(rounds::PlumtreeRounds& net, NodeNumber source) {
  if (source >= net.size() || !net.runs(source))
    throw ConfigError("broadcast: node " + std::to_string(source) + " does not run");
  const rounds::BroadcastOutcome outcome = net.broadcast(source);
  return py::make_tuple(outcome.delivered, outcome.payload, outcome.control, outcome.last_hop);
}

}  // namespace

void bind_rounds(py::module_& module) {
  module.def("spread_rumor", &spread_rumor);
  module.def("measure_graph", &measure_graph);
  py::class_<rounds::CyclonRounds>(module, "CyclonRounds")
      .def(py::init([](NodeNumber nodes, const py::dict& config, const std::string& start,
                       std::uint64_t seed) {
        return std::make_unique<rounds::CyclonRounds>(nodes, cyclon_from(config), start_from(start), seed);
      }))
      .def("run", &rounds::CyclonRounds::run)
      .def("links", [](const rounds::CyclonRounds& net) { return table_of(net.links()); });
  py::class_<rounds::PlumtreeRounds>(module, "PlumtreeRounds")
      .def(py::init(
          [](NodeNumber nodes, const py::dict& membership, const py::dict& config, std::uint64_t seed) {
            return std::make_unique<rounds::PlumtreeRounds>(nodes, hyparview_from(membership),
                                                            plumtree_from(config), seed);
          }))
      .def("run", &rounds::PlumtreeRounds::run)
      .def("fail", &rounds::PlumtreeRounds::fail)
      .def("draw_alive", &rounds::PlumtreeRounds::draw_alive)
      .def_property_readonly("alive", &rounds::PlumtreeRounds::alive)
      .def("broadcast", &broadcast)
      .def("links", [](const rounds::PlumtreeRounds& net) { return table_of(net.links()); });
}

}  // namespace mesocosm::python
