// Our node as a participant of the libp2p project's transport-interop tests: see the README above this folder.
#include <cstdio>
#include <cstdlib>
#include <optional>

#include "tests/interop/ours/host.h"
#include "tests/interop/transport/roles.h"

namespace mesocosm::interop {
namespace {

int complain(const Error& error, int code = 1) {
  std::fprintf(stderr, "error: %s\n", error.message().c_str());
  return code;
}

int run(const Contract& contract) {
  AsioLoop loop;
  Options options;
  options.websocket = contract.websocket;
  options.tls = contract.tls;
  options.listen = false;  // the role does
  const auto host = Host::make(loop, options);
  if (!host) return complain(host.error());
  std::optional<Result<std::string>> outcome;
  const Done done = [&](Result<std::string> result) {
    if (!outcome) outcome = std::move(result);
    loop.stop();
  };
  std::optional<DialerRole> dialer;
  std::optional<ListenerRole> listener;
  if (contract.dialer) {
    dialer.emplace(contract, (*host)->node(), done);
  } else {
    listener.emplace(contract, (*host)->node(), done);
  }
  if (!outcome) loop.run_for(contract.timeout);
  if (!outcome) return complain({ErrorCode::timeout, "the test did not end within its time"});
  if (!*outcome) return complain(outcome->error());
  std::fputs((**outcome).c_str(), stdout);
  return 0;
}

}  // namespace
}  // namespace mesocosm::interop

int main() {
  using namespace mesocosm::interop;
  const auto contract = read_contract([](const char* name) -> const char* { return std::getenv(name); });
  return contract ? run(*contract) : complain(contract.error(), 2);
}
