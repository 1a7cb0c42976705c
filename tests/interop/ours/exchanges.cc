#include "tests/interop/ours/exchanges.h"

#include <algorithm>
#include <memory>
#include <optional>
#include <string>
#include <utility>

#include "stack/protocols/perf/perf.h"
#include "stack/protocols/ping/ping.h"
#include "stack/wire/sha256.h"
#include "tests/interop/ours/pattern.h"
#include "tests/interop/ours/services.h"

namespace mesocosm::interop {

class Exchanges::Exchange : public Stream::Events {
 public:
  Exchange(Exchanges& home, Done done) : home_(home), done_(std::move(done)) {}
  virtual ~Exchange() = default;

  void begin(std::unique_ptr<Stream> stream) {
    stream_ = std::move(stream);
    if (stream_->writable() > 0) on_writable();
  }
  // The last act: this is destroyed here.
  void end(Result<Json> outcome) {
    const Done done = std::move(done_);
    home_.running_.remove(*this);
    done(std::move(outcome));
  }

  void on_closed(Error error) override {
    if (error.ok()) error = {ErrorCode::reset, "the stream ended before its time"};
    end(tl::unexpected(std::move(error)));
  }

 protected:
  Time now() const { return home_.env_.clock.now(); }
  void violation(std::string_view what) { end(fail(ErrorCode::protocol_violation, std::string(what))); }

  Exchanges& home_;
  std::unique_ptr<Stream> stream_;

 private:
  Done done_;
};

// So many round trips, one after the other.
class Exchanges::Ping final : public Exchange {
 public:
  Ping(Exchanges& home, std::uint32_t count, Done done) : Exchange(home, std::move(done)), left_(count) {}

 private:
  void on_writable() override {
    if (!std::exchange(began_, true)) next();
  }
  void next() {
    if (left_ == 0) {
      stream_->finish();
      return end(Json{{"rtts", std::move(rtts_)}});
    }
    --left_;
    PingPayload payload;
    home_.env_.entropy.fill(payload);
    stream_->write(core_.send(payload, now()));
  }
  void on_readable() override {
    for (Bytes bytes; !(bytes = stream_->read(SIZE_MAX)).empty();) {
      const auto round_trip = core_.on_bytes(bytes, now());
      if (!round_trip) return end(tl::unexpected(round_trip.error()));
      if (!*round_trip) continue;
      rtts_.push_back(to_seconds(**round_trip));
      return next();
    }
    if (stream_->ended()) violation("the peer ended the pings");
  }

  std::uint32_t left_;
  bool began_ = false;
  PingCore core_;
  Json rtts_ = Json::array();
};

class Exchanges::Perf final : public Exchange {
 public:
  Perf(Exchanges& home, std::uint64_t up, std::uint64_t down, Done done)
      : Exchange(home, std::move(done)), up_(up), down_(down), opened_(now()) {
    if (home.checksums_) sent_hash_.emplace(), received_hash_.emplace();
  }

 private:
  void on_writable() override {
    while (!finished_) {
      const std::size_t room = stream_->writable();
      if (room == 0) return;
      if (!std::exchange(header_sent_, true)) {
        stream_->write(header());
      } else if (sent_ < up_) {
        const Bytes part = pattern(sent_, std::min<std::uint64_t>(room, up_ - sent_));
        sent_ += part.size();
        if (sent_hash_) sent_hash_->update(part);
        stream_->write(part);
      } else {
        finished_ = true;
        stream_->finish();
      }
    }
  }
  Bytes header() const {
    return Bytes::build(kPerfHeaderSize, [this](MutableByteView out) {
      for (std::size_t i = 0; i < out.size(); ++i) out[i] = static_cast<std::uint8_t>(down_ >> (56 - 8 * i));
    });
  }

  void on_readable() override {
    for (Bytes bytes; !(bytes = stream_->read(SIZE_MAX)).empty();) {
      if (!answered_at_) answered_at_ = now();
      received_ += bytes.size();
      if (received_hash_) received_hash_->update(bytes);
    }
    if (!stream_->ended()) return;
    if (!finished_) return violation("the answer ended before the upload");
    if (received_ != down_) {
      return violation("the answer has " + std::to_string(received_) + " bytes instead of " +
                       std::to_string(down_));
    }
    if (!answered_at_) answered_at_ = now();
    const auto hex = [](std::optional<Sha256>& hash) { return hash ? Json(to_hex(hash->finish())) : Json(); };
    end(Json{{"up_seconds", to_seconds(*answered_at_ - opened_)},
             {"down_seconds", to_seconds(now() - *answered_at_)},
             {"sent_sha256", hex(sent_hash_)},
             {"received_sha256", hex(received_hash_)},
             {"received", received_}});
  }

