// Metrics, their text for Prometheus, and logs.
#include <cstdio>
#include <filesystem>
#include <fstream>
#include <iterator>

#include <catch2/catch.hpp>

#include "stack/env/node_log.h"
#include "stack/observe/log_lines.h"
#include "stack/observe/metrics.h"
#include "stack/observe/prometheus.h"
#include "stack/observe/text.h"
#include "tests/unit/memory_transport.h"

using namespace mesocosm;

namespace {

struct SomeMetrics {
  explicit SomeMetrics(Metrics& metrics)
      : dialed(metrics.counter({"test_dialed_total", "Dials", {"dir", "error"}})),
        open(metrics.gauge({"test_open", "Open connections"}).with({})),
        took(metrics.histogram({"test_took_seconds", "Time", {"dir"}, {0.001, 0.5, 2}})) {}
  Family<Counter>& dialed;
  Gauge& open;
  Family<Histogram>& took;
};

std::string contents(const std::string& path) {
  std::ifstream file(path);
  return {std::istreambuf_iterator<char>(file), {}};
}

}  // namespace

TEST_CASE("nodes of one World count in the same metrics", "[observe]") {
  Metrics metrics, others;
  SomeMetrics& a = metrics.of<SomeMetrics>();
  SomeMetrics& b = metrics.of<SomeMetrics>();
  CHECK(&a == &b);
  CHECK(&a != &others.of<SomeMetrics>());
  Counter& counter = a.dialed.with({"in", "timeout"});
  for (int i = 0; i < 100; ++i) a.dialed.with({"in", std::to_string(i)});
  CHECK(&b.dialed.with({"in", "timeout"}) == &counter);
  counter.add();
  b.dialed.with({"in", "timeout"}).add(4);
  CHECK(counter.value() == 5);
  a.open.add(3);
  b.open.sub();
  CHECK(a.open.value() == 2);
}

TEST_CASE("label values beyond the bound are counted as others", "[observe]") {
  Metrics metrics;
  Family<Counter>& dialed = metrics.of<SomeMetrics>().dialed;
  for (std::size_t i = 0; i < MetricFamily::kMaxMembers + 50; ++i)
    dialed.with({"in", std::to_string(i)}).add();
  REQUIRE(dialed.size() == MetricFamily::kMaxMembers + 1);
  CHECK(dialed.values(0)[1] == "0");
  CHECK(dialed.values(MetricFamily::kMaxMembers)[0] == "other");
  CHECK(dialed.values(MetricFamily::kMaxMembers)[1] == "other");
  CHECK(dialed.member(MetricFamily::kMaxMembers).value() == 50);
  dialed.with({"in", "3"}).add();  // who was there before the bound keeps its own
  CHECK(dialed.with({"in", "3"}).value() == 2);
}

TEST_CASE("long label values are cut, and found again", "[observe]") {
  Metrics metrics;
  Family<Counter>& dialed = metrics.of<SomeMetrics>().dialed;
  const std::string longest(MetricFamily::kMaxValueSize, 'x');
  dialed.with({"in", longest + "y"}).add();
  dialed.with({"in", longest + "z"}).add();
  dialed.with({"in", longest}).add();
  REQUIRE(dialed.size() == 1);
  CHECK(dialed.values(0)[1] == longest);
  CHECK(dialed.member(0).value() == 3);
}

TEST_CASE("a histogram's bucket holds what is up to its bound", "[observe]") {
  Metrics metrics;
  Histogram& took = metrics.of<SomeMetrics>().took.with({"in"});
  for (const double value : {0.0, 0.001, 0.0011, 2.0, 2.5}) took.observe(value);
  took.observe(Duration(400ms));
  CHECK(std::vector(took.counts().begin(), took.counts().end()) == std::vector<std::uint64_t>{2, 2, 1, 1});
  CHECK(took.count() == 6);
  CHECK(took.sum() == Approx(4.9021));
  CHECK(exponential_bounds(1, 2, 4) == std::vector<double>{1, 2, 4, 8});
}

