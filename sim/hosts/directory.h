// Who has which address and name in a simulated network.
#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "sim/net/path_model.h"
#include "stack/base/ip.h"
#include "stack/env/clock.h"
#include "stack/env/network.h"

namespace mesocosm::hosts {

// Every host has one IPv4 and one IPv6 address: the model's, or else 1.0.0.1 + index, and 2a00:: + 1 + index, unless
// assigned otherwise.
class Directory {
 public:
  static constexpr HostIndex kNoHost = PathModel::kNoHost;
  static constexpr Duration kResolveTime = 20ms;  // until a name is answered

  explicit Directory(const PathModel& model) : model_(model), hosts_(model.hosts()) {}

  static IpAddress first_v4(const PathModel& model, HostIndex host);  // before any is assigned
  IpAddress address_v4(HostIndex host) const;
  IpAddress address_v6(HostIndex host) const;
  void assign_address(HostIndex host, const IpAddress& address);  // replaces the one of its version
  HostIndex host_of(const IpAddress& address) const;              // kNoHost: nobody has it
  bool owns(HostIndex host, const IpAddress& address) const;      // may listen on it

  void register_name(const std::string& name, std::vector<IpAddress> addresses);
  void register_text(const std::string& name, std::vector<std::string> records);
  std::unique_ptr<Resolution> resolve(Clock& clock, std::string_view name, RecordType type,
                                      Resolution::Events& events) const;

 private:
  struct Record {
    std::vector<IpAddress> addresses;
    std::vector<std::string> texts;
  };
  struct Addresses {
    IpAddress v4, v6;
  };

  const PathModel& model_;
  HostIndex hosts_;
  std::unordered_map<HostIndex, Addresses> assigned_;
  std::map<IpAddress, HostIndex> by_address_;  // of assigned addresses
  std::map<std::string, Record, std::less<>> names_;
};

// A stream to an address that no host has: fails at once with `unreachable`.
std::unique_ptr<ByteStream> unreachable_stream(Clock& clock, const Endpoint& local, const Endpoint& remote,
                                               ByteStream::Events& events);

}  // namespace mesocosm::hosts
