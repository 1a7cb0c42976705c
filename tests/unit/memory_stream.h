// A network in memory for tests of byte-stream users: hosts with addresses, one latency, byte streams whose
// bytes arrive in pieces of a chosen size, with a bounded buffer, and with counters and hooks on every turn's
// flight.
#pragma once

#include <algorithm>
#include <deque>
#include <functional>
#include <map>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "stack/env/env.h"
#include "tests/unit/memory_transport.h"

namespace mesocosm::testing {

class PipeEnd;

// One direction's bytes of one turn.
struct Flight {
  Time at;
  bool from_dialer;
  std::size_t bytes;
};

class PipeNetwork {
 public:
  ManualClock clock;
  Duration latency = 10ms;           // one way
  std::size_t chop = SIZE_MAX;       // bytes that arrive in one turn
  std::size_t buffer = 1024 * 1024;  // written and not read yet, before writable() is zero
  std::vector<Flight> flights;       // in order of leaving
  std::function<Bytes(bool from_dialer, Bytes)> tamper;
  std::map<Endpoint, std::function<void(std::unique_ptr<ByteStream>)>> listeners;
  std::map<std::string, std::vector<IpAddress>> names;
  std::uint16_t next_port = 40000;

  void run_for(Duration duration) { clock.run_for(duration); }
  std::size_t bytes(bool from_dialer) const {
    std::size_t sum = 0;
    for (const Flight& flight : flights) sum += flight.from_dialer == from_dialer ? flight.bytes : 0;
    return sum;
  }
};

// What both ends of one pipe share.
struct Pipe {
  PipeEnd* ends[2] = {nullptr, nullptr};  // the dialer's first
};

class PipeEnd final : public ByteStream {
 public:
  PipeEnd(PipeNetwork& net, std::shared_ptr<Pipe> pipe, int side, Endpoint local, Endpoint remote)
      : net_(net), pipe_(std::move(pipe)), side_(side), local_(local), remote_(remote) {
    pipe_->ends[side_] = this;
  }
  ~PipeEnd() override {
    flush();
    pipe_->ends[side_] = nullptr;
    if (closed_) return;
    to_peer([](PipeEnd& peer) { peer.closed(Error{ErrorCode::reset, "the other side aborted"}); });
  }

  void set_events(Events& events) override {
    events_ = &events;
    if (!incoming_.empty()) notify();
  }
  Bytes read(std::size_t max) override {
    if (incoming_.empty()) return {};
    Bytes slice = incoming_.front().take_front(max);
    if (incoming_.front().empty()) incoming_.pop_front();
    const std::size_t n = slice.size();
    to_peer([n](PipeEnd& peer) { peer.acknowledged(n); });
    maybe_done();
    return slice;
  }
  bool ended() const override { return peer_finished_ && incoming_.empty(); }
  std::size_t writable() const override {
    return connected && unread_ < net_.buffer ? net_.buffer - unread_ : 0;
  }
  void write(Bytes bytes) override {
    if (finished_ || closed_) return;
    unread_ += bytes.size();
    outgoing_.push_back(std::move(bytes));
    net_.clock.defer(flush_);
  }
  void finish() override {
    flush();
    finished_ = true;
    to_peer([](PipeEnd& peer) {
      peer.peer_finished_ = true;
      peer.maybe_done();
      peer.notify();  // last: the peer may be gone afterwards
    });
    maybe_done();
  }
  Endpoint local() const override { return local_; }
  Endpoint remote() const override { return remote_; }

  void now_connected() {
    connected = true;
    events_->on_writable();
  }
  void closed(Error error) {
    if (std::exchange(closed_, true)) return;
    if (events_ != nullptr) events_->on_closed(std::move(error));
  }

  bool connected = false;

 private:
  template <class Call>
  void to_peer(Call call) {
    net_.clock.call_at(net_.clock.now() + net_.latency, [pipe = pipe_, side = side_, call] {
      if (PipeEnd* peer = pipe->ends[1 - side]) call(*peer);
    });
  }
  void flush() {
    if (outgoing_.empty()) return;
    Bytes flight = concat(outgoing_);
    outgoing_ = {};  // keeps no memory
    net_.flights.push_back({net_.clock.now(), side_ == 0, flight.size()});
    if (net_.tamper) flight = net_.tamper(side_ == 0, std::move(flight));
    while (!flight.empty()) {
      to_peer([piece = flight.take_front(net_.chop)](PipeEnd& peer) {
        peer.incoming_.push_back(piece);
        peer.notify();
      });
    }
  }
  void notify() {
    if (events_ != nullptr && !closed_) events_->on_readable();
  }
  void acknowledged(std::size_t n) {
    const bool was_full = unread_ >= net_.buffer;
    unread_ -= n;
    if (was_full && unread_ < net_.buffer && !closed_ && events_ != nullptr) events_->on_writable();
  }
  void maybe_done() {
    if (!finished_ || !ended() || closed_ || done_told_) return;
    done_told_ = true;
    net_.clock.call_at(net_.clock.now(), [pipe = pipe_, side = side_] {
      if (PipeEnd* self = pipe->ends[side]) self->closed(Error{});
    });
  }

