// Host: a Node on real sockets of the loopback interface, as the contract wants it: one transport, one
// security, the limits that bite among processes on one address raised.
#pragma once

#include <memory>

#include "stack/asio/asio_env.h"
#include "stack/env/node_log.h"
#include "stack/node/node.h"
#include "tests/interop/ours/options.h"

namespace mesocosm::interop {

class Host {
 public:
  // Several hosts may share a loop. Errors: unsupported (a transport or a security), those of Node::make.
  static Result<std::unique_ptr<Host>> make(AsioLoop& loop, const Options& options,
                                            IdentifyEvents* events = nullptr);

  Node& node() { return *node_; }
  Swarm& swarm() { return node_->swarm(); }
  GossipSub& gossipsub() { return *node_->gossipsub(); }
  // With /p2p; empty when it does not listen.
  std::vector<Multiaddr> addresses() const;

 private:
  Host(AsioLoop& loop, const LogLevels& levels);

  AsioNetwork network_;
  SystemEntropy entropy_;
  Rng rng_;
  NoTrace trace_;
  std::unique_ptr<LogFile> log_file_;
  NodeLog log_;
  Env env_;
  std::unique_ptr<Node> node_;
};

}  // namespace mesocosm::interop
