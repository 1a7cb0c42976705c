#include "tests/interop/ours/peer.h"

#include <cstdio>
#include <utility>

#include <unistd.h>

#include "stack/base/version.h"

namespace mesocosm::interop {
namespace {

constexpr Duration kIdentifyLimit = 5s;
constexpr std::size_t kLongestLine = 1 << 20;

// Messages published in one turn, and how many may wait for the slowest peer while we publish.
constexpr std::uint64_t kPublishAtOnce = 256;
constexpr std::size_t kPublishBacklog = 64;

void log(const std::string& text) { std::fprintf(stderr, "%s\n", text.c_str()); }

Json texts(const std::vector<Multiaddr>& addresses) {
  Json list = Json::array();
  for (const Multiaddr& address : addresses) list.push_back(address.to_string());
  return list;
}

std::string_view to_string(Direction direction) {
  return direction == Direction::inbound ? "inbound" : "outbound";
}

double elapsed(std::chrono::steady_clock::time_point since) {
  return std::chrono::duration<double>(std::chrono::steady_clock::now() - since).count();
}

// An address with /p2p, as dial and handshakes want it.
struct Target {
  explicit Target(const Command& command) {
    const std::string text = command.text("addr");
    const auto parsed = Multiaddr::parse(text);
    if (!parsed) throw BadCommand("addr: '" + text + "': " + parsed.error().message());
    const auto named = parsed->peer();
    if (!named) throw BadCommand("addr: '" + text + "' has no /p2p");
    address = *parsed;
    peer = *named;
  }
  Multiaddr address;
  PeerId peer;
};

}  // namespace

// Dials and disconnects again and again.
struct Peer::Handshakes {
  Handshakes(Peer& owner, const Command& asked)
      : swarm(owner.host_->swarm()),
        command(asked),
        target(asked),
        left(asked.count<std::uint32_t>("count")) {}

  bool next() {  // false: it was the last
    if (left == 0) return false;
    --left;
    began = std::chrono::steady_clock::now();
    swarm.dial(target.peer, {&target.address, 1});
    return true;
  }
  void on_connected() {
    seconds.push_back(elapsed(began));
    swarm.disconnect(target.peer);
  }

  Swarm& swarm;
  Command command;
  Target target;
  std::uint32_t left;
  std::chrono::steady_clock::time_point began;
  Json seconds = Json::array();
};

// Publishes as fast as the slowest peer takes it.
struct Peer::Publishing {
  Publishing(Peer& owner, const Command& asked)
      : peer(owner),
        command(asked),
        topic(asked.text("topic")),
        size(asked.count<std::size_t>("size")),
        count(asked.count<std::uint64_t>("count")),
        began(std::chrono::steady_clock::now()) {
    if (size < kSmallestMessage) throw BadCommand("size: at least 8, for the index");
  }

  void work() {
    GossipSub& gossipsub = peer.host_->gossipsub();
    for (std::uint64_t i = 0; i < kPublishAtOnce && index < count; ++i) {
      if (gossipsub.backlog() > kPublishBacklog) break;
      const auto published = gossipsub.publish(topic, make_message(index, size));
      if (!published) return end(tl::unexpected(published.error()));
      ++index;
    }
    if (index == count) return end(Json{{"seconds", elapsed(began)}});
    peer.loop_.arm_after(timer, gossipsub.backlog() > kPublishBacklog ? Duration(1ms) : Duration(0));
  }
  // The last act: this is destroyed here.
  void end(const Result<Json>& outcome) {
    command.finish(outcome);
    std::erase_if(peer.publishing_, [this](const auto& other) { return other.get() == this; });
  }

