// Attacks for Python: adversaries of one mind, added to a World and told when to do what. The package checks what people
// type.
#include <pybind11/numpy.h>
#include <pybind11/pybind11.h>
#include <pybind11/stl.h>

#include "attacks/degrade/degrade.h"
#include "attacks/gossip/adversary.h"
#include "python/bind.h"
#include "python/config.h"
#include "sim/run/world.h"

namespace py = pybind11;

namespace mesocosm::python {
namespace {

using attacks::Mind;
using attacks::Mischief;
using attacks::Phase;
using Indices = py::array_t<std::uint32_t, py::array::c_style | py::array::forcecast>;

template <class T>
T get(const py::dict& config, const char* key) {
  if (!config.contains(key)) throw ConfigError(std::string("attack: missing configuration: ") + key);
  return config[key].cast<T>();
}

Duration duration(const py::dict& config, const char* key) {
  return Duration(get<std::int64_t>(config, key));
}

// Plain numbers are taken out of Python's dict now; adversaries are made later, without Python.
Mind::MischiefFactory mischief_from(const py::dict& config) {
  const auto kind = get<std::string>(config, "kind");
  if (kind == "degrade") {
    return [drop = get<double>(config, "drop")] { return std::make_shared<attacks::Degrade>(drop); };
  }
  throw ConfigError("attack: unknown mischief '" + kind + "'");
}

Phase phase_from(const std::string& name) {
  if (name == "behaving") return Phase::behaving;
  if (name == "attacking") return Phase::attacking;
  if (name == "over") return Phase::over;
  throw ConfigError("attack: no phase '" + name + "'");
}

// Nodes [first, first + count) of a World, which outlives it.
class Attack {
 public:
  Attack(World& world, std::uint32_t count, const py::dict& node, const py::dict& config)
      : world_(world), first_(static_cast<NodeIndex>(world.size())), count_(count) {
    attacks::AdversaryParams params;
    params.topics = get<std::vector<std::string>>(config, "topics");
    params.mesh = get<std::uint32_t>(config, "mesh");
    params.regraft_backoff = duration(config, "regraft_backoff_ns");
    params.regraft_jitter = duration(config, "regraft_jitter_ns");
    params.seen_ttl = duration(config, "seen_ttl_ns");
    params.shared = get<bool>(config, "shared");
    mind_ = std::make_shared<Mind>(std::move(params), mischief_from(get<py::dict>(config, "mischief")));
    NodeKind kind = node_from(node, world);
    kind.pubsub = attacks::recruit(mind_);
    for (std::uint32_t i = 0; i < count; ++i) world.add_node(kind);
  }

  NodeIndex first() const { return first_; }
  void enter(const std::string& phase) { mind_->enter(phase_from(phase)); }
  // Each adversary dials so many of the targets.
  void dial(const Indices& targets, std::size_t connections, std::int64_t within_ns) {
    std::vector<NodeIndex> adversaries;
    for (std::uint32_t i = 0; i < count_; ++i) adversaries.push_back(first_ + i);
    const std::span<const NodeIndex> to(targets.data(), static_cast<std::size_t>(targets.size()));
    world_.bootstrap(world_.approaches(adversaries, to, connections), Duration(within_ns));
  }

 private:
  World& world_;
  NodeIndex first_;
  std::uint32_t count_;
  std::shared_ptr<Mind> mind_;
};

}  // namespace

void bind_attacks(py::module_& module) {
  py::class_<Attack>(module, "Attack")
      .def(py::init<World&, std::uint32_t, const py::dict&, const py::dict&>(), py::keep_alive<1, 2>())
      .def_property_readonly("first", &Attack::first)
      .def("enter", &Attack::enter)
      .def("dial", &Attack::dial);
}

}  // namespace mesocosm::python
