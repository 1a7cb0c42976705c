// Peer: a host that does what it is told, line by line, and says what happens (tests/interop/README.md).
#pragma once

#include <cstdint>
#include <deque>
#include <functional>
#include <map>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "stack/asio/asio_env.h"
#include "tests/interop/ours/command.h"
#include "tests/interop/ours/exchanges.h"
#include "tests/interop/ours/host.h"
#include "tests/interop/ours/json.h"
#include "tests/interop/ours/options.h"
#include "tests/interop/ours/services.h"
#include "tests/interop/ours/subscription.h"
#include "tests/interop/ours/waits.h"

namespace mesocosm::interop {

class Peer final : private AsioInput::Events, private SwarmObserver, private IdentifyEvents {
 public:
  // Serves until it is told to stop, its input ends or its time is over; returns the program's exit code.
  static int run(const Options& options);

 private:
  struct Dialing {
    Command command;
    PeerId peer;
    Time began;
  };
  struct Handshakes;
  struct Publishing;

  // Handles protocols that are spoken in name only.
  struct Refuser final : ProtocolHandler {
    void on_stream(std::unique_ptr<Stream> stream) override { stream->reset(); }
  };

  Peer(AsioLoop& loop, const Options& options);
  ~Peer();
  Result<> start();

  void on_input(Bytes bytes) override;
  void on_input_end() override { end(0); }
  void on_time_limit();
  void end(int code);

  void on_peer_connected(const PeerId& peer) override;
  void on_peer_disconnected(const PeerId& peer) override;
  void on_dial_failed(const PeerId& peer, const Error& error) override;
  void on_identified(const PeerId& peer, const IdentifyFacts& facts) override;
  void on_identify_failed(const PeerId& peer, const Error& error) override;

  void execute(std::string_view line);
  void dispatch(const Command& command);
  void dial(const Command& command);
  void disconnect(const Command& command);
  void connections(const Command& command);
  void identify(const Command& command);
  void push(const Command& command);
  void await_protocol(const Command& command);
  void ping(const Command& command);
  void perf(const Command& command);
  void echo(const Command& command);
  void remote_reset(const Command& command);
  void local_reset(const Command& command);
  void subscribe(const Command& command);
  void unsubscribe(const Command& command);
  void await_subscribers(const Command& command);
  void publish(const Command& command);
  void await_messages(const Command& command);
  void scores(const Command& command);
  void app_score(const Command& command);
  void handshakes(const Command& command);
  void stop(const Command& command);
  static Done finisher(const Command& command);

  AsioLoop& loop_;
  Options options_;
  std::unique_ptr<Host> host_;
  std::unique_ptr<Services> services_;
  std::unique_ptr<Exchanges> exchanges_;
  Waits waits_;
  std::unique_ptr<AsioInput> input_;
  std::string partial_line_;
  int exit_code_ = 0;

  std::map<PeerId, IdentifyFacts> identified_;  // of connected peers
  std::vector<Dialing> dialing_;
  std::map<PeerId, std::vector<Command>> disconnecting_;
  std::map<std::string, Subscription, std::less<>> subscriptions_;
  std::vector<std::unique_ptr<Publishing>> publishing_;
  std::unique_ptr<Handshakes> handshakes_;
  Refuser refuser_;
  std::deque<std::string> pushed_;  // names of protocols, which stay where they are
  MemberTimer<&Peer::on_time_limit> time_limit_{*this};
};

}  // namespace mesocosm::interop
