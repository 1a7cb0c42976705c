// Operations on two hosts with TCP transports, bare or with WebSocket: streams opened, written, finished, reset and destroyed,
// connections closed and cut, in callbacks too. Nothing breaks, and the last callback is the last.
#include <memory>
#include <string>
#include <vector>

#include "stack/base/assert.h"
#include "tests/fuzz/fuzz_input.h"
#include "tests/unit/upgrade_harness.h"

using namespace mesocosm;
using namespace mesocosm::testing;

namespace {

void watch(Talker& talker) {
  talker.when_readable = talker.when_writable = [](Talker& self) { MC_ASSERT(self.closed == 0); };
  talker.when_closed = [](Talker& self) { MC_ASSERT(self.closed == 1); };
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  FuzzInput in(data, size);
  TcpOptions options;
  options.upgrade.early_muxer = in.below(2) == 0;
  options.upgrade.max_negotiating = 4;
  const std::size_t security = in.below(8);  // TLS costs more time: seldom
  if (security == 0) options.upgrade.securities = {SecurityProtocol::tls};
  if (security > 0 && security < 4) options.upgrade.securities = {SecurityProtocol::noise};
  Two two(options, {}, in.below(2) == 0);
  two.net.chop = 1 + in.size();
  two.net.buffer = 1 + in.size();
  std::vector<std::unique_ptr<Talker>> talkers;
  two.bob.when_stream = [](Talker& talker) { watch(talker); };
  two.connect();
  while (!in.empty()) {
    const std::size_t what = in.below(12);
    if (what < 2) {
      two.net.run_for(std::chrono::milliseconds(in.byte()));
      continue;
    }
    if (two.alice.connections.empty() || two.bob.connections.empty()) break;
    if (what < 5 && talkers.size() < 32) {
      const bool lazy = in.below(2) == 0;
      talkers.push_back(two.alice.open({in.below(4) == 0 ? "/nothing" : "/echo"}, lazy, "hello"));
      watch(*talkers.back());
      continue;
    }
    if (what == 11 && in.below(8) == 0) {
      auto& host = in.below(2) == 0 ? two.alice : two.bob;
      two.net.clock.turn([&] {
        if (in.below(2) == 0) {
          host.connection().close(3);
        } else {
          host.connections.clear();
        }
      });
      continue;
    }
    auto& list = in.below(2) == 0 ? talkers : two.bob.inbound;
    if (list.empty()) continue;
    Talker& talker = *list[in.below(list.size())];
    if (!talker.stream) continue;
    two.net.clock.turn([&] {
      switch (what) {
        case 5:
          talker.stream->write(Bytes::copy(std::string(in.size(), 'x')));
          break;
        case 6:
          talker.stream->finish();
          break;
        case 7:
          talker.stream->reset(in.byte());
          break;
        case 8:
          talker.stream.reset();
          break;
        case 9:
          talker.when_readable = [](Talker& self) { self.stream.reset(); };
          break;
        default:
          talker.reads = !talker.reads;
          break;
      }
    });
  }
  two.net.run_for(30s);
  return 0;
}
