#include "tests/interop/transport/roles.h"

#include <algorithm>
#include <utility>

namespace mesocosm::interop {
namespace {

using Kind = RedisReply::Kind;

Error named(std::string what, const Error& error) {
  return {error.code, std::move(what) + ": " + error.message()};
}

Multiaddr listen_address(const Contract& contract) {
  std::string text = Multiaddr::tcp({contract.ip, 0}).to_string();
  if (contract.websocket) text += "/ws";
  return Multiaddr::parse(text).value();
}

bool is_loopback(const Multiaddr& address) {
  MultiaddrReader first(address);
  return first.next() && first.ip() && first.ip()->is_loopback();
}

// Listens as the contract says. The address to tell: one that other machines can reach if there is one, else
// loopback's; with /p2p.
Result<Multiaddr> listen(const Contract& contract, Swarm& swarm) {
  const auto listening = swarm.listen(listen_address(contract));
  if (!listening) return tl::unexpected(named("listen", listening.error()));
  const std::vector<Multiaddr> addresses = swarm.listen_addresses();
  if (addresses.empty()) return fail(ErrorCode::not_found, "listen: the machine has no address to tell");
  const auto reachable = std::find_if_not(addresses.begin(), addresses.end(), is_loopback);
  return (reachable == addresses.end() ? addresses.front() : *reachable).with_peer(swarm.local_peer());
}

}  // namespace

DialerRole::DialerRole(const Contract& contract, Node& node, Done done)
    : contract_(contract),
      node_(node),
      done_(std::move(done)),
      redis_(node.env(), contract.redis_host, contract.redis_port, *this) {
  node_.swarm().observe(*this);
  ask();
}

DialerRole::~DialerRole() { node_.swarm().unobserve(*this); }

// For a second only: a listener that sets a text in place of a list does not wake who waits for the list.
void DialerRole::ask() { redis_.command({"BLPOP", contract_.key, "1"}); }

void DialerRole::on_reply(RedisReply reply) {
  if (reply.kind == Kind::list && reply.items.size() == 2) return dial(reply.items[1].text);
  if (reply.kind == Kind::text) return dial(reply.text);
  if (reply.kind == Kind::nothing) return ask();
  if (reply.kind == Kind::error && reply.text.starts_with("WRONGTYPE")) {
    return redis_.command({"GET", contract_.key});
  }
  fail_with(
      {ErrorCode::protocol_violation, "redis: " + (reply.text.empty() ? "an unexpected reply" : reply.text)});
}

void DialerRole::dial(const std::string& address) {
  const auto parsed = Multiaddr::parse(address);
  if (!parsed) return fail_with(named("the listener's address '" + address + "'", parsed.error()));
  const auto peer = parsed->peer();
  if (!peer) return fail_with({ErrorCode::bad_encoding, "the listener's address has no peer id: " + address});
  dialed_at_ = node_.env().clock.now();
  node_.swarm().dial(*peer, {&*parsed, 1});
}

void DialerRole::on_peer_connected(const PeerId& peer) { node_.ping()->ping(peer, *this); }

void DialerRole::on_pong(const PeerId&, Duration round_trip) {
  done_(report(contract_, node_.env().clock.now() - *dialed_at_, round_trip));
}

void DialerRole::on_failed(Error error) { fail_with(named("redis", error)); }
void DialerRole::on_dial_failed(const PeerId&, const Error& error) { fail_with(named("dial", error)); }
void DialerRole::on_ping_failed(const PeerId&, const Error& error) { fail_with(named("ping", error)); }

ListenerRole::ListenerRole(const Contract& contract, Node& node, Done done)
    : done_(std::move(done)), redis_(node.env(), contract.redis_host, contract.redis_port, *this) {
  const auto address = listen(contract, node.swarm());
  if (!address) {
    done_(tl::unexpected(address.error()));
    return;
  }
  redis_.command({"DEL", contract.key});  // what an earlier test may have left
  redis_.command({"RPUSH", contract.key, address->to_string()});
}

void ListenerRole::on_reply(RedisReply reply) {
  if (reply.kind == Kind::number) return;
  done_(fail(ErrorCode::protocol_violation,
             "redis: " + (reply.text.empty() ? "an unexpected reply" : reply.text)));
}

void ListenerRole::on_failed(Error error) { done_(tl::unexpected(named("redis", error))); }

}  // namespace mesocosm::interop
