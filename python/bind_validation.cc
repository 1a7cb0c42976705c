// Validators for Python: functions that judge the messages which nodes of a World get.
#include <optional>
#include <string>
#include <utility>

#include <pybind11/numpy.h>
#include <pybind11/pybind11.h>
#include <pybind11/stl.h>

#include "python/bind.h"
#include "sim/run/world.h"

namespace py = pybind11;

namespace mesocosm::python {
namespace {

using Indices = py::array_t<std::uint32_t, py::array::c_style | py::array::forcecast>;

// A message that came to a node and waits for its word. Good for as long as it is kept.
struct Arrival {
  NodeIndex node;
  double time;
  std::string topic;
  Bytes payload;
  std::optional<NodeIndex> sender, author;
};

std::optional<NodeIndex> author_of(World& world, const Message& message) {
  const auto peer = PeerId::decode(message.from);
  return peer ? world.find(*peer) : std::nullopt;
}

// `ask` is the package's: an Arrival in, (accept | reject | ignore as 0, 1, 2; nanoseconds or None) out.
Ruling ask_python(World& world, const py::function& ask, NodeIndex node, const Message& message,
                  const PeerId& from) {
  Arrival arrival{.node = node,
                  .time = to_seconds(world.now().time_since_epoch()),
                  .topic = std::string(as_text(message.topic)),
                  .payload = message.payload(),
                  .sender = world.find(from),
                  .author = author_of(world, message)};
  const auto [verdict, work] =
      ask(std::move(arrival)).cast<std::pair<std::uint8_t, std::optional<std::int64_t>>>();
  return {.verdict = static_cast<Validation>(verdict),
          .work = work ? std::optional(Duration(*work)) : std::nullopt};
}

void validate(World& world, const Indices& nodes, const std::string& topic,
              const std::optional<py::function>& ask) {
  std::shared_ptr<const Judge> judge;
  if (ask) {
    judge = std::make_shared<const Judge>(
        [&world, ask = *ask](NodeIndex node, const Message& message, const PeerId& from) {
          return ask_python(world, ask, node, message, from);
        });
  }
  for (py::ssize_t i = 0; i < nodes.size(); ++i) world.judge(nodes.data()[i], topic, judge);
}

}  // namespace

void bind_validation(py::module_& module) {
  module.def("validate", &validate);
  py::class_<Arrival>(module, "Arrival")
      .def_readonly("node", &Arrival::node)
      .def_readonly("time", &Arrival::time)
      .def_readonly("topic", &Arrival::topic)
      .def_property_readonly("data",
                             [](const Arrival& a) { return py::bytes(std::string(as_text(a.payload))); })
      .def_property_readonly("size", [](const Arrival& a) { return a.payload.size(); })
      .def_readonly("sender", &Arrival::sender)
      .def_readonly("author", &Arrival::author);
}

}  // namespace mesocosm::python
