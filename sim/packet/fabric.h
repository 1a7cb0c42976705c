// The Internet between the devices of hosts, with no router of ns-3 in it. Included by this folder's .cc files only,
// after ns3.h.
#pragma once

#include <cstdint>
#include <memory>
#include <vector>

#include <ns3/packet.h>

#include "sim/capture/captures.h"
#include "sim/hosts/border.h"
#include "sim/hosts/links.h"
#include "sim/hosts/pool.h"
#include "sim/net/packet_queue.h"
#include "sim/net/routers.h"
#include "sim/packet/gates.h"
#include "stack/base/ip.h"

namespace mesocosm::packet {

class AccessDevice;
class Fabric;

// A packet on its way: over its sender's uplink, the path, perhaps routers, and its receiver's downlink.
struct Flight final : Timer {
  // Where it is when its time comes: at the end of an uplink that has a queue of its own, of the path or of a link
  // between routers, of the wire from the last router, of a downlink with a queue of its own, or of any downlink.
  enum class Stage : std::uint8_t { uplink, path, last_wire, queued_downlink, downlink };
  void on_timer() override;

  Flight* next = nullptr;
  Fabric* fabric = nullptr;
  ns3::Ptr<ns3::Packet> packet;
  HostIndex from = 0, to = 0;
  std::uint32_t wire = 0;
  RouterIndex router = 0;  // the next on its way
  Time last_in{};
  Stage stage = Stage::path;
};

// A link before which packets queue: they leave one by one at its rate, and arrive after its delay.
class QueuedLink final : private Timer {
 public:
  QueuedLink(Fabric& fabric, double bps, Duration delay, Duration queue, QueueDiscipline discipline);
  void put(Flight& flight);

 private:
  void on_timer() override;  // the packet that it sends has left
  void send_next();
  void drop(const PacketQueue::Dropped& dropped);

  Fabric& fabric_;
  double ns_per_byte_;
  Duration delay_;
  std::unique_ptr<PacketQueue> queue_;
  Flight* sending_ = nullptr;
};

// Every packet takes its sender's uplink, the path, and its receiver's downlink, two kernel events a packet, by the same
// links (rates, queues, jitter, loss, faults) as the flow backend. Where the model has routers, the path leads over their
// links, each with a queue; access links have queues of their own where they are not drop-tail.
class Fabric {
 public:
  // Which host has an address; kNoHost: nobody.
  using Locate = HostIndex (*)(const void* context, const IpAddress& address);
  static constexpr HostIndex kNoHost = ~HostIndex{0};

  // `border`: null when this process runs all hosts. Links between routers are not divided among processes.
  Fabric(hosts::Links& links, hosts::Border* border, std::uint64_t seed, Locate locate, const void* context);
  // Packets pass middleboxes from now on, which know who has an address.
  void set_gates(Gates& gates) { gates_ = &gates; }
  ~Fabric();
  void add(HostIndex host, AccessDevice& device) { devices_[host] = &device; }
  void arrive(const hosts::Crossing& crossing);  // from another process
  AccessDevice& device(HostIndex host) { return *devices_[host]; }
  bool outside(HostIndex host) const;               // is run outside of the simulation
  void inject(HostIndex from, ByteView ip_packet);  // from there
  // From now on writes what captured hosts send and receive.
  void capture(capture::Captures& captures) { captures_ = &captures; }
  void send(HostIndex from, ns3::Ptr<ns3::Packet> packet);

 private:
  friend struct Flight;
  friend class QueuedLink;
  struct AccessQueues {
    std::unique_ptr<QueuedLink> up, down;
  };

  Flight& new_flight(HostIndex from, HostIndex to, std::uint32_t wire, ns3::Ptr<ns3::Packet> packet);
  // No access link or router is between its ends.
  bool stays(const Flight& flight) const { return links_.together(flight.from, flight.to); }
  void depart(Flight& flight);
  void cross(Flight& flight, Time first_in, std::uint64_t order);
  void reach_router(Flight& flight);
  void reach_downlink(Flight& flight);
  void land(Flight& flight);
  void deliver(Flight& flight);
  void lose(Flight& flight);
  void refuse(Flight& flight);
  void record(HostIndex host, capture::PacketDirection direction, const ns3::Packet& packet);
  void forget(Flight& flight);
  std::uint64_t flow_of(const ns3::Packet& packet) const;

  hosts::Links& links_;
  hosts::Border* border_;
  std::uint64_t seed_;
  Locate locate_;
  const void* context_;
  Gates* gates_ = nullptr;
  const Routers* routers_;
  std::vector<AccessDevice*> devices_;  // by host; null: another process runs it
  std::vector<AccessQueues> access_;    // by host whose line it is; empty: drop-tail, in links_
  std::vector<std::unique_ptr<QueuedLink>>
      router_links_;  // by link and direction: forward, back, forward, ...
  hosts::Pool<Flight> flights_;
  capture::Captures* captures_ = nullptr;  // null: nothing is captured
};

}  // namespace mesocosm::packet
