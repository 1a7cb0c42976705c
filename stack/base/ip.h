// IP addresses and endpoints, as values that order and hash the same on every machine.
#pragma once

#include <array>
#include <compare>
#include <cstdint>
#include <string>
#include <string_view>

#include "stack/base/result.h"

namespace mesocosm {

class IpAddress {
 public:
  IpAddress() = default;  // 0.0.0.0
  static IpAddress v4(std::uint32_t host_order);
  static IpAddress v6(const std::array<std::uint8_t, 16>& network_order);
  static Result<IpAddress> parse(std::string_view text);

  bool is_v4() const { return is_v4_; }
  std::uint32_t v4_host_order() const;                                    // requires is_v4()
  const std::array<std::uint8_t, 16>& octets() const { return octets_; }  // v4: the first four
  bool is_unspecified() const;
  bool is_loopback() const;
  std::string to_string() const;

  auto operator<=>(const IpAddress&) const = default;

 private:
  bool is_v4_ = true;
  std::array<std::uint8_t, 16> octets_{};
};

struct Endpoint {
  IpAddress ip;
  std::uint16_t port = 0;

  // "192.0.2.1:4001", "[2001:db8::1]:4001". Error: bad_encoding.
  static Result<Endpoint> parse(std::string_view text);
  std::string to_string() const;
  auto operator<=>(const Endpoint&) const = default;
};

}  // namespace mesocosm
