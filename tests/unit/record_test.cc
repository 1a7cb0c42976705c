#include <algorithm>
#include <csignal>
#include <cstdio>
#include <cstring>
#include <ctime>
#include <string>

#include <catch2/catch.hpp>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include "sim/record/metric_sampler.h"
#include "sim/record/recorder.h"
#include "sim/record/table_file.h"
#include "stack/base/rng.h"

using namespace mesocosm;

namespace {

Time at(Duration since_start) { return Time(since_start); }

std::uint64_t peer(std::uint32_t node) { return mix64(1000 + node); }

// A path of this process and test, removed at the end.
class TemporaryFile {
 public:
  explicit TemporaryFile(const char* name)
      : path("/tmp/mesocosm_record_" + std::to_string(::getpid()) + "_" + name + ".h5") {}
  ~TemporaryFile() { std::remove(path.c_str()); }
  const std::string path;
};

std::unique_ptr<Recorder> open(const std::string& path, std::uint32_t nodes,
                               std::uint32_t batch_rows = 2048) {
  auto recorder = Recorder::open({.path = path, .batch_rows = batch_rows});
  REQUIRE(recorder);
  for (std::uint32_t i = 0; i < nodes; ++i) {
    (*recorder)->add_node(
        {.index = i, .peer_hash = peer(i), .peer_id = "12D3KooW", .country = "DE", .city = "Berlin"});
  }
  return std::move(*recorder);
}

TraceEvent about(TraceKind kind, std::uint32_t from, std::uint64_t message, std::uint64_t value = 100) {
  return {kind, peer(from), message, value, "blocks"};
}

// Three subscribers; node 0 publishes, 1 and 2 receive, 2 once more.
void play(Recorder& recorder) {
  for (std::uint32_t i = 0; i < 3; ++i)
    recorder.record(at(0s), i, {.kind = TraceKind::subscribed, .label = "blocks"});
  recorder.record(at(1s), 0, {.kind = TraceKind::published, .subject = 7, .value = 100, .label = "blocks"});
  recorder.record(at(1050ms), 1, about(TraceKind::delivered, 0, 7));
  recorder.record(at(1100ms), 2, about(TraceKind::delivered, 1, 7));
  recorder.record(at(1120ms), 2, about(TraceKind::duplicate, 0, 7));
}

template <class T>
T field(const std::vector<std::uint8_t>& rows, std::size_t offset) {
  T value;
  REQUIRE(rows.size() >= offset + sizeof(T));
  std::memcpy(&value, rows.data() + offset, sizeof(T));
  return value;
}

std::vector<std::uint8_t> rows_of(const std::string& path, const char* table) {
  auto rows = TableFile::read_rows(path, table);
  REQUIRE(rows);
  return *rows;
}

}  // namespace

TEST_CASE("a recorder without a file counts", "[record]") {
  auto recorder = open("", 3);
  play(*recorder);
  const Totals& totals = recorder->totals();
  CHECK(totals.nodes == 3);
  CHECK(totals.messages == 1);
  CHECK(totals.expected == 2);
  CHECK(totals.deliveries == 2);
  CHECK(totals.duplicates == 1);
  CHECK(totals.delivery_ratio() == 1.0);
  CHECK(totals.latency(1) == 100ms);
  CHECK(to_seconds(totals.latency(0.5)) == Approx(0.050).epsilon(0.011));
  CHECK(recorder->close("complete", at(2s)));
}