  std::uint64_t up_, down_;
  std::uint64_t sent_ = 0, received_ = 0;
  bool header_sent_ = false;
  bool finished_ = false;
  std::optional<Sha256> sent_hash_, received_hash_;
  Time opened_;
  std::optional<Time> answered_at_;
};

// Ends well if the same bytes came back and then the end.
class Exchanges::Echo final : public Exchange {
 public:
  Echo(Exchanges& home, std::uint64_t bytes, Done done) : Exchange(home, std::move(done)), bytes_(bytes) {}

 private:
  void on_writable() override {
    while (!finished_) {
      const std::size_t room = stream_->writable();
      if (room == 0) return;
      if (sent_ < bytes_) {
        const Bytes part = pattern(sent_, std::min<std::uint64_t>(room, bytes_ - sent_));
        sent_ += part.size();
        stream_->write(part);
      } else {
        finished_ = true;
        stream_->finish();
      }
    }
  }
  void on_readable() override {
    for (Bytes bytes; !(bytes = stream_->read(SIZE_MAX)).empty();) {
      if (!is_pattern(bytes, received_)) return violation("other bytes came back");
      received_ += bytes.size();
    }
    if (!stream_->ended()) return;
    if (!finished_ || received_ != bytes_) {
      return violation("the echo ended after " + std::to_string(received_) + " bytes");
    }
    end(Json::object());
  }

  std::uint64_t bytes_;
  std::uint64_t sent_ = 0, received_ = 0;
  bool finished_ = false;
};

class Exchanges::RemoteReset final : public Exchange {
 public:
  using Exchange::Exchange;

 private:
  void on_writable() override {
    if (!std::exchange(sent_, true)) stream_->write(pattern(0, 1));
  }
  void on_readable() override {
    while (!stream_->read(SIZE_MAX).empty()) {
    }
    if (stream_->ended()) violation("the stream ended cleanly instead of with a reset");
  }
  void on_closed(Error error) override {
    if (error.code != ErrorCode::reset) return Exchange::on_closed(std::move(error));
    end(Json{{"error", error.message()}});
  }

  bool sent_ = false;
};

class Exchanges::LocalReset final : public Exchange {
 public:
  using Exchange::Exchange;

 private:
  void on_writable() override {
    if (!std::exchange(sent_, true)) stream_->write(pattern(0, 1));
  }
  void on_readable() override {
    if (stream_->read(1).empty()) {
      if (stream_->ended()) violation("the peer ended instead of answering");
      return;
    }
    stream_->reset();
    end(Json::object());
  }

  bool sent_ = false;
};

Exchanges::Exchanges(Env& env, Swarm& swarm, bool checksums)
    : env_(env), swarm_(swarm), checksums_(checksums) {}
Exchanges::~Exchanges() = default;

void Exchanges::start(std::unique_ptr<Exchange> exchange, const PeerId& peer, const ProtocolId& protocol) {
  Exchange& started = running_.add(std::move(exchange));
  auto stream = swarm_.open(peer, {&protocol, 1}, started);
  if (stream == nullptr) return started.end(fail(ErrorCode::not_found, "not connected"));
  started.begin(std::move(stream));
}

void Exchanges::ping(const PeerId& peer, std::uint32_t count, Done done) {
  start(std::make_unique<Ping>(*this, count, std::move(done)), peer, kPingProtocol);
}

void Exchanges::perf(const PeerId& peer, std::uint64_t up, std::uint64_t down, Done done) {
  start(std::make_unique<Perf>(*this, up, down, std::move(done)), peer, kPerfProtocol);
}

void Exchanges::echo(const PeerId& peer, std::uint32_t streams, std::uint64_t bytes, Done done) {
  struct Tally {
    std::uint32_t left;
    std::uint32_t fine = 0;
    std::string first_error;
  };
  if (streams == 0) return done(Json{{"streams_ok", 0}});
  const auto tally = std::make_shared<Tally>(Tally{streams, 0, {}});
  const Done one = [tally, done = std::move(done)](const Result<Json>& outcome) {
    if (outcome) {
      ++tally->fine;
    } else if (tally->first_error.empty()) {
      tally->first_error = outcome.error().message();
    }
    if (--tally->left > 0) return;
    Json fields{{"streams_ok", tally->fine}};
    if (!tally->first_error.empty()) fields["first_error"] = tally->first_error;
    done(std::move(fields));
  };
  for (std::uint32_t i = 0; i < streams; ++i) {
    start(std::make_unique<Echo>(*this, bytes, one), peer, kEchoProtocol);
  }
}

void Exchanges::remote_reset(const PeerId& peer, Done done) {
  start(std::make_unique<RemoteReset>(*this, std::move(done)), peer, kResetProtocol);
}

void Exchanges::local_reset(const PeerId& peer, Done done) {
  start(std::make_unique<LocalReset>(*this, std::move(done)), peer, kHoldProtocol);
}

}  // namespace mesocosm::interop
