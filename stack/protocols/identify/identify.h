// Identify over a swarm: asks each new connection's peer who it is, answers the same question, and tells
// connected peers when something about us changes (libp2p/specs identify/README.md). What is learned goes to
// the peer store; protocols through Swarm::set_peer_protocols.
#pragma once

#include <cstdint>
#include <memory>
#include <string>

#include "stack/base/version.h"
#include "stack/crypto/keys.h"
#include "stack/protocols/identify/identify_core.h"
#include "stack/protocols/identify/identify_metrics.h"
#include "stack/swarm/session_set.h"
#include "stack/swarm/swarm.h"

namespace mesocosm {

inline constexpr ProtocolId kIdentifyProtocol = "/ipfs/id/1.0.0";
inline constexpr ProtocolId kIdentifyPushProtocol = "/ipfs/id/push/1.0.0";

struct IdentifyConfig {
  std::string agent = "mesocosm/" + std::string(kVersion);  // what we say we are
  bool ask = true;                                          // every new connection
  bool push = true;                                         // when our protocols or addresses change
  bool records = true;  // tell our addresses in a signed record, and verify those of others
};

class IdentifyEvents {
 public:
  // After the peer store and the observers of the swarm know. Also after each push.
  virtual void on_identified(const PeerId& peer, const IdentifyFacts& facts) = 0;
  virtual void on_identify_failed(const PeerId& peer, const Error& error) = 0;

 protected:
  ~IdentifyEvents() = default;
};

class Identify final : public SwarmObserver, public ProtocolHandler {
 public:
  static constexpr Duration kTimeout = 30s;  // for one exchange

  // Registers itself with the swarm and must go before it. `key` must outlive it; `events` may be null.
  Identify(Env& env, Swarm& swarm, const KeyPair& key, IdentifyConfig config = {},
           IdentifyEvents* events = nullptr);
  ~Identify();

  void ask(Connection& connection);
  // Our signed peer record, signed again only when our addresses have changed; empty without config.records.
  const Bytes& own_record();

  void on_connection(Connection& connection) override;
  void on_self_changed() override;
  void on_stream(std::unique_ptr<Stream> stream) override;

 private:
  struct Session;

  const IdentifyTemplate& own_message();
  void refresh();
  void push_to_all();
  void learn(const PeerId& peer, IdentifyReader& reader, bool partial);
  void report(const PeerId& peer, const Error& error);

  Env& env_;
  Swarm& swarm_;
  const KeyPair& key_;
  IdentifyConfig config_;
  IdentifyEvents* events_;
  IdentifyMetrics& metrics_;
  SessionSet<Session> sessions_;
  IdentifyTemplate template_;  // empty: to be made
  Bytes record_;
  std::uint64_t seq_ = 0;        // of record_
  std::uint64_t addresses_ = 0;  // hash of what record_ holds
  std::uint64_t content_ = 0;    // hash of what template_ holds
  std::uint64_t pushed_ = 0;     // the content that connected peers were told
  MemberTask<&Identify::push_to_all> push_task_{*this};
};

}  // namespace mesocosm
