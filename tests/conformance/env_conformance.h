// The conformance suite of the seam: what every environment promises in stack/env, as tests that each backend
// runs.
//
// A backend gives a ConformanceBackend with two hosts and registers it from a file of its own in this folder:
//
//     class FlowBackend final : public ConformanceBackend { ... };
//     const BackendRegistration kFlow4("flow/ipv4", [] { return std::make_unique<FlowBackend>(IpVersion::v4);
//     }); const BackendRegistration kFlow6("flow/ipv6", [] { return
//     std::make_unique<FlowBackend>(IpVersion::v6); });
//
// Every test case runs once for each registered backend, in a section with the backend's name:
//     conformance_tests [streams] -c flow/ipv4
#pragma once

#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include <catch2/catch.hpp>

#include "stack/env/clock.h"
#include "stack/env/network.h"

namespace mesocosm::conformance {

enum class IpVersion { v4, v6 };

// Hosts 0 and 1 exist and reach each other. They may share an address (two nodes on one machine): tests
// listen on port 0 and connect to what Listener::local() says.
class ConformanceBackend {
 public:
  virtual ~ConformanceBackend() = default;

  virtual Clock& clock() = 0;
  virtual Network& network(int host) = 0;
  virtual IpAddress address(int host) = 0;  // of the version that this backend was made for

  // Runs turns until the predicate holds (checked between turns) or `timeout` has passed on clock(); says
  // whether it holds.
  virtual bool run_until(const std::function<bool()>& predicate, Duration timeout) = 0;
  // After so long without an event on clock(), nothing more will come: several round trips.
  virtual Duration quiet() const = 0;

  // Whether datagrams may be lost on the way; then only what holds all the same is asked.
  virtual bool loses_datagrams() const { return false; }
  // Whether finish() leaves the other direction of a stream open.
  virtual bool half_closes() const { return true; }

  // A name that resolves to address(1), and one that does not exist. Empty: the backend cannot resolve that
  // here.
  virtual std::string known_name() const = 0;
  virtual std::string unknown_name() const = 0;
};

struct BackendEntry {
  std::string name;
  std::function<std::unique_ptr<ConformanceBackend>()> make;  // null: not possible on this machine
};

std::vector<BackendEntry>& backends();

struct BackendRegistration {
  BackendRegistration(std::string name, std::function<std::unique_ptr<ConformanceBackend>()> make) {
    backends().push_back({std::move(name), std::move(make)});
  }
};

}  // namespace mesocosm::conformance
