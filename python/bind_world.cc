// World for Python: plain numbers, dicts and numpy arrays in, plain numbers out. The package checks what
// people type; here only what the core refuses remains.
#include <pybind11/numpy.h>
#include <pybind11/pybind11.h>
#include <pybind11/stl.h>

#include "python/bind.h"
#include "python/config.h"
#include "sim/run/churn.h"
#include "sim/run/fault_script.h"
#include "sim/run/ranked_run.h"
#include "sim/run/world.h"

namespace py = pybind11;

namespace mesocosm::python {
namespace {

using Indices = py::array_t<std::uint32_t, py::array::c_style | py::array::forcecast>;

std::span<const NodeIndex> span_of(const Indices& indices) {
  return {indices.data(), static_cast<std::size_t>(indices.size())};
}

py::array_t<std::uint32_t> array_of(const std::vector<NodeIndex>& indices) {
  return py::array_t<std::uint32_t>(static_cast<py::ssize_t>(indices.size()), indices.data());
}

py::array_t<std::uint32_t> array_of(const std::vector<Edge>& edges) {
  py::array_t<std::uint32_t> table({static_cast<py::ssize_t>(edges.size()), py::ssize_t{2}});
  auto cells = table.mutable_unchecked<2>();
  for (py::ssize_t row = 0; row < cells.shape(0); ++row) {
    cells(row, 0) = edges[static_cast<std::size_t>(row)].first;
    cells(row, 1) = edges[static_cast<std::size_t>(row)].second;
  }
  return table;
}

std::int64_t nanoseconds(Time time) { return time.time_since_epoch().count(); }

std::unique_ptr<World> make_world(const std::string& backend, const std::string& stack, std::uint64_t seed,
                                  const py::dict& internet, const std::string& data_folder,
                                  std::uint16_t port) {
  if (backend == "packet") return World::packet(seed, internet_from(internet), data_folder, join_ranks());
  if (launched_processes() > 1) {
    throw ConfigError(
        "mpirun started several processes, and only packet worlds can be run by several: backend " + backend);
  }
  if (backend == "real") return World::real(seed, port);
  return World::flow(seed, stack == "collapsed" ? StackKind::collapsed : StackKind::full,
                     internet_from(internet), data_folder);
}

void observe(World& world, std::int64_t metrics_every_ns, const std::string& log, const std::string& log_file,
             const std::string& log_format, const std::string& scrape_page) {
  world.observe({Duration(metrics_every_ns), log, log_file, log_format, scrape_page});
}

NodeIndex add(World& world, std::uint32_t count, const py::dict& config, std::int64_t start_ns) {
  const auto first = static_cast<NodeIndex>(world.size());
  const NodeKind node = node_from(config, world);
  std::vector<NodeIndex> added;
  for (std::uint32_t i = 0; i < count; ++i) added.push_back(world.add_node(node));
  world.join_at(added, Time(Duration(start_ns)));
  return first;
}

void bootstrap(World& world, const Indices& table, std::int64_t within_ns, std::int64_t redial_ns) {
  const auto cells = table.unchecked<2>();
  std::vector<Edge> edges;
  edges.reserve(static_cast<std::size_t>(cells.shape(0)));
  for (py::ssize_t row = 0; row < cells.shape(0); ++row) edges.emplace_back(cells(row, 0), cells(row, 1));
  world.bootstrap(std::move(edges), Duration(within_ns), Duration(redial_ns));
}

py::dict place(const World& world, NodeIndex node) {
  const HostInfo info = world.place(node);
  py::dict result;
  result["country"] = std::string(info.country);
  result["city"] = std::string(info.city);
  result["region"] = std::string(info.region);
  result["asn"] = info.asn;
  result["address"] = world.ip(node);
  result["hosting"] = info.hosting;
  return result;
}

FaultEffect effect_from(const std::string& name) {
  if (name == "blackhole") return FaultEffect::blackhole;
  if (name == "refuse") return FaultEffect::refuse;
  throw ConfigError("effect must be blackhole or refuse, not '" + name + "'");
}

Faults::Id cut(World& world, const Indices& from, const Indices& to, const std::string& effect,
               bool one_way) {
  return world.fault("cut", {.effect = effect_from(effect),
                             .both_ways = !one_way,
                             .paths = Fault::between(span_of(from), span_of(to))});
}

Faults::Id partition(World& world, const std::vector<Indices>& groups, const std::string& effect) {
  std::vector<Fault::Hosts> spans;
  spans.reserve(groups.size());
  for (const Indices& group : groups) spans.push_back(span_of(group));
  return world.fault("partition", {.effect = effect_from(effect), .paths = Fault::among(spans)});
}

Faults::Id delay(World& world, const Indices& from, const Indices& to, std::int64_t by_ns, bool one_way) {
  return world.fault("delay", {.effect = FaultEffect::delay,
                               .delay = Duration(by_ns),
                               .both_ways = !one_way,
                               .paths = Fault::between(span_of(from), span_of(to))});
}

Faults::Id loss(World& world, const Indices& from, const Indices& to, double share, bool one_way) {
  return world.fault("loss", {.effect = FaultEffect::loss,
                              .share = share,
                              .both_ways = !one_way,
                              .paths = Fault::between(span_of(from), span_of(to))});
}

void churn(World& world, const Indices& nodes, const py::dict& session, const py::object& downtime,
           bool new_identity, bool leave, std::int64_t start_ns, std::int64_t until_ns) {
  ChurnPlan plan{session_from(session)};
  if (!downtime.is_none()) plan.downtime = session_from(downtime.cast<py::dict>());
  plan.identity = new_identity ? Identity::fresh : Identity::keep;
  plan.leave = leave;
  plan.start = Time(Duration(start_ns));
  if (until_ns >= 0) plan.until = Time(Duration(until_ns));
  world.churn(span_of(nodes), plan);
}

std::uint32_t fail_points(World& world, const std::string& name, const Indices& nodes, double probability,
                          std::uint64_t first, std::uint64_t times) {
  const auto point = FaultPoints::find(name);
  if (!point) throw ConfigError("there is no fault point " + name);
  return world.fail({*point, probability, first, times}, span_of(nodes));
}

std::string hex(std::uint64_t value) {
  std::array<std::uint8_t, 8> octets{};
  for (std::size_t i = 0; i < octets.size(); ++i)
    octets[i] = static_cast<std::uint8_t>(value >> (56 - 8 * i));
  return to_hex(octets);
}

World::Action action_of(py::function function) {
  return [function = std::move(function)] { function(); };
}

}  // namespace

void bind_world(py::module_& module) {
  module.def("fault_points", [] {
    py::dict points;
    for (const auto& one : FaultPoints::all())
      points[py::str(std::string(one.name))] = std::string(one.effect);
    return points;
  });
  py::class_<World>(module, "World")
      .def(py::init(&make_world))
      .def("observe", &observe)
      .def("use_ipv6", &World::use_ipv6)
      .def("add", &add)
      .def("put_behind", [](World& w, const py::dict& box,
                            const Indices& nodes) { w.put_behind(nat_from(box), span_of(nodes)); })
      .def_property_readonly("size", &World::size)
      .def("attach", &World::attach)
      .def("address", [](World& w, NodeIndex node) { return w.address(node).to_string(); })
      .def_property_readonly("lateness",
                             [](const World& w) {
                               const Lateness late = w.lateness();
                               return py::make_tuple(late.batches, late.over_1ms, late.total.count(),
                                                     late.most.count());
                             })
      .def("capture", [](World& w, const Indices& nodes, const std::string& folder,
                         bool keys) { w.capture(span_of(nodes), folder, keys); })
      .def("peer_id", [](const World& w, NodeIndex node) { return w.peer_id(node).to_string(); })
      .def("place", &place)
      .def("start", &World::start)
      .def("bootstrap", &bootstrap)
      .def("subscribe",
           [](World& w, const Indices& nodes, const std::string& topic) {
             for (NodeIndex node : span_of(nodes)) w.subscribe(node, topic);
           })
      .def("unsubscribe",
           [](World& w, const Indices& nodes, const std::string& topic) {
             for (NodeIndex node : span_of(nodes)) w.unsubscribe(node, topic);
           })
      .def("publish",
           [](World& w, const Indices& nodes, const std::string& topic, const py::bytes& data) {
             const Bytes bytes = Bytes::copy(std::string_view(data));
             for (NodeIndex node : span_of(nodes)) w.publish(node, topic, bytes);
           })
      .def("publish_random",
           [](World& w, const Indices& nodes, const std::string& topic, std::size_t size) {
             for (NodeIndex node : span_of(nodes)) w.publish_random(node, topic, size);
           })
      .def("crash",
           [](World& w, const Indices& nodes) {
             for (NodeIndex node : span_of(nodes)) w.crash(node);
           })
      .def("leave",
           [](World& w, const Indices& nodes) {
             for (NodeIndex node : span_of(nodes)) w.leave(node);
           })
      .def("restart",
           [](World& w, const Indices& nodes, bool new_identity) {
             const Identity identity = new_identity ? Identity::fresh : Identity::keep;
             for (NodeIndex node : span_of(nodes)) w.restart(node, identity);
           })
      .def("up",
           [](const World& w, const Indices& nodes) {
             std::vector<NodeIndex> there;
             for (NodeIndex node : span_of(nodes)) {
               if (w.up(node)) there.push_back(node);
             }
             return array_of(there);
           })
      .def("cut", &cut)
      .def("partition", &partition)
      .def("delay", &delay)
      .def("loss", &loss)
      .def("churn", &churn)
      .def("fail", &fail_points)
      .def("end_fail", &World::end_fail)
      .def("fired", &World::fired)
      .def("tell", &World::tell)
      .def("heal", py::overload_cast<>(&World::heal))
      .def("heal", py::overload_cast<Faults::Id>(&World::heal))
      .def("call_at", [](World& w, std::int64_t at,
                         py::function f) { w.call_at(Time(Duration(at)), action_of(std::move(f))); })
      .def("call_every",
           [](World& w, std::int64_t first, std::int64_t interval, py::function f) {
             w.call_every(Time(Duration(first)), Duration(interval), action_of(std::move(f)));
           })
      .def("sample", [](World& w, const Indices& group,
                        std::size_t n) { return array_of(w.sample(span_of(group), n)); })
      .def("random_overlay", [](const World& w, const Indices& group,
                                std::size_t n) { return array_of(w.overlay(span_of(group), n)); })
      .def_property_readonly("rank", &World::rank)
      .def_property_readonly("processes", &World::processes)
      .def_property_readonly("data_hash", [](const World& w) { return hex(w.data_hash()); })
      .def_property_readonly("scrape_page",
                             [](const World& w) -> std::optional<std::string> {
                               const auto at = w.scrape_page();
                               return at ? std::optional(at->to_string()) : std::nullopt;
                             })
      .def_property_readonly("now_ns", [](const World& w) { return nanoseconds(w.now()); })
      .def("advance", [](World& w, std::int64_t until,
                         double wall) { return w.advance(Time(Duration(until)), from_seconds(wall)); })
      .def("finish", &World::finish);
}

}  // namespace mesocosm::python