  PipeNetwork& net_;
  std::shared_ptr<Pipe> pipe_;
  int side_;
  Endpoint local_, remote_;
  Events* events_ = nullptr;
  std::deque<Bytes> incoming_;
  std::vector<Bytes> outgoing_;
  std::size_t unread_ = 0;
  bool finished_ = false, peer_finished_ = false, closed_ = false, done_told_ = false;
  MemberTask<&PipeEnd::flush> flush_{*this};
};

// One host's view of the network.
class PipeHost final : public Network {
 public:
  PipeHost(PipeNetwork& net, std::uint32_t ip) : net_(net), ip_(IpAddress::v4(ip)) {}

  std::unique_ptr<ByteStream> connect(const Endpoint& to, ByteStream::Events& events,
                                      const Endpoint&) override {
    auto pipe = std::make_shared<Pipe>();
    const Endpoint from{ip_, net_.next_port++};
    auto end = std::make_unique<PipeEnd>(net_, pipe, 0, from, to);
    end->set_events(events);
    PipeNetwork& net = net_;
    net.clock.call_at(net.clock.now() + net.latency, [&net, pipe, from, to] {
      const auto listener = net.listeners.find(to);
      if (listener == net.listeners.end()) {
        net.clock.call_at(net.clock.now() + net.latency, [pipe] {
          if (pipe->ends[0] != nullptr) pipe->ends[0]->closed({ErrorCode::refused, "nobody listens"});
        });
        return;
      }
      auto accepted = std::make_unique<PipeEnd>(net, pipe, 1, to, from);
      accepted->connected = true;
      net.clock.call_at(net.clock.now() + net.latency, [pipe] {
        if (pipe->ends[0] != nullptr) pipe->ends[0]->now_connected();
      });
      listener->second(std::move(accepted));
    });
    return end;
  }

  Result<std::unique_ptr<Listener>> listen(const Endpoint& at, Listener::Events& events) override {
    Endpoint local = at;
    if (local.ip.is_unspecified()) local.ip = ip_;
    if (local.port == 0) local.port = net_.next_port++;
    if (net_.listeners.count(local) != 0) return fail(ErrorCode::address_in_use);
    net_.listeners[local] = [&events](std::unique_ptr<ByteStream> stream) {
      events.on_accept(std::move(stream));
    };
    return std::make_unique<PipeListener>(net_, local);
  }
  Result<std::unique_ptr<Datagrams>> bind(const Endpoint&, Datagrams::Events&) override {
    return fail(ErrorCode::unsupported);
  }
  std::unique_ptr<Resolution> resolve(std::string_view name, RecordType,
                                      Resolution::Events& events) override {
    auto resolution = std::make_unique<PipeResolution>();
    net_.clock.call_at(net_.clock.now() + net_.latency, [&net = net_, &events, name = std::string(name),
                                                         alive = std::weak_ptr(resolution->alive)] {
      if (alive.expired()) return;
      const auto found = net.names.find(name);
      if (found == net.names.end()) {
        events.on_failed({ErrorCode::not_found, name});
      } else {
        events.on_resolved(found->second);
      }
    });
    return resolution;
  }
  std::vector<IpAddress> local_addresses() const override { return {ip_}; }

 private:
  struct PipeListener final : Listener {
    PipeListener(PipeNetwork& owner, Endpoint where) : net(owner), at(where) {}
    ~PipeListener() override { net.listeners.erase(at); }
    Endpoint local() const override { return at; }
    PipeNetwork& net;
    Endpoint at;
  };
  struct PipeResolution final : Resolution {
    std::shared_ptr<int> alive = std::make_shared<int>(0);
  };

  PipeNetwork& net_;
  IpAddress ip_;
};

}  // namespace mesocosm::testing
