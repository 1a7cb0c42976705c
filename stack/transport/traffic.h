// Traffic: how many bytes went each way, by protocol and on the wire. One table a host, increments through
// pointers.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

namespace mesocosm {

struct Traffic {
  std::uint64_t in = 0;   // bytes
  std::uint64_t out = 0;  // bytes
};

class TrafficCounters {
 public:
  struct Entry : Traffic {  // payload bytes: without negotiation, multiplexing and encryption
    explicit Entry(std::string_view name) : protocol(name) {}
    const std::string protocol;
  };

  // The protocol's counters; they stay where they are. A host speaks few protocols: a linear search.
  Entry& of(std::string_view protocol) {
    for (const auto& entry : entries_) {
      if (entry->protocol == protocol) return *entry;
    }
    return *entries_.emplace_back(std::make_unique<Entry>(protocol));
  }
  // In order of first use.
  const std::vector<std::unique_ptr<Entry>>& entries() const { return entries_; }

  Traffic wire;  // all bytes of all byte streams, handshakes included

 private:
  std::vector<std::unique_ptr<Entry>> entries_;
};

}  // namespace mesocosm
