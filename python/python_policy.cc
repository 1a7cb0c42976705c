#include "python/python_policy.h"

#include <array>
#include <optional>
#include <string>
#include <utility>

#include <pybind11/stl.h>

#include "python/variant_view.h"

namespace py = pybind11;

namespace mesocosm::python {
namespace {

enum Hook : std::uint8_t {
  kScore,
  kChooseMesh,
  kChooseGossip,
  kChoosePush,
  kWants,
  kOnRpc,
  kOnHeartbeat,
  kOnWake,
  kOnControl,
  kOnPeerAdded,
  kOnPeerRemoved,
  kOnGrafted,
  kOnPruned,
  kOnDelivered,
  kOnDuplicate,
  kOnRejected,
  kOnPenalty,
  kHooks
};
constexpr std::array<const char*, kHooks> kHookNames = {
    "score",        "choose_mesh",  "choose_gossip", "choose_push",   "wants",           "on_rpc",
    "on_heartbeat", "on_wake",      "on_control",    "on_peer_added", "on_peer_removed", "on_grafted",
    "on_pruned",    "on_delivered", "on_duplicate",  "on_rejected",   "on_penalty"};

const char* name_of(PartKind kind) {
  static constexpr std::array<const char*, 6> kNames = {"subscription", "message", "ihave",
                                                        "iwant",        "graft",   "prune"};
  const auto index = static_cast<std::size_t>(kind);
  return index < kNames.size() ? kNames[index] : "other";
}

// What all nodes of one kind share.
struct Kind {
  std::function<void(std::exception_ptr)> failed;
  bool broken = false;  // a hook raised something
};

class PythonPolicy final : public GossipSubPolicy {
 public:
  PythonPolicy(py::object variant, std::unique_ptr<GossipSubPolicy> base, std::shared_ptr<Kind> kind)
      : kind_(std::move(kind)),
        base_(std::move(base)),
        view_object_(py::cast(std::make_unique<VariantView>(*base_))),
        view_(view_object_.cast<VariantView&>()),
        name_(py::str(py::type::of(variant).attr("__name__"))) {
    const py::object standard = py::module_::import("mesocosm.variant").attr("Variant");
    for (std::size_t hook = 0; hook < kHooks; ++hook) {
      const py::object own = py::getattr(py::type::of(variant), kHookNames[hook]);
      if (!own.is(py::getattr(standard, kHookNames[hook])))
        hooks_[hook] = py::getattr(variant, kHookNames[hook]);
    }
  }

  double score(GossipSubCore& core, PeerIndex peer) override {
    if (!replaced(kScore)) return base_->score(core, peer);
    std::optional<double> score;
    run(kScore, core, kNoTopic,
        [&](const py::object& hook) { score = read<double>(hook(view_object_, peer), kScore, "a number"); });
    return score ? *score : base_->score(core, peer);
  }

  void choose_mesh(GossipSubCore& core, TopicIndex topic, Time now, MeshChange& change) override {
    if (!replaced(kChooseMesh)) return base_->choose_mesh(core, topic, now, change);
    run(kChooseMesh, core, topic, [&](const py::object& hook) {
      auto [graft, prune] = read<std::pair<PeerList, PeerList>>(hook(view_object_), kChooseMesh,
                                                                "(graft, prune), two lists of peers");
      for (const PeerIndex peer : graft) check_graft(core, core.topic(topic), peer);
      change.graft = std::move(graft);
      change.prune = std::move(prune);
    });
  }

  void choose_gossip(GossipSubCore& core, TopicIndex topic, PeerList& peers) override {
    if (!replaced(kChooseGossip)) return base_->choose_gossip(core, topic, peers);
    run(kChooseGossip, core, topic,
        [&](const py::object& hook) { peers = among(peers, hook(view_object_, peers), kChooseGossip); });
  }

  void choose_push(GossipSubCore& core, const OutgoingMessage& message, PeerList& peers) override {
    if (!replaced(kChoosePush)) return base_->choose_push(core, message, peers);
    run(kChoosePush, core, message.topic, [&](const py::object& hook) {
      const VariantMessage shown{.id = std::string(as_text(message.id)),
                                 .hash = message.hash,
                                 .size = message.payload,
                                 .from = message.from};
      peers = among(peers, hook(view_object_, peers, shown), kChoosePush);
    });
  }

  bool wants(GossipSubCore& core, PeerIndex from, std::uint64_t hash, ByteView id) override {
    if (!replaced(kWants)) return base_->wants(core, from, hash, id);
    bool wanted = true;
    run(kWants, core, kNoTopic, [&](const py::object& hook) {
      wanted = read<bool>(hook(view_object_, from, bytes_of(id)), kWants, "True or False");
    });
    return wanted;
  }

  bool on_rpc(GossipSubCore& core, PeerIndex from, Rpc rpc, Time now) override {
    if (!base_->on_rpc(core, from, rpc, now)) return false;
    if (!replaced(kOnRpc)) return true;
    bool taken = true;
    run(kOnRpc, core, kNoTopic, [&](const py::object& hook) {
      py::list parts;
      for (const RpcPart& part : rpc) parts.append(py::make_tuple(name_of(part.kind), bytes_of(part.body())));
      taken = !hook(view_object_, from, parts).is(py::bool_(false));
    });
    return taken;
  }

