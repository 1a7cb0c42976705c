// UpgradedConnection: a byte stream made into a Connection: multistream-select, a security protocol,
// multistream-select again unless the muxer was negotiated early, and Yamux (libp2p/specs,
// connections/README.md#upgrading-connections).
//
//   connecting ──▶ selecting_security ──▶ securing ──┬─ muxer in the handshake ──▶ open
//                                                    └──▶ selecting_muxer ──────────▲
//   open ──▶ closing ──▶ closed
//   (any state before open) ──▶ failed upgrade, told to the observer
//
// A dialer does not wait for the answer to its last offer: nothing but what goes behind it could follow, and a
// refusal is the end in any case. So a peer that offers one security saves a round trip, and one whose muxer was
// not negotiated early another.
//
// Output is gathered: writes mark streams, and one flush at the end of the turn takes what the byte stream
// wants to be given, from all streams in turn, and seals it into one buffer. So nothing is encrypted before
// it can leave, and what waits, waits in its own stream's queue.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string_view>
#include <vector>

#include "stack/crypto/keys.h"
#include "stack/env/env.h"
#include "stack/mux/yamux.h"
#include "stack/negotiate/multistream.h"
#include "stack/secure/security.h"
#include "stack/transport/linger.h"
#include "stack/transport/traffic.h"
#include "stack/transport/transport.h"

namespace mesocosm {

enum class SecurityProtocol : std::uint8_t { noise, tls };

struct UpgradeOptions {
  // What is offered and accepted, the best first; at least one.
  std::vector<SecurityProtocol> securities{SecurityProtocol::noise, SecurityProtocol::tls};
  Duration handshake_timeout = 10s;    // from connected to open
  Duration negotiation_timeout = 10s;  // a stream's
  Duration close_timeout = 5s;         // for the peer to end its side after close()
  Duration keepalive = 0s;  // interval of Yamux pings; a missing answer ends the connection; 0: none
  bool early_muxer = true;  // negotiate the muxer inside the security handshake
  std::uint32_t max_negotiating = 256;  // inbound streams without a protocol yet; further ones are reset
  YamuxConfig yamux;
  KeyLog* key_log = nullptr;  // told the secrets of all handshakes; null: nobody is. Outlives the host.
};

// What a host's connections share. Outlives them.
struct UpgradeContext {
  UpgradeContext(Env& env, const KeyPair& identity, const ProtocolTable& protocols, TrafficCounters& traffic,
                 UpgradeOptions options);

  Clock& clock;
  Entropy& entropy;
  const ProtocolTable& protocols;
  TrafficCounters& traffic;
  UpgradeOptions options;
  std::vector<std::unique_ptr<Security>> securities;  // in the order of options.securities
  Linger refused;                                     // peers that are being told why
};

class UpgradedStream;

class UpgradedConnection final : public Connection, private ByteStream::Events {
 public:
  // Told the upgrade's end, exactly once; may destroy the connection.
  class Observer {
   public:
    virtual void on_upgraded(UpgradedConnection& connection) = 0;  // set_events() before returning
    virtual void on_upgrade_failed(UpgradedConnection& connection, Error error) = 0;

   protected:
    ~Observer() = default;
  };

  // `expected`: the only peer that is accepted, or null for any. `remote` is what ConnectionInfo will say;
  // empty: the byte stream's remote endpoint as /ip/tcp.
  UpgradedConnection(UpgradeContext& context, Direction direction, const PeerId* expected, Multiaddr remote,
                     Observer& observer);
  ~UpgradedConnection() override;

  // For Network::connect(), which wants to know its events before it gives the stream.
  ByteStream::Events& stream_events() { return *this; }
  // Gives the byte stream; once. An inbound one is connected, an outbound one tells with on_writable.
  void attach(std::unique_ptr<ByteStream> stream);

  void set_events(Connection::Events& events) override { events_ = &events; }
  const ConnectionInfo& info() const override { return info_; }
  std::unique_ptr<Stream> open(std::span<const ProtocolId> offers, bool lazy,
                               Stream::Events& events) override;
  std::size_t stream_count() const override { return mux_ ? mux_->stream_count() : 0; }
  void close(std::uint32_t code) override;

