// Captures, read back: the segments of the flow model are a TCP connection that fits together, at both ends and under
// loss; whole worlds are the same with and without.
#include <array>
#include <filesystem>
#include <fstream>
#include <map>
#include <sstream>

#include <catch2/catch.hpp>
#include <unistd.h>

#include "sim/capture/ip_packet.h"
#include "sim/flow/flow_network.h"
#include "sim/run/world.h"
#include "tests/simulation/uniform_paths.h"
#include "tests/source_path.h"

using namespace mesocosm;
using capture::PacketDirection;
using mesocosm::testing::source_path;

namespace {

struct Folder {
  Folder() { std::filesystem::create_directories(path); }
  ~Folder() { std::filesystem::remove_all(path); }
  std::string path = "/tmp/mesocosm_captures_test_" + std::to_string(::getpid());
};

// --- Reading a file back

struct Packet {
  std::int64_t at = 0;  // nanoseconds since the simulation began
  PacketDirection direction{};
  std::string ip;

  std::uint32_t number(std::size_t offset, int octets) const {
    std::uint32_t value = 0;
    for (int i = 0; i < octets; ++i) value = value << 8 | static_cast<std::uint8_t>(ip.at(offset + i));
    return value;
  }
  std::uint32_t sequence() const { return number(24, 4); }
  std::uint32_t acknowledgement() const { return number(28, 4); }
  bool has(std::uint32_t flag) const { return (number(32, 2) & flag) != 0; }
  std::string data() const { return ip.substr(20 + 4 * (number(32, 2) >> 12)); }
};
constexpr std::uint32_t kFin = 1, kSyn = 2, kRst = 4, kAck = 16;

struct Blocks {
  std::vector<Packet> packets;
  std::string secrets;
};

std::uint32_t little(const std::string& file, std::size_t at) {
  std::uint32_t value = 0;
  for (std::size_t i = 4; i-- > 0;) value = value << 8 | static_cast<std::uint8_t>(file.at(at + i));
  return value;
}

Blocks read(const std::string& path) {
  std::ifstream stream(path, std::ios::binary);
  std::stringstream all;
  all << stream.rdbuf();
  const std::string file = all.str();
  Blocks blocks;
  for (std::size_t at = 0; at < file.size(); at += little(file, at + 4)) {
    const std::uint32_t length = little(file, at + 4);
    REQUIRE((length % 4 == 0 && little(file, at + length - 4) == length));
    if (little(file, at) == 10) blocks.secrets += file.substr(at + 16, little(file, at + 12));
    if (little(file, at) != 6) continue;
    const std::uint32_t size = little(file, at + 20);
    const std::uint64_t time = std::uint64_t{little(file, at + 12)} << 32 | little(file, at + 16);
    const std::size_t options = at + 28 + (size + 3) / 4 * 4;
    blocks.packets.push_back({static_cast<std::int64_t>(time) - Kernel::kUnixEpoch,
                              static_cast<PacketDirection>(little(file, options + 4)),
                              file.substr(at + 28, size)});
  }
  return blocks;
}

bool checksums_right(const Packet& packet) {
  std::string filled = packet.ip;
  capture::fill_checksums({reinterpret_cast<std::uint8_t*>(filled.data()), filled.size()});
  return filled == packet.ip;
}

// What one direction of a file's only connection carried, put together by sequence numbers.
struct Carried {
  std::string bytes;
  std::size_t again = 0;  // bytes that were there already
  bool finished = false;
};

Carried put_together(const std::vector<Packet>& packets, PacketDirection direction) {
  Carried carried;
  std::map<std::uint32_t, std::string> pieces;  // by offset
  std::uint32_t first = 0, end = 0;
  for (const Packet& packet : packets) {
    if (packet.direction != direction) continue;
    if (packet.has(kSyn)) first = packet.sequence() + 1;
    const std::string data = packet.data();
    if (data.empty() && !packet.has(kFin)) continue;
    const std::uint32_t offset = packet.sequence() - first;
    if (packet.has(kFin)) end = offset + static_cast<std::uint32_t>(data.size());
    const auto [at, is_new] = pieces.emplace(offset, data);
    if (!is_new) {
      CHECK(at->second == data);
      carried.again += data.size();
    }
  }
  for (const auto& [offset, data] : pieces) {
    if (offset == carried.bytes.size()) carried.bytes += data;
  }
  carried.finished = end == carried.bytes.size() && end > 0;
  return carried;
}

// What is wrong with a file as TCP, or nothing.
std::string fault(const std::vector<Packet>& packets) {
  std::map<PacketDirection, std::uint32_t> end;  // the highest sequence that was sent, per direction
  std::int64_t before = 0;
  for (std::size_t i = 0; i < packets.size(); ++i) {
    const Packet& packet = packets[i];
    const std::string where = "packet " + std::to_string(i) + ": ";
    if (!checksums_right(packet)) return where + "a wrong checksum";
    if (packet.at < before) return where + "back in time";
    before = packet.at;
    const PacketDirection back =
        packet.direction == PacketDirection::in ? PacketDirection::out : PacketDirection::in;
    if (packet.has(kAck) && end.count(back) != 0 &&
        static_cast<std::int32_t>(packet.acknowledgement() - end[back]) > 0) {
      return where + "acknowledges what was never sent";
    }
    const auto takes = static_cast<std::uint32_t>(packet.data().size()) + packet.has(kSyn) + packet.has(kFin);
    const std::uint32_t last = packet.sequence() + takes;
    if (end.count(packet.direction) == 0 || static_cast<std::int32_t>(last - end[packet.direction]) > 0)
      end[packet.direction] = last;
  }
  return {};
}

// --- A connection that sends and echoes

struct End final : ByteStream::Events {
  void on_readable() override {
    for (Bytes bytes = stream->read(SIZE_MAX); !bytes.empty(); bytes = stream->read(SIZE_MAX)) {
      received += bytes.text();
      if (echo) stream->write(bytes);
    }
    if (stream->ended() && echo) stream->finish();
  }
  void on_writable() override {
    if (to_send.empty()) return;
    stream->write(Bytes::copy(to_send));
    stream->finish();
    to_send.clear();
  }
  void on_closed(Error) override {}

