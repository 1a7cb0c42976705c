#include "python/config_epidemics.h"

#include <string>

#include "python/dict.h"
#include "sim/run/world.h"
#include "stack/protocols/cyclon/cyclon.h"
#include "stack/protocols/plumtree/plumtree.h"
#include "stack/protocols/rumors/rumors.h"

namespace py = pybind11;

namespace mesocosm::python {
namespace {

BroadcastLimits limits_from(const py::dict& config) {
  BroadcastLimits limits;
  limits.seen_ttl = duration(config, "seen_ttl_ns");
  limits.max_message = get<std::uint32_t>(config, "max_message");
  return limits;
}

template <class Params>
Params checked(const char* name, Params params) {
  if (const auto valid = params.validate(); !valid)
    throw ConfigError(std::string(name) + ": " + valid.error().detail);
  return params;
}

RumorMode mode_from(const std::string& name) {
  if (name == "push") return RumorMode::push;
  if (name == "pull") return RumorMode::pull;
  if (name == "push-pull") return RumorMode::push_pull;
  throw ConfigError("Rumors: mode must be push, pull or push-pull, not '" + name + "'");
}

}  // namespace

RumorsParams rumors_from(const py::dict& config) {
  RumorsParams params;
  params.mode = mode_from(get<std::string>(config, "mode"));
  params.feedback = get<bool>(config, "feedback");
  params.counter = get<bool>(config, "counter");
  params.k = get<std::uint32_t>(config, "k");
  params.period = duration(config, "period_ns");
  params.limits = limits_from(config);
  return checked("Rumors", params);
}

HyParViewParams hyparview_from(const py::dict& config) {
  HyParViewParams params;
  params.active = get<std::uint32_t>(config, "active");
  params.passive = get<std::uint32_t>(config, "passive");
  params.active_walk = get<std::uint32_t>(config, "active_walk");
  params.passive_walk = get<std::uint32_t>(config, "passive_walk");
  params.shuffle_active = get<std::uint32_t>(config, "shuffle_active");
  params.shuffle_passive = get<std::uint32_t>(config, "shuffle_passive");
  params.period = duration(config, "period_ns");
  return checked("HyParView", params);
}

PlumtreeParams plumtree_from(const py::dict& config) {
  PlumtreeParams params;
  params.ihave_timeout = duration(config, "ihave_timeout_ns");
  params.graft_timeout = duration(config, "graft_timeout_ns");
  params.eager_only = get<bool>(config, "eager_only");
  params.optimize = get<std::uint32_t>(config, "threshold") > 0;
  if (params.optimize) params.threshold = get<std::uint32_t>(config, "threshold");
  params.limits = limits_from(config);
  return checked("Plumtree", params);
}

CyclonParams cyclon_from(const py::dict& config) {
  CyclonParams params;
  params.view = get<std::uint32_t>(config, "view");
  params.shuffle = get<std::uint32_t>(config, "shuffle");
  params.walk = get<std::uint32_t>(config, "walk");
  params.oldest = get<bool>(config, "oldest");
  params.period = duration(config, "period_ns");
  params.push_fanout = get<std::uint32_t>(config, "fanout");
  params.limits = limits_from(config);
  return checked("Cyclon", params);
}

PubSubFactory epidemic_from(const py::dict& config) {
  const auto protocol = get<std::string>(config, "protocol");
  if (protocol == "rumors") {
    return [params = rumors_from(config)](Env& env, Swarm& swarm, const KeyPair&) {
      return std::make_unique<Rumors>(env, swarm, params);
    };
  }
  if (protocol == "cyclon") {
    const CyclonParams params = cyclon_from(config);
    if (params.push_fanout > params.view) throw ConfigError("Cyclon: fanout must be at most the view's size");
    return [params](Env& env, Swarm& swarm, const KeyPair&) {
      return std::make_unique<Cyclon>(env, swarm, params);
    };
  }
  return [membership = hyparview_from(get<py::dict>(config, "membership")), params = plumtree_from(config)](
             Env& env, Swarm& swarm, const KeyPair&) {
    return std::make_unique<Plumtree>(env, swarm, membership, params);
  };
}

}  // namespace mesocosm::python