TEST_CASE("Prometheus reads what was counted, in an order of its own", "[observe]") {
  Metrics metrics;
  SomeMetrics& some = metrics.of<SomeMetrics>();
  some.took.with({"out"}).observe(0.25);
  some.dialed.with({"out", "none"}).add(7);
  some.dialed.with({"in", "a \"b\"\\\n\xff\xc3\xa9"}).add();
  some.open.sub(2);
  CHECK(prometheus_text(metrics) ==
        "# HELP test_dialed_total Dials\n"
        "# TYPE test_dialed_total counter\n"
        "test_dialed_total{dir=\"in\",error=\"a \\\"b\\\"\\\\\\n\xef\xbf\xbd\xc3\xa9\"} 1\n"
        "test_dialed_total{dir=\"out\",error=\"none\"} 7\n"
        "# HELP test_open Open connections\n"
        "# TYPE test_open gauge\n"
        "test_open -2\n"
        "# HELP test_took_seconds Time\n"
        "# TYPE test_took_seconds histogram\n"
        "test_took_seconds_bucket{dir=\"out\",le=\"0.001\"} 0\n"
        "test_took_seconds_bucket{dir=\"out\",le=\"0.5\"} 1\n"
        "test_took_seconds_bucket{dir=\"out\",le=\"2\"} 1\n"
        "test_took_seconds_bucket{dir=\"out\",le=\"+Inf\"} 1\n"
        "test_took_seconds_sum{dir=\"out\"} 0.25\n"
        "test_took_seconds_count{dir=\"out\"} 1\n");
}

TEST_CASE("only valid UTF-8 counts as characters", "[observe]") {
  const auto all = [](std::string_view text) { return utf8_length(text) == text.size(); };
  CHECK((all("a") && all("\xc3\xa9") && all("\xe2\x82\xac") && all("\xf0\x9f\x8c\x8a") &&
         all("\xf4\x8f\xbf\xbf")));
  for (const std::string_view bad :
       {"", "\x80", "\xc0\x80", "\xc3", "\xc3(", "\xe0\x9f\xbf", "\xed\xa0\x80", "\xe2\x82",
        "\xf0\x8f\xbf\xbf", "\xf4\x90\x80\x80", "\xf5\x80\x80\x80", "\xff"}) {
    CHECK(utf8_length(bad) == 0);
  }
  std::string out;
  append_escaped(out, std::string_view("a\"\\\n\t\x7f\xff\xc3\xa9\0", 10));
  CHECK(out == "a\\\"\\\\\\n\\u0009\\u007f\xef\xbf\xbd\xc3\xa9\\u0000");
}

TEST_CASE("log levels are read, and mistakes named", "[observe]") {
  const auto all = LogLevels::parse("info");
  REQUIRE(all);
  CHECK(all->of(LogComponent::swarm) == LogLevel::info);
  const auto mixed = LogLevels::parse("warn,swarm=debug,gossipsub=off");
  REQUIRE(mixed);
  CHECK(mixed->of(LogComponent::swarm) == LogLevel::debug);
  CHECK(mixed->of(LogComponent::gossipsub) == LogLevel::off);
  CHECK(mixed->of(LogComponent::ping) == LogLevel::warn);
  CHECK(LogLevels::parse("swarm=debug")->of(LogComponent::ping) == LogLevel::off);
  CHECK_FALSE(LogLevels().any());
  CHECK(LogLevels::parse("ping=error")->any());
  CHECK(LogLevels::parse("swarn=debug").error().detail ==
        "no log component 'swarn': one of node, swarm, transport, identify, ping, gossipsub, metrics");
  CHECK(LogLevels::parse("swarm=loud").error().detail ==
        "no log level 'loud': one of debug, info, warn, error, off");
  CHECK(LogLevels::parse("").error().detail == "no log level '': one of debug, info, warn, error, off");
  CHECK_FALSE(LogLevels::parse("info,"));
  CHECK_FALSE(LogLevels::parse("=debug"));
  CHECK_FALSE(parse_log_format("xml"));
}