  std::unique_ptr<ByteStream> stream;
  std::string to_send, received;
  bool echo = false;
};

struct Echo final : Listener::Events {
  void on_accept(std::unique_ptr<ByteStream> stream) override {
    end.stream = std::move(stream);
    end.stream->set_events(end);
  }
  End end;
};

std::string drawn_text(std::size_t size) {
  std::string text(size, '\0');
  Rng rng(3);
  for (char& c : text) c = static_cast<char>(rng.next());
  return text;
}

}  // namespace

TEST_CASE("a captured connection of the flow model fits together at both ends", "[captures][flow]") {
  const double loss = GENERATE(0.0, 0.02);
  INFO("loss " << loss);
  Folder folder;
  Kernel kernel;
  UniformPaths paths;
  paths.loss = loss;
  FlowNetwork network(kernel, paths, Rng(1));
  capture::Captures captures(kernel);
  for (HostIndex host : {0u, 1u}) REQUIRE(captures.add(host, folder.path, "a host", false));
  network.capture(captures);
  Echo server;
  server.end.echo = true;
  const auto listener = std::move(*network.attach(1).listen({network.address_v4(1), 4001}, server));
  End client;
  const std::string text = drawn_text(300'001);
  client.to_send = text;
  client.stream = network.attach(0).connect({network.address_v4(1), 4001}, client);
  kernel.run_until(Time(60s));
  REQUIRE(client.received == text);
  REQUIRE(captures.close());

  const Blocks dialer = read(folder.path + "/node-0.pcapng"),
               listening = read(folder.path + "/node-1.pcapng");
  CHECK(fault(dialer.packets) == "");
  CHECK(fault(listening.packets) == "");
  std::size_t again = 0;
  for (const auto& [blocks, direction] :
       {std::pair(&dialer, PacketDirection::out), std::pair(&dialer, PacketDirection::in),
        std::pair(&listening, PacketDirection::out), std::pair(&listening, PacketDirection::in)}) {
    const Carried carried = put_together(blocks->packets, direction);
    CHECK((carried.bytes == text));
    CHECK(carried.finished);
    if (direction == PacketDirection::out) again += carried.again;
    if (direction == PacketDirection::in)
      CHECK(carried.again == 0);  // the model sends again only what was lost
  }
  CHECK((again > 0) == (loss > 0));
  if (loss > 0) return;
  // SYN, SYN-ACK and ACK, 60, 60 and 52 bytes through an uplink and a downlink of 100 Mbit/s each, 20 ms apart.
  const auto& opening = dialer.packets;
  CHECK((opening.at(0).has(kSyn) && !opening.at(0).has(kAck) && opening.at(0).at == 0));
  CHECK((opening.at(1).has(kSyn) && opening.at(1).has(kAck)));
  CHECK(std::abs(opening.at(1).at - 2 * (20'000'000 + 2 * 4'800)) < 10);
  CHECK(opening.at(0).ip.size() == 60);
  CHECK(opening.at(2).ip.size() == 52);
  CHECK(opening.at(3).ip.size() == 1500);
  CHECK(dialer.packets.size() == listening.packets.size());
}

TEST_CASE("captured: a port where nobody listens, and datagrams", "[captures][flow]") {
  Folder folder;
  Kernel kernel;
  UniformPaths paths;
  FlowNetwork network(kernel, paths, Rng(1));
  capture::Captures captures(kernel);
  REQUIRE(captures.add(0, folder.path, "a host", false));
  network.capture(captures);
  struct Silent final : Datagrams::Events {
    void on_datagram(const Endpoint&, Bytes) override {}
  } silent;
  End client;
  client.stream = network.attach(0).connect({network.address_v4(1), 9}, client);
  const auto socket = std::move(*network.attach(0).bind({network.address_v4(0), 53}, silent));
  kernel.run_until(Time(1s));
  socket->send({network.address_v4(1), 54}, Bytes::copy("a question"));
  kernel.run_until(Time(2s));
  REQUIRE(captures.close());
  const Blocks blocks = read(folder.path + "/node-0.pcapng");
  REQUIRE(blocks.packets.size() == 3);
  CHECK(blocks.packets[1].has(kRst));
  CHECK(blocks.packets[1].acknowledgement() == blocks.packets[0].sequence() + 1);
  CHECK(blocks.packets[2].number(9, 1) == 17);
  CHECK(blocks.packets[2].ip.substr(28) == "a question");
  for (const Packet& packet : blocks.packets) CHECK(checksums_right(packet));
}

TEST_CASE("a world is the same with captures and without, and its keys are those of the captured",
          "[captures]") {
  const auto backend = GENERATE("flow", "packet");
#ifndef MESOCOSM_NS3
  if (backend == std::string("packet")) return;
#endif
  INFO(backend);
  Folder folder;
  const auto run = [&](const std::vector<NodeIndex>& captured, bool keys) {
    const auto world = backend == std::string("flow")
                           ? World::flow(1, StackKind::full, UniformLatency{}, source_path("data"))
                           : World::packet(1, UniformLatency{}, source_path("data"));
    NodeKind kind;
    kind.gossipsub.emplace();
    for (int i = 0; i < 4; ++i) {
      kind.securities = {i % 2 == 0 ? SecurityProtocol::noise : SecurityProtocol::tls,
                         i % 2 == 0 ? SecurityProtocol::tls : SecurityProtocol::noise};
      world->add_node(kind);
    }
    world->capture(captured, folder.path, keys);
    world->start("", "{}");
    for (NodeIndex node = 0; node < 4; ++node) world->subscribe(node, "blocks");
    world->bootstrap({{0, 1}, {1, 2}, {2, 3}}, 1s);
    world->call_at(Time(3s), [&] { world->publish_random(0, "blocks", 20'000); });
    REQUIRE(world->advance(Time(8s), 3600s));
    return world->finish("complete", 0);
  };
  const std::uint64_t without = run({}, false);
  CHECK(run({0, 2}, true) == without);
  CHECK_FALSE(std::filesystem::exists(folder.path + "/node-1.pcapng"));
  const Blocks blocks = read(folder.path + "/node-2.pcapng");
  CHECK(blocks.packets.size() > 50);
  for (const Packet& packet : blocks.packets) CHECK(checksums_right(packet));
  const auto count = [&](const std::string& word) {
    std::size_t found = 0;
    for (std::size_t at = blocks.secrets.find(word); at != std::string::npos;
         at = blocks.secrets.find(word, at + 1))
      ++found;
    return found;
  };
  // Node 1 prefers TLS and dials node 2; node 2 prefers Noise and dials node 3.
  CHECK(count("CLIENT_TRAFFIC_SECRET_0 ") == 1);
  CHECK(count("NOISE_INITIATOR_KEY ") == 1);
  CHECK(count("NOISE_RESPONDER_KEY ") == 1);
  run({1}, false);
  CHECK(read(folder.path + "/node-1.pcapng").secrets.empty());
}

TEST_CASE("what cannot be captured is refused by name", "[captures]") {
  Folder folder;
  const std::array<NodeIndex, 1> first{0};
  const auto collapsed = World::flow(1, StackKind::collapsed, UniformLatency{}, source_path("data"));
  collapsed->add_node({});
  CHECK_THROWS_WITH(collapsed->capture(first, folder.path, true),
                    Catch::Contains("the collapsed stack sends no packets"));
  const auto real = World::real(1);
  real->add_node({});
  CHECK_THROWS_WITH(real->capture(first, folder.path, true), Catch::Contains("loopback interface"));
  const auto full = World::flow(1, StackKind::full, UniformLatency{}, source_path("data"));
  full->add_node({});
  CHECK_THROWS_WITH(full->capture(first, "/proc/captures", true), Catch::Contains("/proc/captures"));
  const std::array<NodeIndex, 1> nobody{7};
  CHECK_THROWS_WITH(full->capture(nobody, folder.path, true), Catch::Contains("there is no node 7"));
  full->capture(first, folder.path, true);
  CHECK_THROWS_WITH(full->capture(first, folder.path, true), Catch::Contains("captured already"));
  full->start("", "{}");
  CHECK_THROWS_WITH(full->capture(first, folder.path, true), Catch::Contains("runs already"));
}
