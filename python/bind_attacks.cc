// Attacks for Python: adversaries of one mind, added to a World and told when to do what. The package checks what people
// type.
#include <pybind11/numpy.h>
#include <pybind11/pybind11.h>
#include <pybind11/stl.h>

#include "attacks/censor/censor.h"
#include "attacks/degrade/degrade.h"
#include "attacks/gossip/adversary.h"
#include "attacks/graft_flood/graft_flood.h"
#include "attacks/ihave_spam/ihave_spam.h"
#include "attacks/invalid_flood/invalid_flood.h"
#include "attacks/iwant_spam/iwant_spam.h"
#include "attacks/slow_validation/slow_validation.h"
#include "python/bind.h"
#include "python/config.h"
#include "python/dict.h"
#include "sim/run/world.h"

namespace py = pybind11;

namespace mesocosm::python {
namespace {

using attacks::Invalidity;
using attacks::Mind;
using attacks::Mischief;
using attacks::Phase;
using Indices = py::array_t<std::uint32_t, py::array::c_style | py::array::forcecast>;

// An attack's class with these arguments, for each adversary that asks or for all together.
template <class T, class... Args>
Mind::MischiefFactory makes(Args... args) {
  return [args...] { return std::make_shared<T>(args...); };
}

std::vector<PeerId> peers_of(const World& world, const Indices& nodes) {
  std::vector<PeerId> peers;
  for (py::ssize_t i = 0; i < nodes.size(); ++i) peers.push_back(world.peer_id(nodes.data()[i]));
  return peers;
}

Invalidity invalidity_from(const std::string& name) {
  if (name == "signature") return Invalidity::signature;
  if (name == "unsigned") return Invalidity::unsigned_;
  if (name == "application") return Invalidity::application;
  throw ConfigError("attack: no kind of invalid message '" + name + "'");
}

// Plain numbers are taken out of Python's dict now; adversaries are made later, without Python.
Mind::MischiefFactory mischief_from(World& world, const py::dict& config) {
  using namespace attacks;
  const auto kind = get<std::string>(config, "kind");
  if (kind == "degrade") return makes<Degrade>(get<double>(config, "drop"));
  if (kind == "censor") return makes<Censor>(peers_of(world, get<Indices>(config, "authors")));
  const Duration beat = duration(config, "beat_ns");
  const auto rate = get<std::uint32_t>(config, "rate");
  if (kind == "ihave spam") return makes<IHaveSpam>(rate, beat);
  if (kind == "iwant spam") return makes<IWantSpam>(rate, beat);
  if (kind == "graft flood") return makes<GraftFlood>(rate, beat);
  if (kind == "invalid flood") {
    const Invalidity invalid = invalidity_from(get<std::string>(config, "invalidity"));
    TrapMark mark = {};
    if (invalid == Invalidity::application) mark = world.add_weakness({.verdict = Validation::reject});
    return makes<InvalidFlood>(invalid, rate, get<std::size_t>(config, "size"), beat, mark);
  }
  if (kind == "slow validation") {
    TrapMark mark = {};
    if (rate > 0) mark = world.add_weakness({.work = duration(config, "work_ns")});
    return makes<SlowValidation>(duration(config, "delay_ns"), rate, get<std::size_t>(config, "size"), beat,
                                 mark);
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
    // Adversaries write as their targets do.
    const auto& pubsub = world.kind(get<Indices>(config, "targets").at(0)).gossipsub;
    params.sign = !pubsub || pubsub->signature_policy == SignaturePolicy::strict_sign;
    mind_ =
        std::make_shared<Mind>(std::move(params), mischief_from(world, get<py::dict>(config, "mischief")));
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