  Duration rtt() const { return mux_ ? mux_->rtt() : Duration::zero(); }  // zero: not measured

 private:
  friend class UpgradedStream;
  struct Handshake;
  class Watch;

  enum class State : std::uint8_t {
    connecting,          // the byte stream is not connected
    selecting_security,  // multistream in the clear
    securing,            // messages of the security handshake
    selecting_muxer,     // multistream inside sealed frames
    open,                // Yamux inside sealed frames
    closing,             // GOAWAY was or will be sent; input is ignored; waits for the peer's end
    closed,              // told
  };

  void on_readable() override;
  void on_writable() override;
  void on_closed(Error error) override;
  void on_timer();
  void on_turn_end();

  // The handshake. False: this connection does not exist any more, or has failed.
  void begin();
  bool begin_selection(State state, std::vector<std::string_view> names);
  bool run_ahead();
  void begin_security(std::string_view id);
  bool consume(Bytes input);
  bool select_security(Bytes& input);
  bool secure(Bytes& input);
  bool select_muxer(Bytes& input);
  bool confirm_muxer(Bytes& input);
  bool negotiate(Bytes& input);
  bool finish_upgrade(std::string_view muxer);
  void send_handshake(Bytes bytes);
  void refuse_upgrade(Error error, Bytes last_words, bool linger = false);
  void fail_upgrade(Error error);

  // Streams.
  bool dispatch();
  bool dispatch_one(const YamuxEvent& event);
  void accept_stream(YamuxStream& state);
  bool negotiate_stream(UpgradedStream& stream);
  bool protocol_agreed(UpgradedStream& stream);
  bool stream_failed(UpgradedStream& stream, Error error);
  bool check_deadlines();
  void arm_for_streams();

  void flush();
  void send(Bytes bytes);
  Bytes next_batch(std::size_t room);
  void schedule();
  void begin_close(Error why, std::uint32_t code);
  void say_goodbye();
  bool end(Error error);  // tells streams, then the connection's events; always false

  UpgradeContext& context_;
  Connection::Events* events_ = nullptr;
  std::unique_ptr<ByteStream> stream_;
  std::unique_ptr<Handshake> handshake_;
  UpgradedStream* current_ = nullptr;  // whose callback is running; null once it was destroyed
  Watch* watch_ = nullptr;             // of the callback that is running
  std::unique_ptr<SecureChannel> channel_;
  std::unique_ptr<MultistreamDialer> muxer_offer_;  // that was not answered yet
  std::optional<Yamux> mux_;
  MemberTimer<&UpgradedConnection::on_timer> timer_{*this};
  MemberTask<&UpgradedConnection::on_turn_end> flush_{*this};
  ConnectionInfo info_;
  std::unique_ptr<Error> close_reason_;
  Time keepalive_at_ = kNever;
  std::uint32_t negotiating_inbound_ = 0;
  State state_ = State::connecting;
  bool told_finish_ = false;  // the byte stream was finished
};

// A stream's handle. Small: its bytes wait in YamuxStream, its negotiation is freed when it is over.
class UpgradedStream final : public Stream {
 public:
  ~UpgradedStream() override;

  void set_events(Events& events) override { events_ = &events; }
  Bytes read(std::size_t max) override;
  bool ended() const override;
  std::size_t writable() const override;
  void write(Bytes bytes) override;
  void finish() override;
  void reset(std::uint32_t code) override;
  ProtocolId protocol() const override {
    return entry_ == nullptr ? ProtocolId{} : ProtocolId(entry_->protocol);
  }
  Connection& connection() override;

 private:
  friend class UpgradedConnection;
  struct Negotiation;

  UpgradedStream(UpgradedConnection& connection, YamuxStream& state);

  UpgradedConnection* connection_;  // null once the connection is gone
  YamuxStream* state_;
  Events* events_ = nullptr;
  std::unique_ptr<Negotiation> negotiation_;  // null once a protocol is agreed
  TrafficCounters::Entry* entry_ = nullptr;
};

static_assert(sizeof(UpgradedStream) + sizeof(YamuxStream) <= 128);
static_assert(sizeof(UpgradedConnection) <= 1024);

}  // namespace mesocosm