TEST_CASE("log lines are for people or for tools", "[observe]") {
  const std::string why = "a \"b\"=\xff";  // a field's text is not copied
  const LogField fields[] = {
      {"peer", "12D3Koo"},      {"why", why}, {"empty", ""}, {"n", -3}, {"big", UINT64_MAX}, {"ok", true},
      {"rtt", Duration(1500us)}};
  const LogLine line{"12.5", LogLevel::warn, LogComponent::swarm, "node 3", "dial failed", fields};
  CHECK(format_log_line(LogFormat::text, line) ==
        "time=12.5 level=warn component=swarm node=\"node 3\" msg=\"dial failed\" peer=12D3Koo "
        "why=\"a \\\"b\\\"=\xef\xbf\xbd\" empty=\"\" n=-3 big=18446744073709551615 ok=true rtt=0.0015\n");
  CHECK(
      format_log_line(LogFormat::json, {"1", LogLevel::info, LogComponent::ping, "", "pong", {fields, 4}}) ==
      "{\"time\":\"1\",\"level\":\"info\",\"component\":\"ping\",\"msg\":\"pong\",\"peer\":\"12D3Koo\","
      "\"why\":\"a \\\"b\\\"=\xef\xbf\xbd\",\"empty\":\"\",\"n\":-3}\n");
  CHECK(log_time(Time(12s + 345us)) == "12.000345000");
  CHECK(log_time_utc(1'700'000'000'000'345'999) == "2023-11-14T22:13:20.000345Z");
}

TEST_CASE("a node logs what is wanted, with its name and its clock's time", "[observe]") {
  const std::string path = std::filesystem::temp_directory_path() / "mesocosm_observe_test.log";
  testing::ManualClock clock;
  int made = 0;
  const auto field = [&] { return ++made; };
  {
    auto file = LogFile::open(path, LogFormat::text);
    REQUIRE(file);
    NodeLog log(*LogLevels::parse("swarm=info"), **file, clock, NodeLog::Times::since_start, "7");
    MC_LOG(log, swarm, debug, "not wanted", {"field", field()});
    MC_LOG(log, ping, error, "not wanted either", {"field", field()});
    CHECK(made == 0);
    MC_LOG(log, swarm, info, "connected", {"field", field()}, {"dir", "inbound"});
    MC_LOG(log, swarm, error, "bare");
    NodeLog dated(LogLevels(LogLevel::debug), **file, clock, NodeLog::Times::utc, "");
    MC_LOG(dated, node, debug, "dated");
    CHECK((*file)->flush());
  }
  CHECK(contents(path) ==
        "time=0.000000000 level=info component=swarm node=7 msg=connected field=1 dir=inbound\n"
        "time=0.000000000 level=error component=swarm node=7 msg=bare\n"
        "time=2023-11-14T22:13:20.000000Z level=debug component=node msg=dated\n");
  std::filesystem::remove(path);
  MC_LOG(Log::none(), swarm, error, "nowhere", {"field", field()});
  CHECK(made == 1);
}

TEST_CASE("a log that cannot be written says so", "[observe]") {
  CHECK(LogFile::open("/no/such/folder/log", LogFormat::text).error().detail ==
        "cannot log to /no/such/folder/log: No such file or directory");
  auto full = LogFile::open("/dev/full", LogFormat::text);
  REQUIRE(full);
  (*full)->write({"0", LogLevel::info, LogComponent::node, "", "m", {}});
  const auto flushed = (*full)->flush();
  REQUIRE_FALSE(flushed);
  CHECK(flushed.error().detail == "cannot log to /dev/full: No space left on device");
  CHECK_FALSE((*full)->flush());
}
