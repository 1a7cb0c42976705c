#include "tests/interop/ours/services.h"

#include <algorithm>
#include <optional>
#include <utility>

#include "stack/protocols/perf/perf.h"
#include "stack/swarm/session_set.h"
#include "stack/wire/sha256.h"
#include "tests/interop/ours/pattern.h"

namespace mesocosm::interop {

// One protocol: owns its streams. Each ends itself with `home.sessions.remove(*this)` as its last act.
template <class Session>
struct Services::Service final : ProtocolHandler {
  Service(Services& all, Swarm& table, ProtocolId name) : services(all), swarm(table), protocol(name) {
    swarm.handle(protocol, *this);
  }
  ~Service() { swarm.unhandle(protocol); }

  void on_stream(std::unique_ptr<Stream> stream) override {
    Session& session = sessions.add(std::make_unique<Session>(*this));
    session.peer = stream->connection().info().peer;
    session.stream = std::move(stream);
    session.stream->set_events(session);
  }

  Services& services;
  Swarm& swarm;
  ProtocolId protocol;
  SessionSet<Session> sessions;
};

namespace {

struct Session : Stream::Events {
  PeerId peer;
  std::unique_ptr<Stream> stream;
};

}  // namespace

// Reads to the end, tells what came, answers with as much of the pattern as was asked for.
struct Services::Perf final : Session {
  explicit Perf(Service<Perf>& owner) : home(owner) {
    if (home.services.checksums()) hash.emplace();
  }

  void on_readable() override {
    for (Bytes bytes; !(bytes = stream->read(SIZE_MAX)).empty();) take(bytes);
    if (!stream->ended() || ended) return;
    ended = true;
    if (header_size < kPerfHeaderSize) return home.sessions.remove(*this);
    home.services.tell()({{"ev", "perf"},
                          {"peer", peer.to_string()},
                          {"received", received},
                          {"sha256", hash ? Json(to_hex(hash->finish())) : Json()}});
    reply();
  }
  void on_writable() override { reply(); }
  void on_closed(Error) override { home.sessions.remove(*this); }

  void take(Bytes bytes) {
    for (; header_size < kPerfHeaderSize && !bytes.empty(); ++header_size) {
      wanted = wanted << 8 | bytes.take_front(1)[0];
    }
    received += bytes.size();
    if (hash) hash->update(bytes);
  }
  void reply() {
    if (!ended || finished) return;
    while (sent < wanted) {
      const std::size_t room = stream->writable();
      if (room == 0) return;
      const Bytes part = pattern(sent, std::min<std::uint64_t>(room, wanted - sent));
      sent += part.size();
      stream->write(part);
    }
    finished = true;
    stream->finish();
  }

  Service<Perf>& home;
  std::optional<Sha256> hash;
  std::uint64_t wanted = 0;
  std::uint64_t received = 0;
  std::uint64_t sent = 0;
  std::size_t header_size = 0;
  bool ended = false;
  bool finished = false;
};

// What comes goes back, as fast as the peer takes it.
struct Services::Echo final : Session {
  explicit Echo(Service<Echo>& owner) : home(owner) {}

  void on_readable() override {
    while (const std::size_t room = stream->writable()) {
      Bytes bytes = stream->read(room);
      if (bytes.empty()) break;
      stream->write(std::move(bytes));
    }
    if (stream->ended()) stream->finish();
  }
  void on_writable() override { on_readable(); }
  void on_closed(Error) override { home.sessions.remove(*this); }

  Service<Echo>& home;
};

// Reads one byte and resets.
struct Services::Reset final : Session {
  explicit Reset(Service<Reset>& owner) : home(owner) {}

  void on_readable() override {
    if (stream->read(1).empty() && !stream->ended()) return;
    stream->reset();
    home.sessions.remove(*this);
  }
  void on_writable() override {}
  void on_closed(Error) override { home.sessions.remove(*this); }

  Service<Reset>& home;
};

// Answers one byte with one byte, then says how the stream ended.
struct Services::Hold final : Session {
  explicit Hold(Service<Hold>& owner) : home(owner) {}

  void on_readable() override {
    for (Bytes bytes; !(bytes = stream->read(SIZE_MAX)).empty();) {
      if (!answered) stream->write(bytes.slice(0, 1));
      answered = true;
    }
    if (!stream->ended() || told) return;
    tell("eof");
    stream->finish();
  }
  void on_writable() override {}
  void on_closed(Error error) override {
    if (!told && !error.ok()) tell("reset");
    home.sessions.remove(*this);
  }
  void tell(const char* end) {
    told = true;
    home.services.tell()(
        {{"ev", "stream_end"}, {"protocol", kHoldProtocol}, {"peer", peer.to_string()}, {"end", end}});
  }

  Service<Hold>& home;
  bool answered = false;
  bool told = false;
};

Services::Services(Swarm& swarm, bool checksums, Tell tell)
    : checksums_(checksums),
      tell_(std::move(tell)),
      perf_(std::make_unique<Service<Perf>>(*this, swarm, kPerfProtocol)),
      echo_(std::make_unique<Service<Echo>>(*this, swarm, kEchoProtocol)),
      reset_(std::make_unique<Service<Reset>>(*this, swarm, kResetProtocol)),
      hold_(std::make_unique<Service<Hold>>(*this, swarm, kHoldProtocol)) {}
Services::~Services() = default;

}  // namespace mesocosm::interop
