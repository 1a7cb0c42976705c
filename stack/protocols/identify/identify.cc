#include "stack/protocols/identify/identify.h"

#include <algorithm>
#include <utility>

#include "stack/base/hash.h"
#include "stack/crypto/peer_record.h"
#include "stack/env/fault_points.h"

namespace mesocosm {

// One stream. All four kinds end when both sides have ended theirs, or with the time.
struct Identify::Session final : Stream::Events {
  enum class Kind : std::uint8_t {
    ask,     // we opened it: read their message to its end
    answer,  // they asked: write ours, end
    push,    // we opened it to tell what changed: write ours, end
    learn,   // they push: read to the end
  };

  Session(Identify& owner, Kind what, const PeerId& whom) : identify(owner), kind(what), peer(whom) {
    identify.env_.clock.arm_after(timer, kTimeout);
  }

  bool reads() const { return kind == Kind::ask || kind == Kind::learn; }
  void tell_if_possible() {
    if (reads() || done || stream->writable() == 0) return;
    done = true;
    ByteView observed;
    if (kind == Kind::answer) observed = stream->connection().info().remote.bytes();
    for (const Bytes& part : identify.own_message().frames(observed)) {
      if (!part.empty()) stream->write(part);
    }
    stream->finish();
    (kind == Kind::answer ? identify.metrics_.answered : identify.metrics_.pushed).add();
  }

  void on_writable() override { tell_if_possible(); }
  void on_readable() override {
    while (true) {
      const Bytes part = stream->read(IdentifyReader::kMaxSize);
      if (part.empty()) break;
      if (!reads() || done) continue;
      if (const auto taken = reader.on_bytes(part); !taken) return end(taken.error());
    }
    if (!stream->ended() || !reads() || done) return;
    done = true;
    stream->finish();
    identify.learn(peer, reader, kind == Kind::learn);
  }
  void on_closed(Error error) override {
    end(error.ok() ? Error{ErrorCode::reset, "the peer ended the exchange"} : std::move(error));
  }
  void on_timeout() { end({ErrorCode::timeout, "identify"}); }

  // The last act: this is destroyed here.
  void end(const Error& error) {
    Identify& owner = identify;
    const PeerId whom = peer;
    const bool failed = kind == Kind::ask && !done;
    owner.sessions_.remove(*this);
    if (failed) owner.report(whom, error);
  }

