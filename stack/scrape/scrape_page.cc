#include "stack/scrape/scrape_page.h"

#include <algorithm>
#include <utility>

#include "stack/base/assert.h"
#include "stack/http/http.h"
#include "stack/observe/prometheus.h"

namespace mesocosm {
namespace {

constexpr HttpLimits kLimits{.head = 8 * 1024, .body = 0};

HttpResponse plain(unsigned status, std::string_view body) {
  HttpResponse response;
  response.status = status;
  response.fields = {{"Content-Type", "text/plain; charset=utf-8"}};
  response.body = body;
  return response;
}

HttpResponse answer(const HttpRequest& request, const Metrics& metrics) {
  const std::string_view path = std::string_view(request.target).substr(0, request.target.find('?'));
  if (path != "/metrics") return plain(404, "the metrics are at /metrics\n");
  if (request.method != "GET") {
    HttpResponse response = plain(405, "only GET\n");
    response.fields.push_back({"Allow", "GET"});
    return response;
  }
  HttpResponse response = plain(200, prometheus_text(metrics));
  response.fields = {{"Content-Type", std::string(kPrometheusContentType)}};
  return response;
}

}  // namespace

// One connection: reads a request, answers, and waits until the other side has it all.
class ScrapePage::Session final : public ByteStream::Events {
 public:
  Session(ScrapePage& page, std::unique_ptr<ByteStream> stream) : page_(page), stream_(std::move(stream)) {
    page_.clock_.arm_after(timer_, page_.options_.timeout);
    stream_->set_events(*this);
  }

  void on_readable() override {
    for (Bytes input = stream_->read(SIZE_MAX); !input.empty(); input = stream_->read(SIZE_MAX)) {
      if (answered_) continue;  // what comes after the request is of no interest
      auto request = parser_.on_bytes(input);
      if (!request) {
        reply(plain(400, request.error().message() + "\n"));
      } else if (*request) {
        reply(answer(**request, page_.metrics_));
      }
    }
    if (stream_->ended() && !answered_) page_.remove(*this);
  }
  void on_writable() override {}
  void on_closed(Error) override { page_.remove(*this); }
  void on_timeout() { page_.remove(*this); }

 private:
  void reply(HttpResponse response) {
    answered_ = true;
    response.fields.push_back({"Connection", "close"});
    auto bytes = encode(response);
    MC_ASSERT(bytes.has_value());
    stream_->write(std::move(*bytes));
    stream_->finish();
  }

  ScrapePage& page_;
  std::unique_ptr<ByteStream> stream_;
  HttpRequestParser parser_{kLimits};
  bool answered_ = false;
  MemberTimer<&Session::on_timeout> timer_{*this};
};

Result<std::unique_ptr<ScrapePage>> ScrapePage::open(Clock& clock, Network& network, const Metrics& metrics,
                                                     const Endpoint& at, ScrapeOptions options) {
  std::unique_ptr<ScrapePage> page(new ScrapePage(clock, metrics, options));
  auto listener = network.listen(at, *page);
  if (!listener) return tl::unexpected<Error>(std::move(listener.error()));
  page->listener_ = std::move(*listener);
  return page;
}

ScrapePage::ScrapePage(Clock& clock, const Metrics& metrics, ScrapeOptions options)
    : clock_(clock), metrics_(metrics), options_(options) {}
ScrapePage::~ScrapePage() = default;

void ScrapePage::on_accept(std::unique_ptr<ByteStream> stream) {
  if (sessions_.size() >= options_.connections) return;
  sessions_.push_back(std::make_unique<Session>(*this, std::move(stream)));
}

// The last act of the session's callbacks.
void ScrapePage::remove(Session& session) {
  const auto at = std::find_if(sessions_.begin(), sessions_.end(),
                               [&](const auto& one) { return one.get() == &session; });
  MC_ASSERT(at != sessions_.end());
  const std::unique_ptr<Session> gone = std::move(*at);
  sessions_.erase(at);
}

}  // namespace mesocosm
