// A node on real sockets, and its keys, for Python. Errors are ConfigError (what was asked for cannot be) or
// RunError (the machine or the network says no).
#include <array>

#include <pybind11/pybind11.h>
#include <pybind11/stl.h>

#include "python/bind.h"
#include "python/config.h"
#include "python/real_node.h"
#include "sim/run/world.h"

namespace py = pybind11;

namespace mesocosm::python {
namespace {

constexpr Duration kSlice = 100ms;  // how long the node lives until Python looks for Ctrl-C

[[noreturn]] void raise(const Error& error) {
  switch (error.code) {
    case ErrorCode::bad_encoding:
    case ErrorCode::unsupported:
    case ErrorCode::too_large:
    case ErrorCode::limit:
      throw ConfigError(error.detail.empty() ? error.message() : error.detail);
    default:
      throw RunError(error.detail.empty() ? error.message() : error.detail);
  }
}

template <class T>
T value_of(Result<T> result) {
  if (!result) raise(result.error());
  if constexpr (!std::is_void_v<T>) return std::move(*result);
}

py::object to_python(const EventValue& value) {
  return std::visit(
      [](const auto& held) -> py::object {
        if constexpr (std::is_same_v<std::decay_t<decltype(held)>, Bytes>) {
          return py::bytes(held.text());
        } else {
          return py::cast(held);
        }
      },
      value);
}

py::dict to_python(const RealEvent& event) {
  py::dict result;
  result["event"] = py::str(std::string(event.kind));
  for (const auto& [name, value] : event.fields) result[py::str(std::string(name))] = to_python(value);
  return result;
}

KeyPair key_of(const py::bytes& serialized) {
  auto key = KeyPair::decode(Bytes::copy(std::string_view(serialized)));
  if (!key) throw ConfigError(key.error().message());
  return *key;
}

py::bytes make_key() {
  std::array<std::uint8_t, 32> seed;
  SystemEntropy().fill(seed);
  return py::bytes(KeyPair::from_seed(seed).serialized().text());
}

std::unique_ptr<RealNode> make_node(const std::optional<py::bytes>& key, std::vector<std::string> listen,
                                    const std::vector<std::string>& security, const std::string& log,
                                    const std::optional<std::string>& log_file, const std::string& log_format,
                                    const std::string& metrics) {
  RealNodeOptions options;
  if (key) options.key = key_of(*key);
  options.listen = std::move(listen);
  for (const std::string& name : security) options.securities.push_back(security_from(name));
  options.log = log;
  options.log_file = log_file.value_or("-");
  options.metrics = metrics;
  options.log_format = value_of(parse_log_format(log_format));
  return value_of(RealNode::make(options));
}

// Returns with what happened, at the latest after `wall` seconds. Ctrl-C is noticed within a slice.
py::list poll(RealNode& node, double wall) {
  std::vector<RealEvent> events;
  for (Duration left = from_seconds(wall);;) {
    {
      const py::gil_scoped_release released;
      events = node.poll(std::min(left, kSlice));
    }
    if (!events.empty()) break;
    if (PyErr_CheckSignals() != 0) throw py::error_already_set();
    left -= std::min(left, kSlice);
    if (left <= Duration::zero()) break;
  }
  py::list result;
  for (const RealEvent& event : events) result.append(to_python(event));
  return result;
}

}  // namespace

void bind_real_node(py::module_& module) {
  module.def("make_key", &make_key);
  module.def("peer_id_of_key", [](const py::bytes& key) { return key_of(key).peer_id().to_string(); });
  py::class_<RealNode>(module, "RealNode")
      .def(py::init(&make_node))
      .def_property_readonly("peer_id", &RealNode::peer_id)
      .def_property_readonly("addresses", &RealNode::addresses)
      .def_property_readonly("metrics", &RealNode::metrics)
      .def("dial", [](RealNode& node, const std::string& address) { return value_of(node.dial(address)); })
      .def("ping", [](RealNode& node, const std::string& peer) { value_of(node.ping(peer)); })
      .def("disconnect", [](RealNode& node, const std::string& peer) { value_of(node.disconnect(peer)); })
      .def("subscribe", [](RealNode& node, const std::string& topic) { value_of(node.subscribe(topic)); })
      .def("unsubscribe", &RealNode::unsubscribe)
      .def("publish",
           [](RealNode& node, const std::string& topic, const py::bytes& data) {
             value_of(node.publish(topic, as_bytes(std::string_view(data))));
           })
      .def("subscribers", &RealNode::subscribers)
      .def("connected", &RealNode::connected)
      .def("backlog", &RealNode::backlog)
      .def("read_lines", &RealNode::read_lines)
      .def("poll", &poll);
}

}  // namespace mesocosm::python