  Identify& identify;
  Kind kind;
  bool done = false;  // told, or learned
  PeerId peer;
  std::unique_ptr<Stream> stream;
  IdentifyReader reader;
  MemberTimer<&Session::on_timeout> timer{*this};
};

Identify::Identify(Env& env, Swarm& swarm, const KeyPair& key, IdentifyConfig config, IdentifyEvents* events)
    : env_(env),
      swarm_(swarm),
      key_(key),
      config_(std::move(config)),
      events_(events),
      metrics_(env.metrics.of<IdentifyMetrics>()) {
  swarm_.handle(kIdentifyProtocol, *this);
  swarm_.handle(kIdentifyPushProtocol, *this);
  swarm_.observe(*this);
}

Identify::~Identify() { swarm_.unobserve(*this); }

void Identify::ask(Connection& connection) {
  const PeerId peer = connection.info().peer;
  Session& session = sessions_.add(std::make_unique<Session>(*this, Session::Kind::ask, peer));
  if (MC_FAULT_POINT(env_.entropy, identify_ask)) return;
  const bool lazy = swarm_.peers().speaks(peer, kIdentifyProtocol);
  session.stream = connection.open({&kIdentifyProtocol, 1}, lazy, session);
}

void Identify::on_connection(Connection& connection) {
  if (config_.ask) ask(connection);
}

void Identify::on_stream(std::unique_ptr<Stream> stream) {
  const bool pushed = stream->protocol() == kIdentifyPushProtocol;
  Session& session = sessions_.add(std::make_unique<Session>(
      *this, pushed ? Session::Kind::learn : Session::Kind::answer, stream->connection().info().peer));
  session.stream = std::move(stream);
  session.stream->set_events(session);
  session.tell_if_possible();
}

// ---- What we learn ----

void Identify::learn(const PeerId& peer, IdentifyReader& reader, bool partial) {
  auto message = reader.finish();
  if (!message) return report(peer, message.error());
  auto facts = judge_identify(*message, peer, config_.records);
  if (!facts) return report(peer, facts.error());
  (partial ? metrics_.heard : metrics_.asked).add();
  metrics_.protocols_received.observe(static_cast<double>(facts->protocols.size()));
  metrics_.addresses_received.observe(static_cast<double>(facts->addresses.size()));
  MC_LOG(env_.log, identify, debug, partial ? "pushed to" : "identified", {"peer", peer.to_string()},
         {"agent", facts->agent}, {"protocols", facts->protocols.size()},
         {"addresses", facts->addresses.size()}, {"observed", facts->observed.to_string()},
         {"signed", !facts->record.empty()});
  PeerStore& peers = swarm_.peers();
  if (!facts->record.empty()) {
    peers.set_certified(peer, facts->seq, facts->record);
  } else if (!facts->addresses.empty()) {
    peers.set_addresses(peer, facts->addresses);
  }
  if (!partial || !facts->protocols.empty()) swarm_.set_peer_protocols(peer, facts->protocols);
  if (events_ != nullptr) events_->on_identified(peer, *facts);
}

void Identify::report(const PeerId& peer, const Error& error) {
  metrics_.errors.with({to_string(error.code)}).add();
  MC_LOG(env_.log, identify, info, "not identified", {"peer", peer.to_string()}, {"error", error.message()});
  if (events_ != nullptr) events_->on_identify_failed(peer, error);
}

// ---- What we tell ----

const Bytes& Identify::own_record() {
  refresh();
  return record_;
}

const IdentifyTemplate& Identify::own_message() {
  refresh();
  return template_;
}

// Makes the message again if it was dropped, and the record if the addresses are others.
void Identify::refresh() {
  if (!template_.empty()) return;
  const std::vector<Multiaddr> addresses = swarm_.listen_addresses();
  IdentifyMessage message;
  message.public_key = key_.public_key().serialized();
  std::uint64_t hash = 1;
  for (const Multiaddr& address : addresses) {
    message.listen_addresses.push_back(address.bytes());
    hash = hash64(address.bytes(), hash);
  }
  if (config_.records && hash != addresses_) {
    seq_ = std::max(seq_ + 1, static_cast<std::uint64_t>(env_.clock.unix_nanoseconds()));
    record_ = seal_peer_record(key_, seq_, addresses);
  }
  addresses_ = hash;
  for (const ProtocolId protocol : swarm_.protocols()) {
    message.protocols.push_back(Bytes::unowned(as_bytes(protocol)));
    hash = hash64(as_bytes(protocol), hash);
  }
  message.protocol_version = Bytes::copy("ipfs/0.1.0");
  message.agent_version = Bytes::copy(config_.agent);
  message.signed_record = record_;
  content_ = hash;
  template_ = IdentifyTemplate(message);
}

void Identify::on_self_changed() {
  template_ = {};
  if (!config_.push || swarm_.connection_count() == 0 || push_task_.deferred()) return;
  pushed_ = content_;
  env_.clock.defer(push_task_);
}

// At the end of the turn, so that several changes make one push.
void Identify::push_to_all() {
  refresh();
  if (content_ == pushed_) return;
  metrics_.pushes_triggered.add();
  for (const PeerId& peer : swarm_.connected_peers()) {
    if (!swarm_.peers().speaks(peer, kIdentifyPushProtocol)) continue;
    Session& session = sessions_.add(std::make_unique<Session>(*this, Session::Kind::push, peer));
    session.stream = swarm_.open(peer, {&kIdentifyPushProtocol, 1}, session);
    if (session.stream == nullptr) {
      sessions_.remove(session);
    } else {
      session.tell_if_possible();
    }
  }
}

}  // namespace mesocosm
