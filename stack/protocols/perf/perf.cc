#include "stack/protocols/perf/perf.h"

#include <utility>

namespace mesocosm {

struct Perf::Client final : Stream::Events {
  Client(Perf& owner, const PeerId& whom, std::uint64_t upload, std::uint64_t download, PerfEvents& listener)
      : perf(owner), peer(whom), events(listener), core(upload, download) {
    result.uploaded = upload;
  }

  void pump() {
    while (!finished) {
      const std::size_t room = stream->writable();
      if (room == 0) return;
      if (!began) began = true, start = perf.env_.clock.now();
      const Bytes part = core.next(room);
      if (!part.empty()) {
        stream->write(part);
      }
      if (core.sent_all()) {
        stream->finish();
        finished = true;
        uploaded_at = perf.env_.clock.now();
      }
    }
  }

  void on_writable() override { pump(); }
  void on_readable() override {
    while (true) {
      const Bytes part = stream->read(SIZE_MAX);
      if (part.empty()) break;
      if (const auto right = core.on_bytes(part.size()); !right) return end(right.error());
    }
    if (!stream->ended()) return;
    const auto right = core.on_end();
    if (!right) return end(right.error());
    result.downloaded = core.received();
    result.upload = uploaded_at - start;
    result.download = perf.env_.clock.now() - uploaded_at;
    end({});
  }
  void on_closed(Error error) override {
    end(error.ok() ? Error{ErrorCode::reset, "the peer ended the run"} : std::move(error));
  }
  void on_not_connected() { end({ErrorCode::not_found, "not connected"}); }

  // The last act: this is destroyed here.
  void end(const Error& error) {
    const PeerId whom = peer;
    const PerfResult measured = result;
    PerfEvents& told = events;
    perf.clients_.remove(*this);
    if (error.ok()) {
      told.on_perf_done(whom, measured);
    } else {
      told.on_perf_failed(whom, error);
    }
  }

  Perf& perf;
  PeerId peer;
  PerfEvents& events;
  std::unique_ptr<Stream> stream;
  PerfClientCore core;
  PerfResult result;
  Time start{};
  Time uploaded_at{};
  bool began = false;
  bool finished = false;
  MemberTimer<&Client::on_not_connected> not_connected{*this};
};

struct Perf::Server final : Stream::Events {
  Server(Perf& owner, std::unique_ptr<Stream> taken) : perf(owner), stream(std::move(taken)) {
    stream->set_events(*this);
  }

  void on_readable() override {
    while (true) {
      const Bytes part = stream->read(SIZE_MAX);
      if (part.empty()) break;
      core.on_bytes(part);
    }
    if (!stream->ended() || upload_ended) return;
    upload_ended = true;
    if (!core.on_end()) return perf.servers_.remove(*this);
    pump();
  }
  void pump() {
    while (upload_ended && !finished) {
      if (core.replied()) {
        finished = true;
        return stream->finish();
      }
      const std::size_t room = stream->writable();
      if (room == 0) return;
      stream->write(core.next(room));
    }
  }
  void on_writable() override { pump(); }
  void on_closed(Error) override { perf.servers_.remove(*this); }

  Perf& perf;
  std::unique_ptr<Stream> stream;
  PerfServerCore core;
  bool upload_ended = false;
  bool finished = false;
};

Perf::Perf(Env& env, Swarm& swarm) : env_(env), swarm_(swarm) { swarm_.handle(kPerfProtocol, *this); }
Perf::~Perf() = default;

void Perf::run(const PeerId& peer, std::uint64_t upload, std::uint64_t download, PerfEvents& events) {
  Client& client = clients_.add(std::make_unique<Client>(*this, peer, upload, download, events));
  client.stream = swarm_.open(peer, {&kPerfProtocol, 1}, client);
  if (client.stream == nullptr) return env_.clock.arm_after(client.not_connected, Duration{0});
  client.pump();
}

void Perf::on_stream(std::unique_ptr<Stream> stream) {
  servers_.add(std::make_unique<Server>(*this, std::move(stream)));
}

}  // namespace mesocosm