TEST_CASE("the fingerprint holds everything but the order within an instant", "[record]") {
  const auto fingerprint = [](auto&& play_with) {
    auto recorder = open("", 3);
    play_with(*recorder);
    return recorder->fingerprint();
  };
  const std::uint64_t base = fingerprint(play);
  CHECK(fingerprint(play) == base);
  CHECK(fingerprint([](Recorder& r) {  // two subscriptions at the same time, swapped
          r.record(at(0s), 0, {.kind = TraceKind::subscribed, .label = "a"});
          r.record(at(0s), 0, {.kind = TraceKind::subscribed, .label = "b"});
        }) == fingerprint([](Recorder& r) {
          r.record(at(0s), 0, {.kind = TraceKind::subscribed, .label = "b"});
          r.record(at(0s), 0, {.kind = TraceKind::subscribed, .label = "a"});
        }));
  const TraceEvent event = about(TraceKind::delivered, 0, 7);
  const auto one = [&](Time now, std::uint32_t node, TraceEvent changed) {
    return fingerprint([&](Recorder& r) { r.record(now, node, changed); });
  };
  std::vector<std::uint64_t> all = {one(at(1s), 0, event), one(at(2s), 0, event), one(at(1s), 1, event)};
  TraceEvent changed = event;
  changed.kind = TraceKind::duplicate;
  all.push_back(one(at(1s), 0, changed));
  changed = event;
  changed.peer += 1;
  all.push_back(one(at(1s), 0, changed));
  changed = event;
  changed.subject += 1;
  all.push_back(one(at(1s), 0, changed));
  changed = event;
  changed.value += 1;
  all.push_back(one(at(1s), 0, changed));
  changed = event;
  changed.label = "blobs";
  all.push_back(one(at(1s), 0, changed));
  all.push_back(fingerprint([](Recorder& r) { r.event(at(1s), "cut", "a b"); }));
  all.push_back(fingerprint([](Recorder& r) { r.event(at(2s), "cut", "a b"); }));
  all.push_back(fingerprint([](Recorder& r) { r.event(at(1s), "cut", "a c"); }));
  std::sort(all.begin(), all.end());
  CHECK(std::adjacent_find(all.begin(), all.end()) == all.end());
}

