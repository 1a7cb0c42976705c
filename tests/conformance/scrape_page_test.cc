// The scrape page, asked over every environment.
#include "stack/scrape/scrape_page.h"

#include <deque>

#include "stack/http/http.h"
#include "stack/observe/prometheus.h"
#include "tests/conformance/probes.h"

namespace mesocosm::conformance {
namespace {

// Host 0 asks, host 1 serves.
struct Asker final : ByteStream::Events {
  Asker(ConformanceBackend& env, const Endpoint& page) : stream(env.network(0).connect(page, *this)) {}
  void on_readable() override {
    for (Bytes part = stream->read(SIZE_MAX); !part.empty(); part = stream->read(SIZE_MAX))
      text += part.text();
    if (stream->ended() && finishes) stream->finish();
  }
  void on_writable() override {
    connected = true;
    if (!request.empty()) stream->write(Bytes::copy(std::exchange(request, {})));
  }
  void on_closed(Error error) override { closed = std::move(error); }

  HttpResponse response() const {
    HttpResponseParser parser({.head = 8192, .body = 1 << 20});
    Bytes bytes = Bytes::copy(text);
    auto parsed = parser.on_bytes(bytes);
    REQUIRE(parsed);
    REQUIRE(parsed->has_value());
    CHECK(bytes.empty());
    return **parsed;
  }

  std::unique_ptr<ByteStream> stream;
  std::string request;
  std::string text;
  bool connected = false;
  bool finishes = true;
  std::optional<Error> closed;
};

struct Served {
  explicit Served(ConformanceBackend& environment, ScrapeOptions options = {}) : env(environment) {
    auto opened = ScrapePage::open(env.clock(), env.network(1), metrics, {env.address(1), 0}, options);
    REQUIRE(opened);
    page = std::move(*opened);
  }
  HttpResponse ask(std::string request) {
    Asker asker(env, page->local());
    asker.request = std::move(request);
    wait_for(env, [&] { return asker.closed.has_value(); });
    CHECK(asker.closed->ok());
    wait_for(env, [&] { return page->connections() == 0; });
    return asker.response();
  }

  ConformanceBackend& env;
  Metrics metrics;
  std::unique_ptr<ScrapePage> page;
};

TEST_CASE("a scrape gets what was counted until then", "[conformance][scrape]") {
  each_backend([](ConformanceBackend& env) {
    Served served(env);
    Counter& counter = served.metrics.counter({"things_total", "Things"}).with({});
    for (const char* request :
         {"GET /metrics HTTP/1.1\r\nHost: a\r\n\r\n", "GET /metrics?x=1 HTTP/1.0\r\n\r\n"}) {
      counter.add();
      const HttpResponse response = served.ask(request);
      CHECK(response.status == 200);
      CHECK(response.field("Content-Type") == kPrometheusContentType);
      CHECK(response.lists("Connection", "close"));
      CHECK(response.body == prometheus_text(served.metrics));
    }
    CHECK(prometheus_text(served.metrics).find("things_total 2\n") != std::string::npos);
  });
}

TEST_CASE("a scrape page is larger than a stream takes at once", "[conformance][scrape]") {
  each_backend([](ConformanceBackend& env) {
    std::deque<std::string> names;  // outlive the metrics
    Served served(env);
    const std::string value(100, 'x');
    for (int metric = 0; metric < 30; ++metric) {
      const std::string& name = names.emplace_back("m" + std::to_string(metric) + "_total");
      auto& family = served.metrics.counter({name, "Many", {"l"}});
      for (int i = 0; i < 100; ++i) family.with({value + std::to_string(i)}).add();
    }
    const HttpResponse response = served.ask("GET /metrics HTTP/1.1\r\nHost: a\r\n\r\n");
    CHECK(response.body.size() > 300'000);
    CHECK(response.body == prometheus_text(served.metrics));
  });
}

TEST_CASE("other requests are refused by name", "[conformance][scrape]") {
  each_backend([](ConformanceBackend& env) {
    Served served(env);
    CHECK(served.ask("GET / HTTP/1.1\r\nHost: a\r\n\r\n").status == 404);
    CHECK(served.ask("GET /metricsx HTTP/1.1\r\nHost: a\r\n\r\n").status == 404);
    const HttpResponse posted = served.ask("POST /metrics HTTP/1.1\r\nHost: a\r\n\r\n");
    CHECK(posted.status == 405);
    CHECK(posted.field("Allow") == "GET");
    CHECK(served.ask("nonsense\r\n\r\n").status == 400);
    CHECK(served.ask("GET /" + std::string(9000, 'x') + " HTTP/1.1\r\n\r\n").status == 400);
    CHECK(served.ask("GET /metrics HTTP/1.1\r\nHost: a\r\nContent-Length: 9\r\n\r\n123456789").status == 400);
  });
}

TEST_CASE("slow clients run out of time, and too many are dropped", "[conformance][scrape]") {
  each_backend([](ConformanceBackend& env) {
    Served served(env, {.connections = 2, .timeout = 1s});
    Asker slow(env, served.page->local()), deaf(env, served.page->local());
    slow.request = "GET /metr";
    wait_for(env, [&] { return served.page->connections() == 2; });
    Asker third(env, served.page->local());
    wait_for(env, [&] { return third.closed.has_value(); });
    CHECK(third.closed->code == ErrorCode::reset);
    CHECK(third.text.empty());
    CHECK(served.page->connections() == 2);
    wait_for(env, [&] { return slow.closed && deaf.closed; });
    CHECK(slow.closed->code == ErrorCode::reset);
    CHECK(served.page->connections() == 0);
    CHECK(served.ask("GET /metrics HTTP/1.1\r\nHost: a\r\n\r\n").status == 200);
  });
}

TEST_CASE("who leaves in the middle leaves nothing behind, and the page may go at any time",
          "[conformance][scrape]") {
  each_backend([](ConformanceBackend& env) {
    Served served(env);
    {
      Asker early(env, served.page->local());
      early.request = "GET /metr";
      wait_for(env, [&] { return served.page->connections() == 1; });
      early.stream->finish();
      wait_for(env, [&] { return early.closed.has_value(); });
    }
    CHECK(served.page->connections() == 0);
    Asker late(env, served.page->local());
    wait_for(env, [&] { return served.page->connections() == 1; });
    served.page.reset();
    wait_for(env, [&] { return late.closed.has_value(); });
    CHECK(late.closed->code == ErrorCode::reset);
  });
}

}  // namespace
}  // namespace mesocosm::conformance