  Peer& peer;
  Command command;
  std::string topic;
  std::size_t size;
  std::uint64_t count;
  std::uint64_t index = 0;
  std::chrono::steady_clock::time_point began;
  MemberTimer<&Publishing::work> timer{*this};
};

int Peer::run(const Options& options) {
  AsioLoop loop;
  Peer peer(loop, options);
  if (const auto started = peer.start(); !started) {
    log("error: " + started.error().message());
    return 2;
  }
  loop.run();
  return peer.exit_code_;
}

Peer::Peer(AsioLoop& loop, const Options& options) : loop_(loop), options_(options), waits_(loop) {}
Peer::~Peer() = default;

Result<> Peer::start() {
  auto host = Host::make(loop_, options_, this);
  if (!host) return tl::unexpected(host.error());
  host_ = std::move(*host);
  host_->swarm().observe(*this);
  services_ = std::make_unique<Services>(host_->swarm(), options_.checksums,
                                         [](const Json& event) { print_line(event); });
  exchanges_ = std::make_unique<Exchanges>(host_->node().env(), host_->swarm(), options_.checksums);
  AsioInput::Events& reader = *this;
  input_ = std::make_unique<AsioInput>(loop_, STDIN_FILENO, reader);
  loop_.arm_after(time_limit_, options_.time_limit);
  print_line({{"ev", "listening"},
              {"impl", "ours"},
              {"version", kVersion},
              {"peer", host_->node().peer_id().to_string()},
              {"addrs", texts(host_->addresses())}});
  return {};
}

void Peer::on_time_limit() {
  log("error: the time limit of " + std::to_string(to_seconds(options_.time_limit)) + " s is over");
  end(1);
}

void Peer::end(int code) {
  exit_code_ = code;
  loop_.stop();
}

// ---- What happens ----

void Peer::on_peer_connected(const PeerId& peer) {
  const ConnectionInfo& info = host_->swarm().connection(peer)->info();
  print_line({{"ev", "connected"}, {"peer", peer.to_string()}, {"direction", to_string(info.direction)}});
  std::erase_if(dialing_, [&](const Dialing& dial) {
    if (dial.peer != peer) return false;
    dial.command.answer({{"peer", peer.to_string()},
                         {"security", info.security},
                         {"muxer", info.muxer},
                         {"seconds", to_seconds(loop_.now() - dial.began)}});
    return true;
  });
  if (handshakes_ != nullptr && handshakes_->target.peer == peer) handshakes_->on_connected();
}

void Peer::on_peer_disconnected(const PeerId& peer) {
  print_line({{"ev", "disconnected"}, {"peer", peer.to_string()}});
  identified_.erase(peer);
  for (const Command& command : std::exchange(disconnecting_[peer], {})) command.answer();
  disconnecting_.erase(peer);
  if (handshakes_ == nullptr || handshakes_->target.peer != peer || handshakes_->next()) return;
  const auto run = std::move(handshakes_);
  run->command.answer({{"seconds", run->seconds}});
}

void Peer::on_dial_failed(const PeerId& peer, const Error& error) {
  std::erase_if(dialing_, [&](const Dialing& dial) {
    if (dial.peer != peer) return false;
    dial.command.refuse(error.message());
    return true;
  });
  if (handshakes_ == nullptr || handshakes_->target.peer != peer) return;
  std::exchange(handshakes_, nullptr)->command.refuse(error.message());
}

void Peer::on_identified(const PeerId& peer, const IdentifyFacts& facts) {
  if (!host_->swarm().connected(peer)) return;
  const auto [at, first] = identified_.try_emplace(peer, facts);
  if (first) return;
  // A push may tell only what changed; protocols and addresses are in the peer store.
  if (!facts.record.empty()) at->second.record = facts.record;
  if (!facts.agent.empty()) at->second.agent = facts.agent;
}

void Peer::on_identify_failed(const PeerId& peer, const Error& error) {
  log("identify " + peer.to_string() + ": " + error.message());
}

// ---- Commands ----

void Peer::on_input(Bytes bytes) {
  partial_line_ += bytes.text();
  std::size_t begin = 0;
  for (std::size_t end; (end = partial_line_.find('\n', begin)) != std::string::npos; begin = end + 1) {
    execute(std::string_view(partial_line_).substr(begin, end - begin));
  }
  partial_line_.erase(0, begin);
  if (partial_line_.size() <= kLongestLine) return;
  log("error: a command of more than " + std::to_string(kLongestLine) + " bytes");
  end(2);
}

void Peer::execute(std::string_view line) {
  const Command command(Json::parse(line, nullptr, false));
  try {
    dispatch(command);
  } catch (const BadCommand& error) {
    command.refuse(error.what());
  }
}

void Peer::dispatch(const Command& command) {
  using Method = void (Peer::*)(const Command&);
  static const std::map<std::string_view, Method> kMethods = {
      {"dial", &Peer::dial},
      {"disconnect", &Peer::disconnect},
      {"connections", &Peer::connections},
      {"identify", &Peer::identify},
      {"push", &Peer::push},
      {"await_protocol", &Peer::await_protocol},
      {"ping", &Peer::ping},
      {"perf", &Peer::perf},
      {"echo", &Peer::echo},
      {"remote_reset", &Peer::remote_reset},
      {"local_reset", &Peer::local_reset},
      {"subscribe", &Peer::subscribe},
      {"unsubscribe", &Peer::unsubscribe},
      {"await_subscribers", &Peer::await_subscribers},
      {"publish", &Peer::publish},
      {"await_messages", &Peer::await_messages},
      {"scores", &Peer::scores},
      {"app_score", &Peer::app_score},
      {"handshakes", &Peer::handshakes},
      {"stop", &Peer::stop},
  };
  const auto found = kMethods.find(command.op());
  if (found == kMethods.end()) throw BadCommand("no such op: " + command.op());
  (this->*found->second)(command);
}

void Peer::dial(const Command& command) {
  const Target target(command);
  if (Connection* connection = host_->swarm().connection(target.peer)) {
    const ConnectionInfo& info = connection->info();
    return command.answer({{"peer", target.peer.to_string()},
                           {"security", info.security},
                           {"muxer", info.muxer},
                           {"seconds", 0.0}});
  }
  dialing_.push_back({command, target.peer, loop_.now()});
  host_->swarm().dial(target.peer, {&target.address, 1});
}

void Peer::disconnect(const Command& command) {
  const PeerId peer = command.peer();
  if (!host_->swarm().connected(peer)) return command.refuse("not connected");
  disconnecting_[peer].push_back(command);
  host_->swarm().disconnect(peer);
}

void Peer::connections(const Command& command) {
  Json peers = Json::array();
  for (const PeerId& peer : host_->swarm().connected_peers()) peers.push_back(peer.to_string());
  command.answer({{"peers", peers}});
}

void Peer::identify(const Command& command) {
  const PeerId peer = command.peer();
  const auto check = [this, command, peer] {
    const auto found = identified_.find(peer);
    if (found == identified_.end()) return false;
    const IdentifyFacts& facts = found->second;
    const PeerStore& store = host_->swarm().peers();
    command.answer({{"agent", facts.agent},
                    {"protocol_version", facts.protocol_version},
                    {"protocols", store.protocols(peer)},
                    {"addrs", texts(store.addresses(peer))},
                    {"observed", facts.observed.empty() ? Json() : Json(facts.observed.to_string())},
                    {"signed_record", !facts.record.empty()}});
    return true;
  };
  waits_.until(check, kIdentifyLimit, [command] { command.refuse("the peer was not identified in time"); });
}

void Peer::push(const Command& command) {
  host_->swarm().handle(pushed_.emplace_back(command.text("protocol")), refuser_);
  command.answer();
}

void Peer::await_protocol(const Command& command) {
  const PeerId peer = command.peer();
  const std::string protocol = command.text("protocol");
  const auto check = [this, command, peer, protocol] {
    if (!host_->swarm().peers().speaks(peer, protocol)) return false;
    command.answer();
    return true;
  };
  waits_.until(check, command.seconds("timeout"),
               [command, protocol] { command.refuse("the peer is not known to speak " + protocol); });
}

void Peer::ping(const Command& command) {
  exchanges_->ping(command.peer(), command.count<std::uint32_t>("count"), finisher(command));
}

void Peer::perf(const Command& command) {
  exchanges_->perf(command.peer(), command.count<std::uint64_t>("up"), command.count<std::uint64_t>("down"),
                   finisher(command));
}

void Peer::echo(const Command& command) {
  exchanges_->echo(command.peer(), command.count<std::uint32_t>("streams"),
                   command.count<std::uint64_t>("bytes"), finisher(command));
}

void Peer::remote_reset(const Command& command) {
  exchanges_->remote_reset(command.peer(), finisher(command));
}

void Peer::local_reset(const Command& command) { exchanges_->local_reset(command.peer(), finisher(command)); }

Done Peer::finisher(const Command& command) {
  return [command](const Result<Json>& outcome) { command.finish(outcome); };
}

void Peer::subscribe(const Command& command) {
  const std::string topic = command.text("topic");
  const auto subscribed = host_->gossipsub().subscribe(topic, subscriptions_[topic]);
  if (!subscribed) return command.refuse(subscribed.error().message());
  command.answer();
}

void Peer::unsubscribe(const Command& command) {
  const std::string topic = command.text("topic");
  if (!host_->gossipsub().subscribed(topic)) return command.refuse("not subscribed to " + topic);
  host_->gossipsub().unsubscribe(topic);
  subscriptions_.erase(topic);
  command.answer();
}

void Peer::await_subscribers(const Command& command) {
  const std::string topic = command.text("topic");
  const auto wanted = command.count<std::size_t>("count");
  const auto known = [this, topic] { return host_->gossipsub().peers(topic).size(); };
  const auto check = [command, wanted, known] {
    if (known() < wanted) return false;
    command.answer({{"count", known()}});
    return true;
  };
  waits_.until(check, command.seconds("timeout"), [command, known] {
    command.refuse("only " + std::to_string(known()) + " peers are known to subscribe");
  });
}

void Peer::publish(const Command& command) {
  publishing_.push_back(std::make_unique<Publishing>(*this, command));
  publishing_.back()->work();
}

void Peer::await_messages(const Command& command) {
  const std::string topic = command.text("topic");
  const auto wanted = command.count<std::uint64_t>("count");
  if (!host_->gossipsub().subscribed(topic)) return command.refuse("not subscribed to " + topic);
  const auto check = [this, command, topic, wanted] {
    const Subscription& subscription = subscriptions_[topic];
    if (subscription.count() < wanted) return false;
    command.answer(subscription.summary());
    return true;
  };
  waits_.until(check, command.seconds("timeout"), [this, command, topic] {
    command.refuse("only " + std::to_string(subscriptions_[topic].count()) + " messages came");
  });
}

void Peer::scores(const Command& command) {
  Json scores = Json::object(), mesh = Json::array();
  for (const auto& [peer, score] : host_->gossipsub().scores()) scores[peer.to_string()] = score.total;
  for (const PeerId& peer : host_->gossipsub().mesh_peers(command.text("topic")))
    mesh.push_back(peer.to_string());
  command.answer({{"scores", std::move(scores)}, {"mesh", std::move(mesh)}});
}

void Peer::app_score(const Command& command) {
  host_->gossipsub().set_app_score(command.peer(), command.number("value"));
  command.answer();
}

void Peer::handshakes(const Command& command) {
  if (handshakes_ != nullptr) return command.refuse("handshakes are under way");
  auto run = std::make_unique<Handshakes>(*this, command);
  if (host_->swarm().connected(run->target.peer)) return command.refuse("already connected");
  if (!run->next()) return command.answer({{"seconds", run->seconds}});
  handshakes_ = std::move(run);
}

void Peer::stop(const Command& command) {
  command.answer();
  end(0);
}

}  // namespace mesocosm::interop