  Result<> on_control(GossipSubCore& core, PeerIndex from, const RpcPart& part, Time now) override {
    if (!replaced(kOnControl)) return base_->on_control(core, from, part, now);
    bool allowed = true;
    run(kOnControl, core, kNoTopic, [&](const py::object& hook) {
      allowed = !hook(view_object_, from, part.field, bytes_of(part.body())).is(py::bool_(false));
    });
    return allowed ? Result<>()
                   : fail(ErrorCode::protocol_violation, "the variant refuses a control message");
  }

  void on_heartbeat(GossipSubCore& core, Time now) override {
    base_->on_heartbeat(core, now);
    tell(kOnHeartbeat, core, kNoTopic);
  }
  void on_wake(GossipSubCore& core, Time now) override {
    base_->on_wake(core, now);
    tell(kOnWake, core, kNoTopic);
  }
  void on_peer_added(GossipSubCore& core, PeerIndex peer) override {
    base_->on_peer_added(core, peer);
    tell(kOnPeerAdded, core, kNoTopic, peer);
  }
  void on_peer_removed(GossipSubCore& core, PeerIndex peer) override {
    base_->on_peer_removed(core, peer);
    tell(kOnPeerRemoved, core, kNoTopic, peer);
  }
  void on_grafted(GossipSubCore& core, TopicIndex topic, PeerIndex peer) override {
    base_->on_grafted(core, topic, peer);
    tell(kOnGrafted, core, topic, peer);
  }
  void on_pruned(GossipSubCore& core, TopicIndex topic, PeerIndex peer) override {
    base_->on_pruned(core, topic, peer);
    tell(kOnPruned, core, topic, peer);
  }
  void on_delivered(GossipSubCore& core, TopicIndex topic, PeerIndex peer, std::uint64_t message) override {
    base_->on_delivered(core, topic, peer, message);
    tell(kOnDelivered, core, topic, peer, message);
  }
  void on_duplicate(GossipSubCore& core, TopicIndex topic, PeerIndex peer, std::uint64_t message) override {
    base_->on_duplicate(core, topic, peer, message);
    tell(kOnDuplicate, core, topic, peer, message);
  }
  void on_rejected(GossipSubCore& core, PeerIndex peer, ErrorCode why) override {
    base_->on_rejected(core, peer, why);
    tell(kOnRejected, core, kNoTopic, peer, to_string(why));
  }
  void on_penalty(GossipSubCore& core, PeerIndex peer, unsigned count) override {
    base_->on_penalty(core, peer, count);
    tell(kOnPenalty, core, kNoTopic, peer, count);
  }

 private:
  static py::bytes bytes_of(ByteView view) { return py::bytes(std::string(as_text(view))); }

  bool replaced(Hook hook) const { return hooks_[hook] && !kind_->broken; }

  // Runs a hook; what it raises ends the run.
  template <class Body>
  void run(Hook hook, GossipSubCore& core, TopicIndex topic, Body&& body) {
    const VariantView::Use use(view_, core, topic);
    try {
      body(hooks_[hook]);
    } catch (...) {
      kind_->broken = true;
      kind_->failed(std::current_exception());
    }
  }

  template <class... Arguments>
  void tell(Hook hook, GossipSubCore& core, TopicIndex topic, const Arguments&... arguments) {
    if (!replaced(hook)) return;
    run(hook, core, topic, [&](const py::object& method) { method(view_object_, arguments...); });
  }

  // What a hook returned, or TypeError.
  template <class T>
  T read(const py::object& returned, Hook hook, const std::string& expected) const {
    try {
      return returned.cast<T>();
    } catch (const py::cast_error&) {
      throw py::type_error(name_ + "." + kHookNames[hook] + " must return " + expected + ", not " +
                           std::string(py::repr(returned)));
    }
  }

  PeerList among(const PeerList& offered, const py::object& returned, Hook hook) const {
    PeerList chosen = read<PeerList>(returned, hook, "a list of peers");
    for (const PeerIndex peer : chosen) {
      if (std::find(offered.begin(), offered.end(), peer) != offered.end()) continue;
      throw py::value_error(name_ + "." + kHookNames[hook] + " chose peer " + std::to_string(peer) +
                            ", who was not among those to choose from");
    }
    return chosen;
  }

  void check_graft(const GossipSubCore& core, const GossipSubCore::Topic& topic, PeerIndex peer) const {
    const std::string who = name_ + ".choose_mesh grafts peer " + std::to_string(peer) + ", who is ";
    if (!topic.peers.contains(peer)) throw py::value_error(who + "not in the topic");
    if (core.peer(peer).direct) throw py::value_error(who + "an explicit peer, and never in a mesh");
  }

  std::shared_ptr<Kind> kind_;
  std::unique_ptr<GossipSubPolicy> base_;
  py::object view_object_;  // outlives this if the variant keeps it, and is good for nothing then
  VariantView& view_;
  std::string name_;
  std::array<py::object, kHooks> hooks_;  // bound methods; null: not replaced
};

}  // namespace

GossipSubPolicyFactory python_policy(py::object variant, GossipSubPolicyFactory base,
                                     std::function<void(std::exception_ptr)> failed) {
  const auto kind = std::make_shared<Kind>(Kind{.failed = std::move(failed)});
  const bool is_class = PyType_Check(variant.ptr()) != 0;
  const py::object make = is_class ? variant : py::module_::import("copy").attr("deepcopy");
  return [variant, make, is_class, base = std::move(base), kind]() -> std::unique_ptr<GossipSubPolicy> {
    return std::make_unique<PythonPolicy>(is_class ? make() : make(variant),
                                          base ? base() : std::make_unique<GossipSubPolicy>(), kind);
  };
}

}  // namespace mesocosm::python
