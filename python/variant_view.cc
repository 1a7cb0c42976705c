#include "python/variant_view.h"

#include <pybind11/stl.h>

namespace py = pybind11;

namespace mesocosm::python {

GossipSubCore& VariantView::core() const {
  if (core_ == nullptr) throw py::value_error("a view is good only during the hook that it was given to");
  return *core_;
}

PeerIndex VariantView::peer(PeerIndex index) const {
  if (!core().usable(index)) throw py::value_error("there is no peer " + std::to_string(index));
  return index;
}

std::optional<std::string> VariantView::topic() const {
  if (topic_ == kNoTopic) return std::nullopt;
  return std::string(core().topic(topic_).name.text());
}

std::vector<std::string> VariantView::topics() const {
  std::vector<std::string> names;
  for (TopicIndex i = 0; i < core().topic_slots(); ++i) {
    if (core().topic(i).subscribed) names.emplace_back(core().topic(i).name.text());
  }
  return names;
}

TopicIndex VariantView::index_of(const std::optional<std::string>& topic) const {
  const TopicIndex index = topic ? core().find_topic(*topic) : topic_;
  if (core_ == nullptr) static_cast<void>(core());
  if (index != kNoTopic) return index;
  throw py::value_error(topic ? "nobody here subscribes to topic " + *topic
                              : "which topic? This hook has none");
}

PeerList VariantView::mesh(const std::optional<std::string>& topic) const {
  const PeerSet& mesh = core().topic(index_of(topic)).mesh;
  return {mesh.begin(), mesh.end()};
}

PeerList VariantView::members(const std::optional<std::string>& topic) const {
  const PeerSet& peers = core().topic(index_of(topic)).peers;
  return {peers.begin(), peers.end()};
}

PeerList VariantView::candidates(const std::optional<std::string>& topic) const {
  PeerList found;
  core().graft_candidates(index_of(topic), core().now(), found);
  return found;
}

PeerList VariantView::peers() const {
  PeerList list;
  for (PeerIndex i = 0; i < core().peer_slots(); ++i) {
    if (core().usable(i)) list.push_back(i);
  }
  return list;
}

void VariantView::send(PeerIndex to, std::uint32_t field, const std::string& body) {
  if (field < 6 || field > kMaxControlField) {
    throw py::value_error("control messages of a variant have numbers from 6 to " +
                          std::to_string(kMaxControlField) + ", not " + std::to_string(field));
  }
  if (body.size() > kMaxControlRpc) throw py::value_error("a control message of over 64 KiB");
  core().send(peer(to), make_control(field, Bytes::copy(body)));
}

void VariantView::send_ihave(PeerIndex to, const std::string& id, const std::optional<std::string>& topic) {
  core().send_ihave(peer(to), index_of(topic), as_bytes(id));
}

std::pair<PeerList, PeerList> VariantView::base_choose_mesh() {
  MeshChange change;
  base_.choose_mesh(core(), index_of(std::nullopt), core().now(), change);
  return {std::move(change.graft), std::move(change.prune)};
}

PeerList VariantView::base_choose_gossip(PeerList peers) {
  base_.choose_gossip(core(), index_of(std::nullopt), peers);
  return peers;
}

PeerList VariantView::base_choose_push(const VariantMessage& message, PeerList peers) {
  base_.choose_push(core(),
                    {.topic = index_of(std::nullopt),
                     .hash = message.hash,
                     .id = as_bytes(message.id),
                     .payload = message.size,
                     .from = message.from},
                    peers);
  return peers;
}

std::uint64_t VariantView::Draws::below(std::uint64_t bound) {
  if (bound == 0) throw py::value_error("there is no number below 0");
  return rng().below(bound);
}

py::list VariantView::Draws::sample(const py::iterable& items, std::size_t count) {
  std::vector<py::object> pool;
  for (const py::handle item : items) pool.push_back(py::reinterpret_borrow<py::object>(item));
  if (count < pool.size()) {
    for (std::size_t i = 0; i < count; ++i) std::swap(pool[i], pool[i + rng().below(pool.size() - i)]);
    pool.resize(count);
  }
  return py::cast(pool);
}

void VariantView::Draws::shuffle(py::list items) {
  auto pool = items.cast<std::vector<py::object>>();
  rng().shuffle(std::span(pool));
  for (std::size_t i = 0; i < pool.size(); ++i) items[i] = pool[i];
}

namespace {

constexpr auto kTopic = [] { return py::arg("topic") = py::none(); };

void bind_params(py::module_& module) {
  const auto seconds = [](auto member) {
    return [member](const GossipSubParams& params) { return to_seconds(params.*member); };
  };
  py::class_<GossipSubParams>(module, "VariantParams")
      .def_readonly("D", &GossipSubParams::d)
      .def_readonly("D_lo", &GossipSubParams::d_low)
      .def_readonly("D_hi", &GossipSubParams::d_high)
      .def_readonly("D_score", &GossipSubParams::d_score)
      .def_readonly("D_out", &GossipSubParams::d_out)
      .def_readonly("D_lazy", &GossipSubParams::d_lazy)
      .def_readonly("gossip_factor", &GossipSubParams::gossip_factor)
      .def_readonly("flood_publish", &GossipSubParams::flood_publish)
      .def_readonly("opportunistic_graft_ticks", &GossipSubParams::opportunistic_graft_ticks)
      .def_readonly("opportunistic_graft_peers", &GossipSubParams::opportunistic_graft_peers)
      .def_property_readonly("opportunistic_graft_threshold",
                             [](const GossipSubParams& p) { return p.thresholds.opportunistic_graft; })
      .def_property_readonly("heartbeat", seconds(&GossipSubParams::heartbeat))
      .def_property_readonly("prune_backoff", seconds(&GossipSubParams::prune_backoff));
}

}  // namespace

void bind_variant_view(py::module_& module) {
  bind_params(module);
  py::class_<VariantMessage>(module, "VariantMessage")
      .def_property_readonly("id", [](const VariantMessage& m) { return py::bytes(m.id); })
      .def_readonly("hash", &VariantMessage::hash)
      .def_readonly("size", &VariantMessage::size)
      .def_property_readonly("sender", [](const VariantMessage& m) -> std::optional<PeerIndex> {
        return m.from == kNoPeer ? std::nullopt : std::optional(m.from);
      });
  py::class_<VariantView::Draws>(module, "VariantDraws")
      .def("random", &VariantView::Draws::random)
      .def("below", &VariantView::Draws::below)
      .def("sample", &VariantView::Draws::sample)
      .def("shuffle", &VariantView::Draws::shuffle);
  py::class_<VariantView>(module, "VariantView")
      .def_property_readonly("now", &VariantView::now)
      .def_property_readonly("heartbeats", [](const VariantView& v) { return v.core().heartbeats(); })
      .def_property_readonly(
          "params", [](const VariantView& v) -> const GossipSubParams& { return v.core().params(); },
          py::return_value_policy::copy)
      .def_property_readonly("rng", &VariantView::rng, py::return_value_policy::reference_internal)
      .def_property_readonly("topic", &VariantView::topic)
      .def_property_readonly("topics", &VariantView::topics)
      .def_property_readonly("peers", &VariantView::peers)
      .def("mesh", &VariantView::mesh, kTopic())
      .def("members", &VariantView::members, kTopic())
      .def("candidates", &VariantView::candidates, kTopic())
      .def("score", &VariantView::score)
      .def("outbound", [](const VariantView& v, PeerIndex p) { return v.core().peer(v.peer(p)).outbound; })
      .def("direct", [](const VariantView& v, PeerIndex p) { return v.core().peer(v.peer(p)).direct; })
      .def("peer_id",
           [](const VariantView& v, PeerIndex p) { return v.core().peer(v.peer(p)).id.to_string(); })
      .def("send", &VariantView::send)
      .def("send_ihave", &VariantView::send_ihave, py::arg("peer"), py::arg("id"), kTopic())
      .def("send_iwant", &VariantView::send_iwant)
      .def("send_message", &VariantView::send_message)
      .def("wake_at", &VariantView::wake_at)
      .def("_score", &VariantView::base_score)
      .def("_choose_mesh", &VariantView::base_choose_mesh)
      .def("_choose_gossip", &VariantView::base_choose_gossip)
      .def("_choose_push", &VariantView::base_choose_push)
      .def("_wants", &VariantView::base_wants);
}

}  // namespace mesocosm::python
