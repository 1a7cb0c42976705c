// Recorder: what happened in a run, streamed into one HDF5 file in bounded memory, and the run's fingerprint.
//
//   add_node ─┐
//   record  ──┤   one batch a table      full chunks       close()
//   bytes   ──┼──────────────────────▶ appended (SWMR) ──────────────▶ counters, attributes, done
//   event   ──┤    (a few 1,000 rows)         │
//   sample  ──┘                               └─ no room left: every batch into the reserve, and close
//
// The schema is docs/record-schema.md. This folder is the only one that knows HDF5, and this header does not.
// A recorder without a path keeps no rows: it counts, takes the fingerprint and gives Totals.
// Errors never throw and never lose rows: the first one closes the file so that it can be read, and stays in
// error().
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "sim/record/record_sink.h"
#include "stack/base/hash.h"
#include "stack/base/result.h"
#include "stack/base/time.h"
#include "stack/env/trace.h"

namespace mesocosm {

inline constexpr std::uint32_t kRecordSchemaVersion = 1;
inline constexpr std::uint32_t kUnknownNode = 0xffffffff;  // a peer that add_node() was not told of
inline constexpr std::size_t kTraceKinds = static_cast<std::size_t>(TraceKind::ping) + 1;

struct RecorderOptions {
  std::string path = {};            // empty: no file
  bool duplicates = true;           // keep a row for each duplicate (they are counted in any case)
  bool mesh = true;                 // keep a row for each graft and prune
  std::uint32_t batch_rows = 2048;  // rows a table gathers before it is written; also the chunk size
};

struct NodeRow {
  std::uint32_t index = 0;
  std::uint64_t peer_hash = 0;    // PeerId::hash()
  std::string_view peer_id = {};  // as text
  std::string_view country = {};  // ISO 3166 alpha-2, or empty
  std::string_view city = {};
  std::string_view region = {};   // such as "EU"
  std::uint32_t asn = 0;          // number of its autonomous system; 0: none
  std::string_view address = {};  // IP
  float latitude = 0;             // degrees north
  float longitude = 0;            // degrees east
  std::string_view hosting = {};  // such as "cloud" or "residential"
  std::uint64_t up_bps = 0;       // access link, bit/s; 0: not modelled
  std::uint64_t down_bps = 0;
  std::int64_t last_mile_ns = 0;  // one way
  Time joined{};
};

// What became of a node since it was added.
enum class Presence : std::uint8_t {
  left,       // it said goodbye
  joined,     // later than the run began
  crashed,    // without a word
  restarted,  // it came back; or anew, without having been away
};

// What is known without a file. Quantiles come from a histogram with buckets 1/64 of an octave wide (1.1 %).
class Totals {
 public:
  std::uint64_t nodes = 0;
  std::uint64_t messages = 0;
  std::uint64_t expected = 0;    // deliveries that the subscriptions at each publication ask for
  std::uint64_t deliveries = 0;  // at nodes other than the publisher
  std::uint64_t duplicates = 0;
  std::array<std::uint64_t, kTraceKinds> events{};  // by TraceKind

  double delivery_ratio() const;            // 1 when nothing was expected
  Duration latency(double quantile) const;  // 0 when nothing was delivered; quantile 1 is exact
  void add_latency(Duration latency);

 private:
  std::vector<std::uint64_t> buckets_;
  Duration longest_{};
};

// Open addressing from a 64-bit hash to a dense index; never removes. 16 bytes an entry at most two thirds
// full.
class HashIndex {
 public:
  static constexpr std::uint32_t kNone = 0xffffffff;
  std::uint32_t find(std::uint64_t hash) const;
  // The index that `hash` has, and whether it is new; a new one gets `next`.
  std::pair<std::uint32_t, bool> insert(std::uint64_t hash, std::uint32_t next);
  std::size_t size() const { return size_; }

 private:
  struct Slot {
    std::uint64_t hash;
    std::uint32_t index = kNone;  // kNone: free
  };
  std::size_t place(std::uint64_t hash) const;
  void grow();
  std::vector<Slot> slots_;
  std::size_t size_ = 0;
};

class TableFile;

class Recorder final : public RecordSink {
 public:
  // Makes (or replaces) the file. Errors: io, with the path and the reason.
  static Result<std::unique_ptr<Recorder>> open(RecorderOptions options);
  // Closes as "interrupted" if nobody did.
  ~Recorder() override;
  Recorder(const Recorder&) = delete;
  Recorder& operator=(const Recorder&) = delete;

