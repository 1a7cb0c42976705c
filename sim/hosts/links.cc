#include "sim/hosts/links.h"

#include <algorithm>

#include "stack/base/assert.h"
#include "stack/base/hash.h"

namespace mesocosm::hosts {
namespace {

constexpr double kNoTime = 1e18;  // bit/s

}  // namespace

Links::Links(Kernel& kernel, const PathModel& model, Rng rng, const Faults& faults)
    : kernel_(kernel),
      model_(model),
      faults_(faults),
      loss_seed_(rng.fork("loss").next()),
      jitter_seed_(rng.fork("jitter").next()) {
  hosts_.reserve(model.hosts());
  for (HostIndex i = 0; i < model.hosts(); ++i) {
    AccessLink access = model.access(i);
    if (model.discipline() != QueueDiscipline::drop_tail) access.up_bps = access.down_bps = kNoTime;
    hosts_.push_back({link(access.up_bps, access.up_queue), link(access.down_bps, access.down_queue), {}});
    if (model.premises(i) == i) continue;
    line_of_.resize(model.hosts());
  }
  for (HostIndex i = 0; i < line_of_.size(); ++i) line_of_[i] = model.premises(i);
}

Departure Links::depart(HostIndex from, HostIndex to, std::uint32_t wire, std::uint32_t packets,
                        const Path& path, Time& fifo) {
  const PathState fault = state(from, to);
  if (together(from, to)) {  // no access link
    const Time at = fifo = std::max(fifo, kernel_.now() + path.one_way + fault.delay);
    return {at, at, wire, fault.lost ? packets : 0, 0, fault.refused};
  }
  Host& host = hosts_[from];
  Link& up = hosts_[line(from)].up;
  const Time now = kernel_.now();
  const Time start = std::max(now, up.free_at);
  Departure departure{};
  departure.lost = overflow(up, start - now + up.time(wire), wire, packets);
  const std::uint32_t sent = without(wire, packets, departure.lost);
  up.free_at = start + up.time(sent);
  host.traffic.sent += sent;

  const double loss = path.loss + (1 - path.loss) * fault.loss;
  if (fault.lost) {
    departure.lost = packets;
    departure.refused = fault.refused;
  } else if (loss > 0) {
    const std::uint32_t left = packets - departure.lost;
    std::uint32_t first = left;
    // Drawn from the path and the sender's bytes so far, so that what other hosts do does not change it.
    Rng rng(mix64(loss_seed_ ^ (std::uint64_t{from} << 32 | to)) ^ host.traffic.sent);
    for (std::uint32_t i = 0; i < left; ++i) {
      if (!rng.chance(loss)) continue;
      first = std::min(first, i);
      ++departure.lost;
    }
    if (first < left) departure.after_first_loss = packets - departure.lost - first;
  }
  host.traffic.packets_lost += departure.lost;
  departure.wire = without(wire, packets, departure.lost);

  const Duration way = path.one_way + jitter(from, to) + fault.delay;
  departure.first_in = std::max(fifo, start + up.time(std::min(wire, kPacket)) + way);
  departure.last_in = std::max(departure.first_in, up.free_at + way);
  if (departure.lost < packets) fifo = departure.last_in;
  return departure;
}

void Links::slow_down(HostIndex host, Duration each) {
  servers_.resize(hosts_.size());
  servers_[host].each = each;
}

Landing Links::land(HostIndex from, HostIndex to, std::uint32_t wire, std::uint32_t packets, Time last_in) {
  Landing landing = come_in(from, to, wire, packets, last_in);
  if (!servers_.empty() && wire > kNoData) serve(servers_[to], packets, landing);
  return landing;
}

// A single server with a queue of its own before it, which is never full: TCP's windows bound it.
void Links::serve(Server& server, std::uint32_t packets, Landing& landing) {
  if (server.each == Duration::zero() || landing.lost >= packets) return;
  const Time start = std::max(server.free_at, landing.first);
  const Time all = start + server.each * (packets - landing.lost);
  landing.first = start + server.each;
  landing.at = server.free_at = std::max(all, landing.at + server.each);
}

Landing Links::come_in(HostIndex from, HostIndex to, std::uint32_t wire, std::uint32_t packets,
                       Time last_in) {
  if (together(from, to)) return {last_in, last_in, 0};
  Host& host = hosts_[to];
  Link& down = hosts_[line(to)].down;
  const Time now = kernel_.now();
  const Time start = std::max(now, down.free_at);
  // While the burst comes in, the link drains.
  const Duration backlog = start - now + down.time(wire) - (last_in - now);
  Landing landing{};
  landing.lost = overflow(down, backlog, wire, packets);
  const std::uint32_t taken = without(wire, packets, landing.lost);
  down.free_at = start + down.time(taken);
  landing.first = start + down.time(std::min(wire, kPacket));
  landing.at = std::max(down.free_at, last_in + down.time(std::min(wire, kPacket)));
  host.traffic.received += taken;
  return landing;
}

Links::Link Links::link(double bps, Duration queue) {
  MC_ASSERT(bps > 0);
  return {static_cast<std::uint64_t>(8e9 / bps * (1 << kShift) + 0.5), Time{}, queue};
}

// How many packets find the queue full. `backlog`: the time until the link would have sent all of the burst;
// its last packet waits for all of that but its own.
std::uint32_t Links::overflow(const Link& link, Duration backlog, std::uint32_t wire, std::uint32_t packets) {
  const Duration one = std::max(Duration(1), link.time(std::min(wire, kPacket)));
  const Duration over = backlog - one - link.queue;
  if (over <= Duration::zero()) return 0;
  return static_cast<std::uint32_t>(std::min<std::int64_t>(packets, (over + one - Duration(1)) / one));
}

std::uint32_t Links::without(std::uint32_t wire, std::uint32_t packets, std::uint32_t lost) {
  return lost >= packets ? 0 : wire - std::min(wire, lost * kPacket);
}

// Constant over an epoch, and a hash of path and epoch instead of a state for each path.
Duration Links::jitter(HostIndex from, HostIndex to) const {
  const std::uint64_t path = std::uint64_t{from} << 32 | to;
  const auto epoch = static_cast<std::uint64_t>(kernel_.now().time_since_epoch() / kJitterEpoch);
  const std::uint64_t drawn = mix64(mix64(jitter_seed_ ^ path) + epoch);
  return model_.jitter(from, to, static_cast<double>(drawn >> 11) * 0x1p-53);
}

std::uint64_t Links::packets_lost() const {
  std::uint64_t lost = 0;
  for (const Host& host : hosts_) lost += host.traffic.packets_lost;
  return lost;
}

}  // namespace mesocosm::hosts
