// The middlebox core for Python, packet by packet: what tests hold against real middleboxes.
#include <string>

#include <pybind11/pybind11.h>
#include <pybind11/stl.h>

#include "python/bind.h"
#include "python/config.h"

namespace py = pybind11;

namespace mesocosm::python {
namespace {

Endpoint endpoint(const std::string& text) {
  const auto parsed = Endpoint::parse(text);
  if (!parsed) throw ConfigError(parsed.error().message());
  return *parsed;
}

Nat make_nat(const py::dict& config, const std::string& external, std::uint64_t seed) {
  const NatConfig box = nat_from(config);
  if (const auto valid = box.validate(); !valid) throw ConfigError(valid.error().detail);
  const auto address = IpAddress::parse(external);
  if (!address) throw ConfigError(address.error().message());
  return {box, *address, Rng(seed)};
}

// `flags`: any of "S", "A", "F", "R".
NatPacket packet(const std::string& protocol, const std::string& from, const std::string& to,
                 const std::string& flags) {
  const auto has = [&](char flag) { return flags.find(flag) != std::string::npos; };
  return {protocol == "tcp" ? IpProtocol::tcp : IpProtocol::udp,
          endpoint(from),
          endpoint(to),
          has('S'),
          has('A'),
          has('F'),
          has('R')};
}

// ("forward", source, destination), or ("drop" or "refuse", reason, "").
py::tuple result(const NatDecision& decision) {
  if (decision.action == NatAction::forward) {
    return py::make_tuple("forward", decision.source.to_string(), decision.destination.to_string());
  }
  return py::make_tuple(decision.action == NatAction::drop ? "drop" : "refuse",
                        std::string(to_string(decision.reason)), "");
}

}  // namespace

void bind_nat(py::module_& module) {
  py::class_<Nat>(module, "Nat")
      .def(py::init(&make_nat))
      .def("outbound",
           [](Nat& nat, std::int64_t now_ns, const std::string& protocol, const std::string& from,
              const std::string& to, const std::string& flags) {
             return result(nat.outbound(Time(Duration(now_ns)), packet(protocol, from, to, flags)));
           })
      .def("inbound", [](Nat& nat, std::int64_t now_ns, const std::string& protocol, const std::string& from,
                         const std::string& to, const std::string& flags) {
        return result(nat.inbound(Time(Duration(now_ns)), packet(protocol, from, to, flags)));
      });
}

}  // namespace mesocosm::python
