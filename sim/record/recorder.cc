#include "sim/record/recorder.h"

#include <algorithm>
#include <bit>
#include <cmath>

#include "sim/record/table_file.h"

namespace mesocosm {
namespace {

// ---- The schema: one struct a table, packed as it lies in the file. docs/record-schema.md says what it
// means. ----

enum TableIndex : std::size_t {
  kNodes,
  kTopics,
  kProtocols,
  kSeries,
  kCounterNames,
  kMessages,
  kSubscriptions,
  kDeliveries,
  kDuplicates,
  kRejections,
  kConnections,
  kMesh,
  kBytes,
  kPings,
  kEvents,
  kSamples,
  kCounters,
  kMetricSeries,
  kMetrics,
  kPresence,
};

#pragma pack(push, 1)
struct NodeRecord {
  std::uint32_t index;
  std::uint64_t peer_hash;
  char peer_id[64];
  char country[8];
  char city[48];
  char region[8];
  std::uint32_t asn;
  char address[40];
  float latitude, longitude;
  char hosting[24];
  std::uint64_t up_bps, down_bps;
  std::int64_t last_mile_ns, joined_ns;
};
struct NameRecord {
  char name[128];
};
struct MessageRecord {
  std::uint64_t id;
  std::uint16_t topic;
  std::uint32_t publisher;
  std::int64_t time_ns;
  std::uint64_t bytes;
  std::uint32_t expected;
};
struct SubscriptionRecord {
  std::int64_t time_ns;
  std::uint32_t node;
  std::uint16_t topic;
  std::uint8_t subscribed;
};
struct ArrivalRecord {
  std::uint32_t message, node, from;
  std::int64_t time_ns;
};
struct RejectionRecord {
  std::uint32_t message, node, from;
  std::int64_t time_ns;
  std::uint8_t error;
};
struct ConnectionRecord {
  std::int64_t time_ns;
  std::uint32_t node, peer;
  std::uint8_t change, direction, error;
};
struct MeshRecord {
  std::int64_t time_ns;
  std::uint32_t node, peer;
  std::uint16_t topic;
  std::uint8_t grafted;
};
struct BytesRecord {
  std::int64_t time_ns;
  std::uint32_t node;
  std::uint16_t protocol;
  std::uint64_t in_bytes, out_bytes;
};
struct PingRecord {
  std::int64_t time_ns;
  std::uint32_t node, peer;
  std::int64_t rtt_ns;
};
struct PresenceRecord {
  std::int64_t time_ns;
  std::uint32_t node;
  std::uint8_t change;
  std::uint64_t peer_hash;
  char peer_id[64];
};
struct EventRecord {
  std::int64_t time_ns;
  char name[64];
  char detail[256];
};
struct SampleRecord {
  std::int64_t time_ns;
  std::uint16_t series;
  double value;
};
struct CounterRecord {
  std::uint32_t node;
  std::uint16_t counter;
  std::uint64_t value;
};
struct MetricSeriesRecord {
  char name[96];
  char labels[256];
};
struct MetricRecord {
  std::int64_t time_ns;
  std::uint32_t series;
  double value;
};
#pragma pack(pop)

constexpr std::uint8_t kClosed = 0, kOpened = 1, kDialFailed = 2;
constexpr std::uint8_t kNoDirection = 255;
constexpr std::uint16_t kNoName = 0xffff;

std::vector<TableSpec> schema(std::uint32_t rows) {
  using enum ColumnType;
  const auto few = std::min<std::uint32_t>(rows, 64);
  const std::vector<Column> name = {{"name", text, 128}};
  const std::vector<Column> arrival = {{"message", u32}, {"node", u32}, {"from", u32}, {"time_ns", i64}};
  std::vector<Column> rejection = arrival;
  rejection.push_back({"error", u8});
  return {
      {"nodes",
       "Every node: who, where, and its access link.",
       std::min<std::uint32_t>(rows, 512),
       true,
       {{"index", u32},
        {"peer_hash", u64},
        {"peer_id", text, 64},
        {"country", text, 8},
        {"city", text, 48},
        {"region", text, 8},
        {"asn", u32},
        {"address", text, 40},
        {"latitude", f32},
        {"longitude", f32},
        {"hosting", text, 24},
        {"up_bps", u64},
        {"down_bps", u64},
        {"last_mile_ns", i64},
        {"joined_ns", i64}}},
      {"topics", "Names that the column `topic` counts from 0.", few, true, name},
      {"protocols", "Names that the column `protocol` counts from 0.", few, true, name},
      {"series", "Names that the column `series` counts from 0.", few, true, name},
      {"counter_names", "Names that the column `counter` counts from 0.", few, true, name},
      {"messages",
       "Every message, in the order of publication; other tables count its rows from 0.",
       few,
       true,
       {{"id", u64},
        {"topic", u16},
        {"publisher", u32},
        {"time_ns", i64},
        {"bytes", u64},
        {"expected", u32}}},
      {"subscriptions",
       "Nodes that joined or left a topic.",
       rows,
       false,
       {{"time_ns", i64}, {"node", u32}, {"topic", u16}, {"subscribed", u8}}},
      {"deliveries", "First arrivals of a message at a node.", rows, false, arrival},
      {"duplicates", "Later arrivals of a message at a node.", rows, false, arrival},
      {"rejections", "Messages that a node refused.", rows, false, rejection},
      {"connections",
       "Connections opened (1), closed (0) and dials that failed (2).",
       rows,
       false,
       {{"time_ns", i64}, {"node", u32}, {"peer", u32}, {"change", u8}, {"direction", u8}, {"error", u8}}},
      {"mesh",
       "Peers that a node added to (1) and took out of (0) a topic's mesh.",
       rows,
       false,
       {{"time_ns", i64}, {"node", u32}, {"peer", u32}, {"topic", u16}, {"grafted", u8}}},
      {"bytes",
       "Bytes in and out of a node by protocol, counted since the node started.",
       rows,
       false,
       {{"time_ns", i64}, {"node", u32}, {"protocol", u16}, {"in_bytes", u64}, {"out_bytes", u64}}},
      {"pings",
       "Round trips that nodes measured.",
       rows,
       false,
       {{"time_ns", i64}, {"node", u32}, {"peer", u32}, {"rtt_ns", i64}}},
      {"events",
       "What the scenario did to the world.",
       few,
       false,
       {{"time_ns", i64}, {"name", text, 64}, {"detail", text, 256}}},
      {"samples",
       "Values of world-wide series.",
       few,
       false,
       {{"time_ns", i64}, {"series", u16}, {"value", f64}}},
      {"counters",
       "Final counters of the nodes.",
       rows,
       false,
       {{"node", u32}, {"counter", u16}, {"value", u64}}},
      {"metric_series",
       "The World's metrics, one row for each set of labels; metrics.series counts its rows from 0.",
       few,
       true,
       {{"name", text, 96}, {"labels", text, 256}}},
      {"metrics",
       "Values of the World's metrics, where they changed since the sample before.",
       rows,
       false,
       {{"time_ns", i64}, {"series", u32}, {"value", f64}}},
      {"presence",
       "Nodes that left (0), joined later (1), crashed (2) and came back (3), and as whom.",
       few,
       false,
       {{"time_ns", i64}, {"node", u32}, {"change", u8}, {"peer_hash", u64}, {"peer_id", text, 64}}},
  };
}

// Copies text into a fixed column, cut at a character's boundary when it is too long.
template <std::size_t Size>
void put(char (&out)[Size], std::string_view text) {
  std::size_t size = std::min(text.size(), Size);
  while (size < text.size() && size > 0 && (static_cast<unsigned char>(text[size]) & 0xc0) == 0x80) --size;
  std::fill(std::copy_n(text.data(), size, out), out + Size, '\0');
}

std::int64_t nanoseconds(Time time) { return time.time_since_epoch().count(); }

// The fingerprint is the sum of its events' hashes. Each holds its own time, so order matters where time
// differs, while events of one instant may be told in any order: statements that do not depend on each other
// may be swapped.
std::uint64_t hash_event(Time now, std::uint32_t node, const TraceEvent& event, std::uint64_t label) {
  const auto kind = static_cast<std::uint64_t>(event.kind);
  const std::uint64_t when = mix64(static_cast<std::uint64_t>(nanoseconds(now)) ^ (kind << 56));
  const std::uint64_t what = mix64(event.subject ^ mix64(event.peer ^ label));
  return mix64(when + std::rotl(what, 21) +
               ((std::uint64_t{node} << 32) ^ event.value) * 0x9fb21c651e98df25ULL);
}

const char* const kKindNames[kTraceKinds] = {
    "connected",  "disconnected", "dial_failed", "published", "delivered",  "duplicate",  "rejected",
    "subscribed", "unsubscribed", "grafted",     "pruned",    "ihave_sent", "iwant_sent", "ping",
};

}  // namespace

// ---- Totals ----

namespace {
constexpr unsigned kSubBits = 6;  // 64 buckets an octave

std::size_t bucket_of(std::uint64_t ns) {
  if (ns < (1u << kSubBits)) return ns;
  const unsigned shift = static_cast<unsigned>(std::bit_width(ns)) - 1 - kSubBits;
  return (std::size_t{shift} << kSubBits) + (ns >> shift);
}

std::uint64_t bucket_middle(std::size_t bucket) {
  if (bucket < (2u << kSubBits)) return bucket;
  const unsigned shift = static_cast<unsigned>(bucket >> kSubBits) - 1;
  return (((bucket & ((1u << kSubBits) - 1)) | (1u << kSubBits)) << shift) + (std::uint64_t{1} << shift) / 2;
}
}  // namespace

double Totals::delivery_ratio() const {
  return expected == 0 ? 1 : static_cast<double>(deliveries) / static_cast<double>(expected);
}

void Totals::add_latency(Duration latency) {
  const std::size_t bucket =
      bucket_of(static_cast<std::uint64_t>(std::max<std::int64_t>(latency.count(), 0)));
  if (bucket >= buckets_.size()) buckets_.resize(bucket + 1);
  ++buckets_[bucket];
  longest_ = std::max(longest_, latency);
}

Duration Totals::latency(double quantile) const {
  std::uint64_t all = 0;
  for (const std::uint64_t count : buckets_) all += count;
  const auto rank = static_cast<std::uint64_t>(std::ceil(quantile * static_cast<double>(all)));
  if (rank >= all) return longest_;
  std::uint64_t seen = 0;
  for (std::size_t i = 0; i < buckets_.size(); ++i) {
    seen += buckets_[i];
    if (seen >= std::max<std::uint64_t>(rank, 1)) {
      return std::min(longest_, Duration(static_cast<std::int64_t>(bucket_middle(i))));
    }
  }
  return longest_;
}

// ---- HashIndex ----

std::size_t HashIndex::place(std::uint64_t hash) const {
  const std::size_t mask = slots_.size() - 1;
  std::size_t at = mix64(hash) & mask;
  while (slots_[at].index != kNone && slots_[at].hash != hash) at = (at + 1) & mask;
  return at;
}

std::uint32_t HashIndex::find(std::uint64_t hash) const {
  return slots_.empty() ? kNone : slots_[place(hash)].index;
}

std::pair<std::uint32_t, bool> HashIndex::insert(std::uint64_t hash, std::uint32_t next) {
  if (size_ * 3 >= slots_.size() * 2) grow();
  Slot& slot = slots_[place(hash)];
  if (slot.index != kNone) return {slot.index, false};
  slot = {hash, next};
  ++size_;
  return {next, true};
}

void HashIndex::grow() {
  std::vector<Slot> old(std::max<std::size_t>(16, slots_.size() * 2));
  old.swap(slots_);
  for (const Slot& slot : old) {
    if (slot.index != kNone) slots_[place(slot.hash)] = slot;
  }
}

// ---- Recorder ----

Recorder::Recorder(RecorderOptions options) : options_(std::move(options)) {}

Recorder::~Recorder() {
  if (!closed_) static_cast<void>(close("interrupted", last_));
}

Result<std::unique_ptr<Recorder>> Recorder::open(RecorderOptions options) {
  std::unique_ptr<Recorder> recorder(new Recorder(std::move(options)));
  if (recorder->options_.path.empty()) return recorder;
  const std::uint32_t rows = std::max<std::uint32_t>(recorder->options_.batch_rows, 16);
  auto file = TableFile::create(recorder->options_.path, schema(rows));
  if (!file) {
    recorder->closed_ = true;
    return tl::unexpected(file.error());
  }
  recorder->file_ = std::move(*file);
  recorder->set_attribute("format", "mesocosm-run");
  recorder->set_attribute("schema_version", std::to_string(kRecordSchemaVersion));
  recorder->set_attribute("ended", "running");
  if (!recorder->ok()) return tl::unexpected(recorder->error());
  return recorder;
}

void Recorder::set_attribute(std::string_view name, std::string_view value) {
  if (file_ == nullptr) return;
  if (!file_->takes_attributes()) {
    late_attributes_.emplace_back(name, value);
  } else if (Result<> done = file_->set_attribute(name, value); !done) {
    give_up(done.error());
  }
}

void Recorder::add_node(const NodeRow& node) {
  nodes_.insert(node.peer_hash, node.index);
  ++totals_.nodes;
  NodeRecord row{};
  row.index = node.index;
  row.peer_hash = node.peer_hash;
  put(row.peer_id, node.peer_id);
  put(row.country, node.country);
  put(row.city, node.city);
  put(row.region, node.region);
  row.asn = node.asn;
  put(row.address, node.address);
  row.latitude = node.latitude;
  row.longitude = node.longitude;
  put(row.hosting, node.hosting);
  row.up_bps = node.up_bps;
  row.down_bps = node.down_bps;
  row.last_mile_ns = node.last_mile_ns;
  row.joined_ns = nanoseconds(node.joined);
  append(kNodes, row);
}

void Recorder::record(Time now, std::uint32_t node, const TraceEvent& event) {
  last_ = std::max(last_, now);
  ++totals_.events[static_cast<std::size_t>(event.kind)];
  count(node, event.kind);
  std::uint64_t label = 0;
  if (!event.label.empty()) {
    const bool known = last_topic_ < topics_.size() && topics_[last_topic_].name == event.label;
    label = known ? topics_[last_topic_].hash : hash64(as_bytes(event.label));
  }
  fingerprint_ += hash_event(now, node, event, label);

  switch (event.kind) {
    case TraceKind::published:
      on_published(now, node, event);
      break;
    case TraceKind::delivered:
    case TraceKind::duplicate:
    case TraceKind::rejected:
      on_arrived(now, node, event);
      break;
    case TraceKind::subscribed:
    case TraceKind::unsubscribed:
      on_subscription(now, node, event);
      break;
    case TraceKind::connected:
    case TraceKind::disconnected:
    case TraceKind::dial_failed:
      on_connection(now, node, event);
      break;
    case TraceKind::grafted:
    case TraceKind::pruned:
      if (options_.mesh && file_ != nullptr) {
        append(kMesh, MeshRecord{nanoseconds(now), node, node_of(event.peer), topic_of(event.label),
                                 event.kind == TraceKind::grafted});
      }
      break;
    case TraceKind::ping:
      append(kPings,
             PingRecord{nanoseconds(now), node, node_of(event.peer), static_cast<std::int64_t>(event.value)});
      break;
    case TraceKind::ihave_sent:
    case TraceKind::iwant_sent:
      break;  // counted
  }
}

void Recorder::presence(Time now, std::uint32_t node, Presence change, std::uint64_t peer_hash,
                        std::string_view peer_id) {
  last_ = std::max(last_, now);
  nodes_.insert(peer_hash, node);
  const auto when = static_cast<std::uint64_t>(nanoseconds(now));
  const std::uint64_t what = std::uint64_t{node} << 8 | static_cast<std::uint64_t>(change);
  fingerprint_ += mix64(mix64(when + 0x9fb21c651e98df25ULL) ^ mix64(what ^ std::rotl(peer_hash, 32)));
  PresenceRecord row{};
  row.time_ns = nanoseconds(now);
  row.node = node;
  row.change = static_cast<std::uint8_t>(change);
  row.peer_hash = peer_hash;
  put(row.peer_id, peer_id);
  append(kPresence, row);
}

void Recorder::on_published(Time now, std::uint32_t node, const TraceEvent& event) {
  if (message_ids_.insert(event.subject, static_cast<std::uint32_t>(messages_.size())).second) {
    add_message(now, node, event);
  }
}

// A message that arrives without having been published came from outside: it counts from its first arrival.
void Recorder::on_arrived(Time now, std::uint32_t node, const TraceEvent& event) {
  const auto [message, fresh] =
      message_ids_.insert(event.subject, static_cast<std::uint32_t>(messages_.size()));
  if (fresh) add_message(now, kUnknownNode, event);
  const ArrivalRecord row{message, node, node_of(event.peer), nanoseconds(now)};
  const Message& known = messages_[message];
  if (event.kind == TraceKind::delivered) {
    if (node == known.publisher) return;  // its own, handed back to the application
    ++totals_.deliveries;
    totals_.add_latency(now - known.published);
    append(kDeliveries, row);
  } else if (event.kind == TraceKind::duplicate) {
    ++totals_.duplicates;
    if (options_.duplicates) append(kDuplicates, row);
  } else {
    append(kRejections, RejectionRecord{row.message, row.node, row.from, row.time_ns,
                                        static_cast<std::uint8_t>(event.value)});
  }
}

void Recorder::add_message(Time now, std::uint32_t publisher, const TraceEvent& event) {
  const std::uint16_t topic = topic_of(event.label);
  const Topic& known = topics_[topic];
  const bool self = publisher < known.members.size() && known.members[publisher];
  const std::uint32_t expected = known.subscribers - (self ? 1 : 0);
  messages_.push_back({now, publisher});
  ++totals_.messages;
  totals_.expected += expected;
  append(kMessages, MessageRecord{event.subject, topic, publisher, nanoseconds(now), event.value, expected});
}

void Recorder::on_subscription(Time now, std::uint32_t node, const TraceEvent& event) {
  const std::uint16_t index = topic_of(event.label);
  Topic& topic = topics_[index];
  const bool join = event.kind == TraceKind::subscribed;
  if (node >= topic.members.size()) topic.members.resize(std::size_t{node} + 1);
  if (topic.members[node] != join) {
    topic.members[node] = join;
    topic.subscribers += join ? 1 : -1;
  }
  append(kSubscriptions, SubscriptionRecord{nanoseconds(now), node, index, join});
}

void Recorder::on_connection(Time now, std::uint32_t node, const TraceEvent& event) {
  const bool opened = event.kind == TraceKind::connected;
  const auto value = static_cast<std::uint8_t>(event.value);
  append(kConnections, ConnectionRecord{nanoseconds(now), node, node_of(event.peer),
                                        opened                                  ? kOpened
                                        : event.kind == TraceKind::disconnected ? kClosed
                                                                                : kDialFailed,
                                        opened ? value : kNoDirection, opened ? std::uint8_t{0} : value});
}

void Recorder::event(Time now, std::string_view name, std::string_view detail) {
  last_ = std::max(last_, now);
  fingerprint_ += mix64(hash64(as_bytes(name), static_cast<std::uint64_t>(nanoseconds(now))) ^
                        std::rotl(hash64(as_bytes(detail)), 32));
  EventRecord row{};
  row.time_ns = nanoseconds(now);
  put(row.name, name);
  put(row.detail, detail);
  append(kEvents, row);
}

void Recorder::bytes(Time now, std::uint32_t node, std::string_view protocol, std::uint64_t in_bytes,
                     std::uint64_t out_bytes) {
  if (file_ == nullptr) return;
  const std::uint16_t index = name_of(protocols_, protocol, kProtocols);
  append(kBytes, BytesRecord{nanoseconds(now), node, index, in_bytes, out_bytes});
}

void Recorder::sample(Time now, std::string_view series, double value) {
  if (file_ == nullptr) return;
  append(kSamples, SampleRecord{nanoseconds(now), name_of(series_, series, kSeries), value});
}

std::uint32_t Recorder::metric_series(std::string_view name, std::string_view labels) {
  MetricSeriesRecord row{};
  put(row.name, name);
  put(row.labels, labels);
  append(kMetricSeries, row);
  return metric_series_++;
}

void Recorder::metric(Time now, std::uint32_t series, double value) {
  append(kMetrics, MetricRecord{nanoseconds(now), series, value});
}

void Recorder::counter(std::uint32_t node, std::string_view name, std::uint64_t value) {
  if (file_ == nullptr) return;
  append(kCounters, CounterRecord{node, name_of(counters_, name, kCounterNames), value});
}

Result<> Recorder::flush() {
  if (file_ != nullptr) {
    if (Result<> done = file_->flush(); !done) give_up(done.error());
  }
  return ok() ? Result<>{} : tl::unexpected(error_);
}

Result<> Recorder::close(std::string_view ended, Time now) {
  if (!closed_ && file_ != nullptr) write_counters();
  closed_ = true;
  if (file_ != nullptr) {
    last_ = std::max(now, last_);
    if (Result<> done = finish(ended); !done) give_up(done.error());
    file_.reset();
  }
  return ok() ? Result<>{} : tl::unexpected(error_);
}

template <class Row>
void Recorder::append(std::size_t table, const Row& row) {
  if (file_ == nullptr || file_->push(table, row)) return;
  if (Result<> done = file_->write_batch(table); !done) give_up(done.error());
}

Result<> Recorder::finish(std::string_view ended) {
  char fingerprint[17];
  std::snprintf(fingerprint, sizeof fingerprint, "%016llx", static_cast<unsigned long long>(fingerprint_));
  TableFile::Attributes attributes = std::move(late_attributes_);
  attributes.emplace_back("ended", ended);
  attributes.emplace_back("fingerprint", fingerprint);
  attributes.emplace_back("simulated_ns", std::to_string(nanoseconds(last_)));
  return file_->close(attributes);
}

// The first error ends the recording: what is in memory still goes into the file, as far as that works.
void Recorder::give_up(Error error) {
  if (error_.ok()) error_ = std::move(error);
  if (file_ != nullptr) static_cast<void>(finish(error_.detail));
  file_.reset();
}

std::uint16_t Recorder::topic_of(std::string_view name) {
  if (last_topic_ < topics_.size() && topics_[last_topic_].name == name) return last_topic_;
  for (std::size_t i = 0; i < topics_.size(); ++i) {
    if (topics_[i].name == name) return last_topic_ = static_cast<std::uint16_t>(i);
  }
  MC_ASSERT(topics_.size() < kNoName);
  topics_.push_back({std::string(name), hash64(as_bytes(name)), 0, {}});
  NameRecord row{};
  put(row.name, name);
  append(kTopics, row);
  return last_topic_ = static_cast<std::uint16_t>(topics_.size() - 1);
}

std::uint16_t Recorder::name_of(std::vector<std::string>& names, std::string_view name, std::size_t table) {
  const auto found = std::find(names.begin(), names.end(), name);
  if (found != names.end()) return static_cast<std::uint16_t>(found - names.begin());
  MC_ASSERT(names.size() < kNoName);
  names.emplace_back(name);
  NameRecord row{};
  put(row.name, name);
  append(table, row);
  return static_cast<std::uint16_t>(names.size() - 1);
}

void Recorder::count(std::uint32_t node, TraceKind kind) {
  std::vector<std::uint32_t>& counts = counts_[static_cast<std::size_t>(kind)];
  if (node >= counts.size())
    counts.resize(std::max<std::size_t>({std::size_t{node} + 1, totals_.nodes, counts.size() * 2}));
  ++counts[node];
}

void Recorder::write_counters() {
  for (std::size_t kind = 0; kind < kTraceKinds; ++kind) {
    for (std::uint32_t node = 0; node < counts_[kind].size(); ++node) {
      if (counts_[kind][node] > 0) counter(node, kKindNames[kind], counts_[kind][node]);
    }
  }
}

}  // namespace mesocosm
