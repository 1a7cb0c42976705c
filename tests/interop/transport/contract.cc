#include "tests/interop/transport/contract.h"

#include <array>
#include <charconv>
#include <cstdio>
#include <initializer_list>
#include <string_view>

namespace mesocosm::interop {
namespace {

// The variables' names, which the forms do not share.
struct Names {
  const char* transport;
  const char* security;
  const char* muxer;
  const char* is_dialer;
  const char* ip;
  const char* redis;
  const char* timeout;
};
constexpr Names kOlder = {"transport",           "security", "muxer", "is_dialer", "ip", "redis_addr",
                          "test_timeout_seconds"};
constexpr Names kNewer = {"TRANSPORT",  "SECURE_CHANNEL",   "MUXER", "IS_DIALER", "LISTENER_IP",
                          "REDIS_ADDR", "TEST_TIMEOUT_SECS"};

// Reads variables one by one; the first error stays.
class Reader {
 public:
  explicit Reader(const Variables& variables) : variables_(variables) {}

  const Error& error() const { return error_; }

  std::string text(const char* name, const char* otherwise = nullptr) {
    const char* value = variables_(name);
    if (value != nullptr && *value != '\0') return value;
    if (otherwise == nullptr) refuse(ErrorCode::bad_encoding, std::string(name) + " is not set");
    return otherwise == nullptr ? "" : otherwise;
  }
  // Which of the words it is.
  std::size_t word(const char* name, ErrorCode otherwise, std::initializer_list<std::string_view> words) {
    const std::string value = text(name);
    std::string all;
    std::size_t index = 0;
    for (const std::string_view each : words) {
      if (each == value) return index;
      all += (index++ == 0 ? "" : " or ") + std::string(each);
    }
    refuse(otherwise, std::string(name) + ": expected " + all + ", not '" + value + "'");
    return 0;
  }
  template <class Number>
  Number number(const char* name, std::string_view value) {
    Number parsed{};
    const auto [end, fault] = std::from_chars(value.data(), value.data() + value.size(), parsed);
    if (fault != std::errc() || end != value.data() + value.size()) {
      refuse(ErrorCode::bad_encoding, std::string(name) + ": not a number: '" + std::string(value) + "'");
    }
    return parsed;
  }
  void refuse(ErrorCode code, std::string why) {
    if (error_.ok()) error_ = {code, std::move(why)};
  }

 private:
  const Variables& variables_;
  Error error_;
};

void read_redis(Reader& reader, const char* name, Contract& contract) {
  const std::string address = reader.text(name, "redis:6379");
  const std::size_t colon = address.rfind(':');
  contract.redis_host = address.substr(0, colon);
  contract.redis_port = 6379;
  if (colon != std::string::npos) {
    contract.redis_port = reader.number<std::uint16_t>(name, std::string_view(address).substr(colon + 1));
  }
}

double milliseconds(Duration duration) { return to_seconds(duration) * 1000; }

}  // namespace

Result<Contract> read_contract(const Variables& variables) {
  Reader reader(variables);
  Contract contract;
  contract.newer = variables("TEST_KEY") != nullptr;
  const Names& names = contract.newer ? kNewer : kOlder;
  contract.key = contract.newer ? reader.text("TEST_KEY") + "_listener_multiaddr" : "listenerAddr";
  contract.dialer = reader.word(names.is_dialer, ErrorCode::bad_encoding, {"false", "true"}) == 1;
  contract.websocket = reader.word(names.transport, ErrorCode::unsupported, {"tcp", "ws"}) == 1;
  contract.tls = reader.word(names.security, ErrorCode::unsupported, {"noise", "tls"}) == 1;
  reader.word(names.muxer, ErrorCode::unsupported, {"yamux"});
  const std::string ip = reader.text(names.ip, "0.0.0.0");
  if (const auto parsed = IpAddress::parse(ip)) {
    contract.ip = *parsed;
  } else {
    reader.refuse(ErrorCode::bad_encoding, std::string(names.ip) + ": not an address: '" + ip + "'");
  }
  read_redis(reader, names.redis, contract);
  contract.timeout =
      std::chrono::seconds(reader.number<std::uint32_t>(names.timeout, reader.text(names.timeout, "180")));
  if (!reader.error().ok()) return tl::unexpected(reader.error());
  return contract;
}

std::string report(const Contract& contract, Duration handshake_plus_one_rtt, Duration ping_rtt) {
  const char* format = contract.newer
                           ? "latency:\n  handshake_plus_one_rtt: %.3f\n  ping_rtt: %.3f\n  unit: ms\n"
                           : "{\"handshakePlusOneRTTMillis\":%.3f,\"pingRTTMilllis\":%.3f}\n";
  std::array<char, 160> text;
  const int size = std::snprintf(text.data(), text.size(), format, milliseconds(handshake_plus_one_rtt),
                                 milliseconds(ping_rtt));
  return {text.data(), static_cast<std::size_t>(size)};
}

}  // namespace mesocosm::interop
