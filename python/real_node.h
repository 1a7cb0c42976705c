// RealNode: one node on this machine's sockets, for scripts: calls in, events out. Nothing happens between the
// calls of poll().
#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <variant>
#include <vector>

#include "stack/asio/asio_env.h"
#include "stack/env/node_log.h"
#include "stack/node/node.h"
#include "stack/scrape/scrape_page.h"
#include "stack/transport/tcp_transport.h"

namespace mesocosm::python {

struct RealNodeOptions {
  std::optional<KeyPair> key;                // none: a new one
  std::vector<std::string> listen;           // multiaddrs
  std::vector<SecurityProtocol> securities;  // the best first; empty: all
  std::string agent;                         // empty: ours
  std::string log;                           // LogLevels::parse; empty: nothing
  std::string log_file = "-";                // "-": standard error
  LogFormat log_format = LogFormat::text;
  std::string metrics;  // "127.0.0.1:9464": a scrape page; empty: none
};

using EventValue = std::variant<bool, double, std::uint64_t, std::string, std::vector<std::string>, Bytes>;

struct RealEvent {
  std::string_view kind;
  std::vector<std::pair<std::string_view, EventValue>> fields;
};

class RealNode final : private SwarmObserver,
                       private IdentifyEvents,
                       private PingEvents,
                       private GossipSubHandler,
                       private AsioInput::Events {
 public:
  // Errors name the option, address or topic that is at fault.
  static Result<std::unique_ptr<RealNode>> make(const RealNodeOptions& options);
  ~RealNode();

  std::string peer_id() const { return node_->peer_id().to_string(); }
  std::vector<std::string> addresses() const;  // with /p2p
  std::string metrics() const;                 // the scrape page's URL, or empty

  // Each is answered by an event: connected or dial_failed, pong or ping_failed, disconnected.
  // Errors: bad_encoding (no address with /p2p, no peer id).
  Result<std::string> dial(const std::string& address);  // the peer's id; nothing if it is connected
  Result<> ping(const std::string& peer);
  Result<> disconnect(const std::string& peer);

  // Messages come as events.
  Result<> subscribe(const std::string& topic);
  void unsubscribe(const std::string& topic);
  Result<> publish(const std::string& topic, ByteView data);
  std::vector<std::string> subscribers(const std::string& topic) const;  // connected peers
  std::vector<std::string> connected() const;
  std::size_t backlog() const;  // messages that no stream has taken yet

  // Lines of a descriptor become `input` events, its end `input_end`.
  void read_lines(int descriptor);

  // Lets the node live until something happens, `wall` at most; what happened, perhaps nothing.
  std::vector<RealEvent> poll(Duration wall);

 private:
  RealNode();
  Result<> start(const RealNodeOptions& options);
  void emit(std::string_view kind, std::vector<std::pair<std::string_view, EventValue>> fields);

  // SwarmObserver
  void on_connection(Connection& connection) override;
  void on_peer_disconnected(const PeerId& peer) override;
  void on_dial_failed(const PeerId& peer, const Error& error) override;
  void on_inbound_failed(const Multiaddr& remote, const Error& error) override;
  // IdentifyEvents
  void on_identified(const PeerId& peer, const IdentifyFacts& facts) override;
  void on_identify_failed(const PeerId& peer, const Error& error) override;
  // PingEvents
  void on_pong(const PeerId& peer, Duration round_trip) override;
  void on_ping_failed(const PeerId& peer, const Error& error) override;
  // GossipSubHandler
  void on_message(const GossipSubDelivery& delivery) override;
  // AsioInput::Events
  void on_input(Bytes bytes) override;
  void on_input_end() override;

  AsioLoop loop_;
  AsioNetwork network_{loop_};
  SystemEntropy entropy_;
  Rng rng_;
  NoTrace trace_;
  Metrics metrics_;
  std::unique_ptr<ScrapePage> scrape_page_;
  std::unique_ptr<LogFile> log_file_;
  std::unique_ptr<NodeLog> log_;
  std::vector<RealEvent> events_;
  std::unique_ptr<AsioInput> input_;
  std::string partial_line_;
  std::unique_ptr<Node> node_;
};

}  // namespace mesocosm::python
