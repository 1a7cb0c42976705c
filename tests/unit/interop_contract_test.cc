// The libp2p project's transport-interop contract: what the variables say, what is reported, Redis's protocol.
#include <map>
#include <string>

#include <catch2/catch.hpp>

#include "tests/interop/transport/contract.h"
#include "tests/interop/transport/resp.h"

using namespace mesocosm;
using namespace mesocosm::interop;

namespace {

using Variables = std::map<std::string, std::string>;

Result<Contract> read(const Variables& variables) {
  return read_contract([&](const char* name) -> const char* {
    const auto found = variables.find(name);
    return found == variables.end() ? nullptr : found->second.c_str();
  });
}

std::string fault(Variables variables, const std::string& name, const std::string& value) {
  variables[name] = value;
  const auto contract = read(variables);
  return contract ? "none" : contract.error().message();
}

const Variables kOlder = {
    {"transport", "tcp"}, {"security", "noise"}, {"muxer", "yamux"}, {"is_dialer", "false"}};
const Variables kNewer = {{"TEST_KEY", "a5b50d5e"},     {"TRANSPORT", "ws"},
                          {"SECURE_CHANNEL", "tls"},    {"MUXER", "yamux"},
                          {"IS_DIALER", "true"},        {"REDIS_ADDR", "transport-redis:7000"},
                          {"LISTENER_IP", "192.0.2.1"}, {"DEBUG", "false"}};

using Kind = RedisReply::Kind;

// Feeds the text in pieces of so many bytes.
Result<std::optional<RedisReply>> reply_of(std::string_view text, std::size_t step = SIZE_MAX) {
  RedisReader reader;
  for (;;) {
    reader.on_bytes(as_bytes(text.substr(0, step)));
    text.remove_prefix(std::min(step, text.size()));
    auto reply = reader.next();
    if (!reply || *reply || text.empty()) return reply;
  }
}

std::string fault(std::string_view text) {
  const auto reply = reply_of(text);
  return reply ? "none" : reply.error().message();
}

}  // namespace

TEST_CASE("the contract's older form, with what it leaves out", "[interop]") {
  const Contract contract = read(kOlder).value();
  CHECK_FALSE(contract.newer);
  CHECK_FALSE(contract.dialer);
  CHECK_FALSE(contract.websocket);
  CHECK_FALSE(contract.tls);
  CHECK(contract.ip.is_unspecified());
  CHECK(contract.redis_host == "redis");
  CHECK(contract.redis_port == 6379);
  CHECK(contract.key == "listenerAddr");
  CHECK(contract.timeout == 180s);
  CHECK(report(contract, 7342us, 113400ns) ==
        "{\"handshakePlusOneRTTMillis\":7.342,\"pingRTTMilllis\":0.113}\n");
}

TEST_CASE("the contract's newer form", "[interop]") {
  const Contract contract = read(kNewer).value();
  CHECK(contract.newer);
  CHECK(contract.dialer);
  CHECK(contract.websocket);
  CHECK(contract.tls);
  CHECK(contract.ip.to_string() == "192.0.2.1");
  CHECK(contract.redis_host == "transport-redis");
  CHECK(contract.redis_port == 7000);
  CHECK(contract.key == "a5b50d5e_listener_multiaddr");
  CHECK(report(contract, 5011us, 599us) ==
        "latency:\n  handshake_plus_one_rtt: 5.011\n  ping_rtt: 0.599\n  unit: ms\n");
}

TEST_CASE("what the contract's variables say wrong is named", "[interop]") {
  CHECK(fault(kOlder, "transport", "quic-v1") == "unsupported: transport: expected tcp or ws, not 'quic-v1'");
  CHECK(fault(kOlder, "muxer", "mplex") == "unsupported: muxer: expected yamux, not 'mplex'");
  CHECK(fault(kOlder, "is_dialer", "") == "bad encoding: is_dialer is not set");
  CHECK(fault(kOlder, "ip", "here") == "bad encoding: ip: not an address: 'here'");
  CHECK(fault(kOlder, "redis_addr", "redis:66000") == "bad encoding: redis_addr: not a number: '66000'");
  CHECK(fault(kOlder, "test_timeout_seconds", "soon") ==
        "bad encoding: test_timeout_seconds: not a number: 'soon'");
  CHECK(fault(kNewer, "SECURE_CHANNEL", "null") ==
        "unsupported: SECURE_CHANNEL: expected noise or tls, not 'null'");
}

TEST_CASE("a command to Redis is a list of texts with their lengths", "[interop]") {
  const std::string_view words[] = {"RPUSH", "key", ""};
  CHECK(redis_command(words).text() == "*3\r\n$5\r\nRPUSH\r\n$3\r\nkey\r\n$0\r\n\r\n");
}

TEST_CASE("replies of Redis, however they are cut", "[interop]") {
  for (const std::size_t step : {std::size_t{1}, std::size_t{3}, SIZE_MAX}) {
    CHECK(reply_of("+OK\r\n", step).value()->text == "OK");
    CHECK(reply_of(":-12\r\n", step).value()->number == -12);
    CHECK(reply_of("$-1\r\n", step).value()->kind == Kind::nothing);
    CHECK(reply_of("*-1\r\n", step).value()->kind == Kind::nothing);
    const auto refused = reply_of("-WRONGTYPE of value\r\n", step).value();
    CHECK(refused->kind == Kind::error);
    CHECK(refused->text == "WRONGTYPE of value");
    const auto list = reply_of("*2\r\n$3\r\nkey\r\n$7\r\na\r\nb\r\nc\r\n", step).value();
    REQUIRE(list->items.size() == 2);
    CHECK(list->items[1].text == "a\r\nb\r\nc");
    CHECK_FALSE(reply_of("*2\r\n$3\r\nkey\r\n$7\r\na\r\nb\r\nc\r", step).value());
  }
  RedisReader two;
  two.on_bytes(as_bytes(":1\r\n:2\r\n"));
  CHECK(two.next().value()->number == 1);
  CHECK(two.next().value()->number == 2);
  CHECK_FALSE(two.next().value());
}

TEST_CASE("what is no reply of Redis, or too large for one, is refused", "[interop]") {
  CHECK(fault("\r\n") == "bad encoding: redis: no such type of reply");
  CHECK(fault("HTTP/1.1 400\r\n") == "bad encoding: redis: no such type of reply");
  CHECK(fault(":1x\r\n") == "bad encoding: redis: not a number: '1x'");
  CHECK(fault("$-2\r\n") == "bad encoding: redis: a negative length");
  CHECK(fault("$1\r\nab\r\n") == "bad encoding: redis: a text that is longer than it says");
  CHECK(fault("+" + std::string(RedisReader::kMaxLine, 'x')) == "too large: redis: a line");
  CHECK(fault("$" + std::to_string(RedisReader::kMaxText + 1) + "\r\n") == "too large: redis: a text");
  CHECK(fault("$" + std::to_string(RedisReader::kMaxText) + "\r\n") == "none");
  CHECK(fault("*17\r\n") == "too large: redis: a list");
  CHECK(fault("*1\r\n*1\r\n*1\r\n:1\r\n") == "none");
  CHECK(fault("*1\r\n*1\r\n*1\r\n*1\r\n") == "too large: redis: a list");
}