TEST_CASE("a run's file holds its rows and attributes", "[record]") {
  const TemporaryFile file("rows");
  auto recorder = open(file.path, 3);
  recorder->set_attribute("provenance", "{\"seed\": 1}");
  play(*recorder);
  recorder->record(at(2s), 0, {.kind = TraceKind::connected, .peer = peer(1), .value = 1, .label = "/noise"});
  recorder->record(at(3s), 0, {.kind = TraceKind::disconnected, .peer = 5, .value = 2});
  recorder->record(at(3s), 1, {.kind = TraceKind::grafted, .peer = peer(2), .label = "blocks"});
  recorder->bytes(at(4s), 2, "/meshsub/1.1.0", 10, 20);
  recorder->sample(at(4s), "live_nodes", 3);
  recorder->event(at(4s), "cut", "Europe");
  recorder->counter(1, "dials", 9);
  CHECK(recorder->flush());
  recorder->set_attribute("late", "yes");
  CHECK(recorder->close("complete", at(5s)));
  CHECK(recorder->close("again", at(5s)));

  const auto deliveries = rows_of(file.path, "deliveries");
  REQUIRE(deliveries.size() == 2 * 20);
  CHECK(field<std::uint32_t>(deliveries, 20 + 0) == 0);  // message
  CHECK(field<std::uint32_t>(deliveries, 20 + 4) == 2);  // node
  CHECK(field<std::uint32_t>(deliveries, 20 + 8) == 1);  // from
  CHECK(field<std::int64_t>(deliveries, 20 + 12) == 1'100'000'000);
  CHECK(rows_of(file.path, "duplicates").size() == 20);
  const auto messages = rows_of(file.path, "messages");
  REQUIRE(messages.size() == 34);
  CHECK(field<std::uint32_t>(messages, 30) == 2);  // expected
  const auto connections = rows_of(file.path, "connections");
  REQUIRE(connections.size() == 2 * 19);
  CHECK(field<std::uint8_t>(connections, 16) == 1);  // opened
  CHECK(field<std::uint8_t>(connections, 17) == 1);  // outbound
  CHECK(field<std::uint32_t>(connections, 19 + 12) == kUnknownNode);
  CHECK(field<std::uint8_t>(connections, 19 + 18) == 2);  // why
  CHECK(rows_of(file.path, "nodes").size() == 3 * 248);
  CHECK(rows_of(file.path, "mesh").size() == 19);
  CHECK(rows_of(file.path, "bytes").size() == 30);
  CHECK(rows_of(file.path, "samples").size() == 18);
  CHECK(rows_of(file.path, "events").size() == 328);
  CHECK(rows_of(file.path, "counters").size() == 14 * 11);  // "dials" and ten counts of events
  const auto attribute = [&](const char* name) {
    return TableFile::read_attribute(file.path, name).value_or("none");
  };
  CHECK(attribute("format") == "mesocosm-run");
  CHECK(attribute("schema_version") == "1");
  CHECK(attribute("provenance") == "{\"seed\": 1}");
  CHECK(attribute("late") == "yes");
  CHECK(attribute("ended") == "complete");
  CHECK(attribute("simulated_ns") == "5000000000");
  char expected[17];
  std::snprintf(expected, sizeof expected, "%016llx",
                static_cast<unsigned long long>(recorder->fingerprint()));
  CHECK(attribute("fingerprint") == expected);
}

TEST_CASE("rows cross chunks whatever the flushes between", "[record]") {
  const TemporaryFile file("chunks");
  auto recorder = open(file.path, 2, 64);
  recorder->record(at(0s), 0, {.kind = TraceKind::published, .subject = 7, .label = "blocks"});
  constexpr std::uint32_t kRows = 1000;
  for (std::uint32_t i = 0; i < kRows; ++i) {
    recorder->record(at(Duration(i)), 1, about(TraceKind::duplicate, 0, 7));
    if (i % 77 == 5) REQUIRE(recorder->flush());
  }
  CHECK(recorder->close("complete", at(1s)));
  const auto rows = rows_of(file.path, "duplicates");
  REQUIRE(rows.size() == kRows * 20);
  for (std::uint32_t i = 0; i < kRows; ++i) REQUIRE(field<std::int64_t>(rows, i * 20 + 12) == i);
}

TEST_CASE("a path that cannot be written is one clear error", "[record]") {
  auto missing = Recorder::open({.path = "/nonexistent/run.h5"});
  REQUIRE_FALSE(missing);
  CHECK(missing.error().code == ErrorCode::io);
  CHECK(missing.error().detail == "cannot write /nonexistent/run.h5: No such file or directory");
  auto folder = Recorder::open({.path = "/tmp"});
  REQUIRE_FALSE(folder);
  CHECK(folder.error().detail == "cannot write /tmp: Is a directory");
}

TEST_CASE("a full disk ends the recording and keeps every row", "[record]") {
  const TemporaryFile file("full");
  rlimit before{};
  ::getrlimit(RLIMIT_FSIZE, &before);
  const auto old_handler = std::signal(SIGXFSZ, SIG_IGN);
  const rlimit tiny{1 << 20, before.rlim_max};
  REQUIRE(::setrlimit(RLIMIT_FSIZE, &tiny) == 0);

  auto recorder = open(file.path, 2);
  recorder->record(at(0s), 0, {.kind = TraceKind::published, .subject = 7, .label = "blocks"});
  std::uint64_t told = 0;
  Rng rng(1);  // incompressible times
  while (recorder->ok() && told < 10'000'000) {
    const Time now = at(Duration(static_cast<std::int64_t>(rng.next() >> 1)));
    recorder->record(now, static_cast<std::uint32_t>(rng.next()) & 0xfff, about(TraceKind::duplicate, 0, 7));
    ++told;
  }
  recorder->record(at(1s), 1, about(TraceKind::duplicate, 0, 7));  // too late, and harmless
  const Result<> closed = recorder->close("complete", at(1s));
  ::setrlimit(RLIMIT_FSIZE, &before);
  std::signal(SIGXFSZ, old_handler);

  REQUIRE_FALSE(closed);
  CHECK(closed.error().code == ErrorCode::io);
  CHECK(closed.error().detail.rfind("disk full: " + file.path, 0) == 0);
  CHECK(told > 10'000);
  CHECK(rows_of(file.path, "duplicates").size() == told * 20);
  CHECK(rows_of(file.path, "messages").size() == 34);
  CHECK(TableFile::read_attribute(file.path, "ended").value_or("") == closed.error().detail);
  struct stat status {};
  REQUIRE(::stat(file.path.c_str(), &status) == 0);
  CHECK(status.st_size <= (1 << 20));
}

TEST_CASE("no room at all is an error at once", "[record]") {
  const TemporaryFile file("none");
  rlimit before{};
  ::getrlimit(RLIMIT_FSIZE, &before);
  const rlimit tiny{64 << 10, before.rlim_max};
  REQUIRE(::setrlimit(RLIMIT_FSIZE, &tiny) == 0);
  auto recorder = Recorder::open({.path = file.path});
  ::setrlimit(RLIMIT_FSIZE, &before);
  REQUIRE_FALSE(recorder);
  CHECK(recorder.error().detail.rfind("disk full: ", 0) == 0);
  CHECK(::access(file.path.c_str(), F_OK) != 0);
}

TEST_CASE("a recorder that nobody closed says so", "[record]") {
  const TemporaryFile file("dropped");
  play(*open(file.path, 3));
  CHECK(TableFile::read_attribute(file.path, "ended").value_or("") == "interrupted");
  CHECK(rows_of(file.path, "deliveries").size() == 40);
}

TEST_CASE("the hash index finds what it was given", "[record]") {
  HashIndex index;
  CHECK(index.find(1) == HashIndex::kNone);
  for (std::uint32_t i = 0; i < 10'000; ++i) REQUIRE(index.insert(i * 3, i) == std::pair(i, true));
  CHECK(index.insert(9, 77) == std::pair(3u, false));
  CHECK(index.size() == 10'000);
  for (std::uint32_t i = 0; i < 10'000; ++i) REQUIRE(index.find(i * 3) == i);
  CHECK(index.find(1) == HashIndex::kNone);
}

TEST_CASE("what an event costs", "[.record-cost]") {
  for (const bool file : {false, true}) {
    const TemporaryFile to("cost");
    auto recorder = open(file ? to.path : "", 1000);
    recorder->record(at(0s), 0, {.kind = TraceKind::published, .subject = 7, .label = "blocks"});
    const std::clock_t start = std::clock();
    constexpr std::uint32_t kEvents = 5'000'000;
    for (std::uint32_t i = 0; i < kEvents; ++i) {
      recorder->record(at(Duration(i * 1000)), i % 1000, about(TraceKind::delivered, (i * 7) % 1000, 7));
    }
    CHECK(recorder->close("complete", at(10s)));
    WARN((file ? "with" : "without") << " a file: "
                                     << 1e9 * static_cast<double>(std::clock() - start) / CLOCKS_PER_SEC /
                                            kEvents
                                     << " ns an event");
  }
}

TEST_CASE("metrics are recorded where they changed, under their names on the scrape page",
          "[record][observe]") {
  const TemporaryFile file("metrics");
  Metrics metrics;
  Family<Counter>& dials = metrics.counter({"dials_total", "Dials", {"dir"}});
  Histogram& took = metrics.histogram({"took_seconds", "Time", {}, {0.5, 2}}).with({});
  {
    auto recorder = open(file.path, 1);
    MetricSampler sampler(metrics, *recorder);
    dials.with({"out"}).add(3);
    sampler.sample(at(1s));
    sampler.sample(at(2s));  // nothing changed
    took.observe(1.5);
    dials.with({"in"}).add();
    sampler.sample(at(3s));
    CHECK(recorder->close("complete", at(3s)));
  }
  const auto series = rows_of(file.path, "metric_series");
  constexpr std::size_t kSeriesSize = 96 + 256, kRowSize = 8 + 4 + 8;
  std::vector<std::string> names;
  for (std::size_t i = 0; i < series.size(); i += kSeriesSize) {
    names.push_back(std::string(reinterpret_cast<const char*>(&series[i])) + "{" +
                    reinterpret_cast<const char*>(&series[i + 96]) + "}");
  }
  const std::vector<std::string> expected = {"dials_total{dir=\"out\"}",
                                             "took_seconds_bucket{le=\"0.5\"}",
                                             "took_seconds_bucket{le=\"2\"}",
                                             "took_seconds_bucket{le=\"+Inf\"}",
                                             "took_seconds_sum{}",
                                             "took_seconds_count{}",
                                             "dials_total{dir=\"in\"}"};
  CHECK(names == expected);
  const auto rows = rows_of(file.path, "metrics");
  struct Value {
    std::int64_t seconds;
    std::uint32_t series;
    double value;
    bool operator==(const Value&) const = default;
  };
  std::vector<Value> values;
  for (std::size_t i = 0; i < rows.size(); i += kRowSize) {
    values.push_back({field<std::int64_t>(rows, i) / 1'000'000'000, field<std::uint32_t>(rows, i + 8),
                      field<double>(rows, i + 12)});
  }
  const std::vector<Value> told = {{1, 0, 3}, {1, 1, 0}, {1, 2, 0}, {1, 3, 0},   {1, 4, 0}, {1, 5, 0},
                                   {3, 6, 1}, {3, 2, 1}, {3, 3, 1}, {3, 4, 1.5}, {3, 5, 1}};
  CHECK((values == told));
}