  // A text attribute of the file, such as "provenance" (JSON). Set those that matter before the first row:
  // they are in the file even if the process is killed; later ones are written by close().
  void set_attribute(std::string_view name, std::string_view value);

  // Nodes come before the events that name them.
  void add_node(const NodeRow& node);
  void record(Time now, std::uint32_t node, const TraceEvent& event) override;
  // From now on the node is (or is no longer) there, as this peer.
  void presence(Time now, std::uint32_t node, Presence change, std::uint64_t peer_hash,
                std::string_view peer_id);
  // Something that the scenario did to the world: a partition, an attack's start.
  void event(Time now, std::string_view name, std::string_view detail);

  void bytes(Time now, std::uint32_t node, std::string_view protocol, std::uint64_t in_bytes,
             std::uint64_t out_bytes) override;
  // A world-wide series, such as "live_nodes" or "pending_events".
  void sample(Time now, std::string_view series, double value);
  std::uint32_t metric_series(std::string_view name, std::string_view labels) override;
  void metric(Time now, std::uint32_t series, double value) override;
  // A node's final counter.
  void counter(std::uint32_t node, std::string_view name, std::uint64_t value);

  // Writes every row that is still in memory. Call it every few seconds of wall time, so that a killed
  // process loses no more than that: each call may leave a chunk rewritten.
  Result<> flush();
  // Writes everything, then the attributes `ended` ("complete", "interrupted", or an error's text), the
  // fingerprint and the simulated time. Returns the first error of the whole recording. Idempotent.
  Result<> close(std::string_view ended, Time now);

  // ok() until something went wrong; the world should stop then. Its detail names the file.
  const Error& error() const { return error_; }
  bool ok() const { return error_.ok(); }

  // A hash of everything that record() and event() were told. Events of equal time may come in any order.
  std::uint64_t fingerprint() const { return fingerprint_; }
  const Totals& totals() const { return totals_; }
  const std::string& path() const { return options_.path; }

 private:
  struct Topic {
    std::string name;
    std::uint64_t hash;
    std::uint32_t subscribers = 0;
    std::vector<bool> members;  // by node
  };
  struct Message {
    Time published;
    std::uint32_t publisher;
  };

  explicit Recorder(RecorderOptions options);
  std::uint32_t node_of(std::uint64_t peer_hash) const { return nodes_.find(peer_hash); }
  std::uint16_t topic_of(std::string_view name);
  std::uint16_t name_of(std::vector<std::string>& names, std::string_view name, std::size_t table);
  void on_published(Time now, std::uint32_t node, const TraceEvent& event);
  void on_arrived(Time now, std::uint32_t node, const TraceEvent& event);
  void on_subscription(Time now, std::uint32_t node, const TraceEvent& event);
  void on_connection(Time now, std::uint32_t node, const TraceEvent& event);
  void add_message(Time now, std::uint32_t publisher, const TraceEvent& event);
  template <class Row>
  void append(std::size_t table, const Row& row);
  void count(std::uint32_t node, TraceKind kind);
  void write_counters();
  Result<> finish(std::string_view ended);
  void give_up(Error error);

  RecorderOptions options_;
  Error error_;
  bool closed_ = false;
  Time last_{};
  std::uint64_t fingerprint_ = 0;
  Totals totals_;
  HashIndex nodes_;
  HashIndex message_ids_;
  std::vector<Message> messages_;
  std::vector<Topic> topics_;
  std::uint16_t last_topic_ = 0;
  std::vector<std::string> protocols_;
  std::vector<std::string> series_;
  std::vector<std::string> counters_;
  std::uint32_t metric_series_ = 0;
  std::array<std::vector<std::uint32_t>, kTraceKinds>
      counts_;  // by kind and node, made when a kind first occurs
  std::vector<std::pair<std::string, std::string>> late_attributes_;
  std::unique_ptr<TableFile> file_;  // null: no file, or closed
};

}  // namespace mesocosm
