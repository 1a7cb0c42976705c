// Runs the small scenarios that it reads, a line each, and answers each with a line of JSON:
//
//     TIER SCENARIO RTT_MS MBIT LOSS QUEUE_MS BYTES SEED        for example: flow bulk 50 100 0.01 50 1048576 7
//     {"taken": [seconds, ...], "sent": bytes, "answered": bytes, "lost": packets, "ahead": bytes}
//
// Tiers: flow, packet, real, linux (--linux says by the exit code whether that is possible here).
// Scenarios: bulk, shared, blocks, slow (64 KiB each 20 ms), setup, exchange. `agreement.py` asks.
#include <cstdio>
#include <iostream>
#include <sstream>
#include <string>

#include "tests/agreement/transfers.h"

namespace {

using namespace mesocosm;
using namespace mesocosm::agreement;

bool answer(const std::string& line) {
  std::istringstream words(line);
  std::string tier_name, scenario;
  double rtt_ms = 0, mbit = 0, queue_ms = 0;
  std::uint64_t bytes = 0;
  Way way;
  if (!(words >> tier_name >> scenario >> rtt_ms >> mbit >> way.loss >> queue_ms >> bytes >> way.seed))
    return false;
  const Tier tier = tier_name == "flow"     ? Tier::flow
                    : tier_name == "packet" ? Tier::packet
                    : tier_name == "linux"  ? Tier::shaped_linux
                                            : Tier::real;
  way.rtt = from_seconds(rtt_ms * 1e-3);
  way.bps = mbit * 1e6;
  way.queue = from_seconds(queue_ms * 1e-3);
  Outcome outcome;
  if (scenario == "bulk") {
    outcome = bulk(tier, way, bytes);
  } else if (scenario == "shared") {
    outcome = shared_uplink(tier, way, bytes);
  } else if (scenario == "blocks") {
    outcome = blocks(tier, way, bytes);
  } else if (scenario == "slow") {
    outcome = slow_reader(tier, way, bytes, 64 << 10, 20ms);
  } else if (scenario == "setup") {
    outcome = setup(tier, way);
  } else if (scenario == "exchange") {
    outcome = exchange(tier, way, bytes);
  } else {
    return false;
  }
  std::printf("{\"taken\": [");
  for (std::size_t i = 0; i < outcome.taken.size(); ++i) {
    std::printf("%s%.9f", i == 0 ? "" : ", ", to_seconds(outcome.taken[i]));
  }
  std::printf(
      "], \"sent\": %llu, \"answered\": %llu, \"lost\": %llu, \"ahead\": %llu}\n",
      static_cast<unsigned long long>(outcome.sent), static_cast<unsigned long long>(outcome.answered),
      static_cast<unsigned long long>(outcome.lost), static_cast<unsigned long long>(outcome.most_ahead));
  std::fflush(stdout);
  return true;
}

}  // namespace

int main(int argc, char** argv) {
  if (argc > 1 && std::string(argv[1]) == "--linux") return linux_possible() ? 0 : 1;
  for (std::string line; std::getline(std::cin, line);) {
    if (!answer(line)) {
      std::fprintf(stderr, "agreement_transfers: cannot read: %s\n", line.c_str());
      return 2;
    }
  }
}
