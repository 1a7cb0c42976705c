// What emulation is made of: a host of the packet network that is run outside of it, and turns at the wall's pace.
#include <chrono>
#include <optional>

#include <catch2/catch.hpp>
#include <unistd.h>

#include "sim/capture/ip_packet.h"
#include "sim/run/real_time.h"
#include "sim/run/tun.h"
#include "tests/simulation/uniform_paths.h"
#ifdef MESOCOSM_NS3
#include "sim/packet/packet_network.h"
#endif

using namespace mesocosm;

namespace {

struct Pipe final : RealTime::Reader {
  explicit Pipe(Kernel& kernel) : kernel(kernel) { REQUIRE(::pipe(ends.data()) == 0); }
  ~Pipe() {
    for (const int end : ends) ::close(end);
  }
  void on_readable() override {
    char byte = 0;
    REQUIRE(::read(ends[0], &byte, 1) == 1);
    read_at = kernel.now();
  }
  Kernel& kernel;
  std::array<int, 2> ends{};
  std::optional<Time> read_at;
};

struct Note final : Timer {
  explicit Note(Kernel& kernel) : kernel(kernel) {}
  void on_timer() override { fired = kernel.now(); }
  Kernel& kernel;
  std::optional<Time> fired;
};

}  // namespace

TEST_CASE("in real time a turn is never taken before its time, and what is read has come when it is read",
          "[emulation]") {
  Kernel kernel;
  RealTime real_time(kernel);
  Pipe pipe(kernel);
  real_time.watch(pipe.ends[0], pipe);
  Note soon(kernel), later(kernel);
  kernel.arm(soon, Time(3ms));
  kernel.arm(later, Time(60ms));
  const auto began = std::chrono::steady_clock::now();
  const auto passed = [&] { return std::chrono::steady_clock::now() - began; };
  bool wrote = false;
  while (!later.fired) {
    const Time granted = real_time.wait();
    CHECK(granted - Time{} <= passed() + Duration(1));
    kernel.run_until(granted - Duration(1));
    if (soon.fired && !wrote) wrote = ::write(pipe.ends[1], "x", 1) == 1;
  }
  CHECK(soon.fired == Time(3ms));
  CHECK(later.fired == Time(60ms));
  CHECK(passed() >= 60ms);
  REQUIRE(pipe.read_at);
  CHECK((*pipe.read_at > Time(3ms) && *pipe.read_at < Time(60ms)));
  CHECK(real_time.lateness().batches >= 2);
  CHECK(real_time.lateness().most >= real_time.lateness().total / real_time.lateness().batches);
}

TEST_CASE("a network namespace that is not there is named", "[emulation]") {
  const auto tun = Tun::open("no-such-namespace-here", "mesocosm0");
  REQUIRE_FALSE(tun);
  CHECK(tun.error().detail.find("no-such-namespace-here") != std::string::npos);
}

#ifdef MESOCOSM_NS3
TEST_CASE("a host that is run outside: its packets take the simulated way, with checksums",
          "[emulation][packet]") {
  struct Outside final : PacketNetwork::Outside {
    explicit Outside(Kernel& kernel) : kernel(kernel) {}
    void on_packet(const Bytes& packet) override {
      came = packet;
      at = kernel.now();
    }
    Kernel& kernel;
    Bytes came;
    Time at{};
  };
  struct Answering final : Datagrams::Events {
    void on_datagram(const Endpoint& from, Bytes payload) override {
      ++heard;
      socket->send(from, payload);
    }
    std::unique_ptr<Datagrams> socket;
    int heard = 0;
  };
  Kernel kernel;
  UniformPaths paths;
  Outside outside(kernel);
  PacketNetwork network(kernel, paths, Rng(1));
  const Endpoint inner{network.directory().address_v4(0), 7}, outer{network.directory().address_v4(1), 9};
  Answering answering;
  answering.socket = std::move(*network.attach(0).bind(inner, answering));
  network.hand_over(1, outside);

  const Bytes question = capture::udp_packet(outer, inner, as_bytes("a question"));
  network.inject(1, question);
  kernel.run_until(Time(1s));
  CHECK(answering.heard == 1);
  REQUIRE(outside.came.size() == question.size());
  CHECK(outside.at >= Time(40ms));
  CHECK(outside.at < Time(41ms));
  CHECK(outside.came.slice(28).text() == "a question");
  std::vector<std::uint8_t> filled(outside.came.begin(), outside.came.end());
  capture::fill_checksums(filled);
  CHECK(equal(filled, outside.came));
  CHECK((filled[26] != 0 || filled[27] != 0));

  network.inject(1, capture::udp_packet(inner, inner, as_bytes("a lie")));  // another host's address
  network.inject(1, question.slice(0, 25));
  network.inject(1, {});
  kernel.run_until(Time(2s));
  CHECK(answering.heard == 1);
}
#endif
