// GossipSub's codec, message ids and message cache.
#include <map>
#include <string>

#include <catch2/catch.hpp>

#include "stack/protocols/gossipsub/message.h"
#include "stack/protocols/gossipsub/message_cache.h"
#include "stack/protocols/gossipsub/rpc.h"
#include "stack/wire/sha256.h"
#include "tests/unit/gossipsub_harness.h"

namespace mesocosm {
namespace {

using testing::fake_peer;

Bytes from_hex(std::string_view hex) {
  std::vector<std::uint8_t> bytes;
  for (std::size_t i = 0; i + 1 < hex.size(); i += 2) {
    bytes.push_back(static_cast<std::uint8_t>(std::stoi(std::string(hex.substr(i, 2)), nullptr, 16)));
  }
  return Bytes::copy(bytes);
}

std::vector<std::string> ids_of(const RpcPart& part) {
  std::vector<std::string> ids;
  each_id(part, [&](ByteView id) {
    ids.push_back(std::string(as_text(id)));
    return true;
  });
  return ids;
}

}  // namespace

TEST_CASE("rpc: bytes as protobuf has them", "[gossipsub]") {
  const RpcPart parts[] = {make_subscription(true, as_bytes("foo")), make_graft(as_bytes("foo")),
                           make_subscription(false, as_bytes("b")), make_prune(as_bytes("foo"), 60, {})};
  Rpc rest = parts;
  // 1: {1: true, 2: "foo"}, 1: {1: false, 2: "b"}, 3: {3: {1: "foo"}, 4: {1: "foo", 3: 60}}
  const std::string subscriptions =
      "0a0708011203666f6f"
      "0a05080012"
      "0162";
  const std::string control =
      "1a10"
      "1a050a03666f6f"
      "22070a03666f6f183c";
  CHECK(to_hex(encode_control_frame(rest, 1000)) == "22" + subscriptions + control);
  CHECK(rest.empty());

  const ByteView ids[] = {as_bytes("id1"), as_bytes("id22")};
  std::span<const ByteView> left = ids;
  CHECK(to_hex(make_ihave(as_bytes("t"), left).bytes) ==
        "0a0174"
        "1203696431"
        "120469643232");
  left = ids;
  CHECK(to_hex(make_iwant(left).bytes) ==
        "0a03696431"
        "0a0469643232");

  // A message as an unsigned publisher sends it: frame, field, {2: "hi", 4: "t"}.
  const RpcPart message = make_message(as_bytes("t"), as_bytes("hi"));
  CHECK(to_hex(message.bytes) ==
        "09"
        "1207"
        "12026869"
        "220174");
  CHECK(message.header == 3);
}

TEST_CASE("rpc: round trip", "[gossipsub]") {
  const PeerInfo offered[] = {{fake_peer(1), Bytes::copy("envelope")}, {fake_peer(2), {}}};
  const ByteView ids[] = {as_bytes("one"), as_bytes("two")};
  std::span<const ByteView> ihave_ids = ids;
  std::span<const ByteView> iwant_ids = ids;
  const RpcPart parts[] = {make_subscription(true, as_bytes("topic")),
                           make_ihave(as_bytes("topic"), ihave_ids), make_iwant(iwant_ids),
                           make_graft(as_bytes("topic")), make_prune(as_bytes("topic"), 77, offered)};
  Rpc rest = parts;
  const Bytes frame = encode_control_frame(rest, kMaxControlRpc);
  std::vector<RpcPart> decoded;
  REQUIRE(decode_frame(frame, 2, decoded));
  REQUIRE(decoded.size() == 5);
  CHECK(decode_subscription(decoded[0].body())->subscribe);
  CHECK(as_text(decode_subscription(decoded[0].body())->topic) == "topic");
  CHECK(as_text(*decode_ihave(decoded[1].body())) == "topic");
  CHECK(ids_of(decoded[1]) == std::vector<std::string>{"one", "two"});
  CHECK(ids_of(decoded[2]) == std::vector<std::string>{"one", "two"});
  CHECK(as_text(*decode_graft(decoded[3].body())) == "topic");
  const auto prune = decode_prune(decoded[4].bytes, 16);
  REQUIRE(prune);
  CHECK(as_text(prune->topic) == "topic");
  CHECK(prune->backoff == 77);
  REQUIRE(prune->peers.size() == 2);
  CHECK(prune->peers[0].peer == fake_peer(1));
  CHECK(prune->peers[0].signed_record.text() == "envelope");
  CHECK(prune->peers[1].peer == fake_peer(2));
  CHECK(prune->peers[1].signed_record.empty());
  CHECK(decode_prune(decoded[4].bytes, 1)->peers.size() == 1);
}

TEST_CASE("rpc: a lone message keeps its frame, others share the buffer", "[gossipsub]") {
  const RpcPart message = make_message(as_bytes("t"), as_bytes(std::string(200, 'x')));
  std::vector<RpcPart> parts;
  REQUIRE(decode_frame(message.bytes, 2, parts));
  REQUIRE(parts.size() == 1);
  CHECK(parts[0].header == message.header);
  CHECK(parts[0].bytes.data() == message.bytes.data());
  CHECK(decode_message(parts[0])->payload().data() == decode_message(message)->data.data());

  // Two in an RPC: each is a slice of it, without a frame.
  const Bytes body = message.bytes.slice(2);
  const Bytes two[] = {body, body};
  const Bytes rpc = concat(two);
  REQUIRE(decode_rpc(rpc, parts));
  REQUIRE(parts.size() == 2);
  CHECK(parts[1].header == 0);
  CHECK(parts[1].bytes.data() == rpc.data() + body.size() + 3);
  CHECK(equal(parts[1].body(), message.body()));
  CHECK(to_hex(message_header(parts[1].bytes.size())) == to_hex(message.bytes.slice(0, message.header)));

  // The same message with something unknown beside it is not passed on with it.
  const Bytes odd[] = {Bytes::copy(std::string("\xd7\x01", 2)), body,
                       Bytes::copy(std::string("\x50\x01", 2))};
  const Bytes odd_frame = concat(odd);
  REQUIRE(decode_frame(odd_frame, 2, parts));
  REQUIRE(parts.size() == 1);
  CHECK(parts[0].header == 0);
}

TEST_CASE("rpc: malformed and oversized", "[gossipsub]") {
  std::vector<RpcPart> parts;
  CHECK(decode_rpc({}, parts));
  CHECK(parts.empty());
  for (const char* bad : {"0a", "0a05", "120401", "1a03", "1a020a05", "0f", "00", "ffffffffffffffffffff01"}) {
    INFO(bad);
    CHECK_FALSE(decode_rpc(from_hex(bad), parts));
  }
  CHECK_FALSE(decode_subscription(from_hex("0801120a")));
  CHECK_FALSE(decode_ihave(from_hex("0a0574")));
  CHECK_FALSE(decode_prune(from_hex("1202"
                                    "0a05"),
                           16));
  CHECK(decode_prune(from_hex("1203"
                              "0a0105"),
                     16)
            ->peers.empty());  // no peer id: skipped

  std::vector<std::uint8_t> many;
  for (std::size_t i = 0; i <= kMaxRpcParts; ++i) many.insert(many.end(), {0x0a, 0x00});
  const auto refused = decode_rpc(Bytes::copy(many), parts);
  REQUIRE_FALSE(refused);
  CHECK(refused.error().code == ErrorCode::too_large);
  many.resize(many.size() - 2);
  CHECK(decode_rpc(Bytes::copy(many), parts));
}

TEST_CASE("rpc: splitting at the limit", "[gossipsub]") {
  std::vector<std::string> names;
  for (int i = 0; i < 100; ++i)
    names.push_back("id number " + std::to_string(1000 + i));  // 14 bytes, 16 encoded
  std::vector<ByteView> ids;
  for (const auto& name : names) ids.push_back(as_bytes(name));
  std::span<const ByteView> rest = ids;
  std::vector<std::string> seen;
  std::vector<RpcPart> parts;
  while (!rest.empty()) {
    parts.push_back(make_ihave(as_bytes("t"), rest, 3 + 16 * 30));
    CHECK(parts.back().bytes.size() <= 3 + 16 * 30);
    for (auto& id : ids_of(parts.back())) seen.push_back(id);
  }
  CHECK(parts.size() == 4);  // 30, 30, 30, 10
  CHECK(seen == names);

  Rpc left = parts;
  std::size_t frames = 0;
  std::size_t total = 0;
  for (; !left.empty(); ++frames) {
    const Bytes frame = encode_control_frame(left, 1000);
    CHECK(frame.size() <= 1002);
    std::vector<RpcPart> decoded;
    REQUIRE(decode_frame(frame, 2, decoded));
    total += decoded.size();
  }
  CHECK(frames == 2);
  CHECK(total == 4);

  const PeerInfo offered[] = {{fake_peer(1), {}}, {fake_peer(2), {}}, {fake_peer(3), {}}};
  CHECK(decode_prune(make_prune(as_bytes("t"), 60, offered, 100).bytes, 16)->peers.size() == 2);
}

TEST_CASE("message: fields, absent and empty", "[gossipsub]") {
  const auto part = [](std::string_view hex) {
    return RpcPart{.kind = PartKind::message, .bytes = from_hex(hex)};
  };
  const RpcPart plain = part(
      "1202686922"
      "0174");
  auto message = decode_message(plain);
  REQUIRE(message);
  CHECK(as_text(message->data) == "hi");
  CHECK(as_text(message->topic) == "t");
  CHECK(message->from.data() == nullptr);
  CHECK(follows_policy(*message, SignaturePolicy::strict_no_sign));
  CHECK_FALSE(follows_policy(*message, SignaturePolicy::strict_sign));
  for (const char* field :
       {"0a00", "1a00", "2a00", "3200", "0a0101"}) {  // from, seqno, signature, key: even if empty
    INFO(field);
    const RpcPart signed_part = part(std::string("12026869220174") + field);
    CHECK_FALSE(follows_policy(*decode_message(signed_part), SignaturePolicy::strict_no_sign));
  }
  CHECK_FALSE(decode_message(part("120a")));
  const RpcPart twice = part(
      "220161"
      "220162");
  CHECK(as_text(decode_message(twice)->topic) == "b");  // protobuf: the last one counts
}

TEST_CASE("message: ids", "[gossipsub]") {
  const RpcPart part = make_message(as_bytes("topic"), as_bytes("data"));
  const auto message = decode_message(part);
  std::string preimage("\x01\0\0\0\x05\0\0\0\0\0\0\0", 12);
  preimage += "topicdata";
  const MessageId id = message_id(*message, MessageIdKind::content_hash);
  CHECK(to_hex(id.bytes()) == to_hex(ByteView(sha256(as_bytes(preimage))).first(20)));

  SharedMessageChecks shared(16);
  CHECK(shared.id(*message, MessageIdKind::content_hash) == id);
  CHECK(shared.id(*message, MessageIdKind::content_hash) == id);
  const RpcPart elsewhere = make_message(as_bytes("topic"), as_bytes("data"));  // the same in another buffer
  CHECK(shared.id(*decode_message(elsewhere), MessageIdKind::content_hash) == id);
  const RpcPart other = make_message(as_bytes("topic"), as_bytes("datb"));
  CHECK_FALSE(shared.id(*decode_message(other), MessageIdKind::content_hash) == id);

  const RpcPart signed_part{PartKind::message, 0, 0,
                            from_hex("0a026162"
                                     "1a080000000000000102")};
  CHECK(to_hex(message_id(*decode_message(signed_part), MessageIdKind::from_seqno).bytes()) ==
        "61620000000000000102");
}

TEST_CASE("message: checks remembered for all nodes are the same as computed ones", "[gossipsub]") {
  MessageChecks plain;
  SharedMessageChecks shared(16);  // far too few slots for what follows
  Rng rng(3);
  std::vector<RpcPart> parts;
  for (int i = 0; i < 60; ++i) {
    std::string data(rng.below(300), 'x');  // alike but for a byte, so that places collide
    if (!data.empty()) data[rng.below(data.size())] = static_cast<char>(rng.below(4));
    parts.push_back(make_message(as_bytes("t"), as_bytes(data)));
  }
  for (int i = 0; i < 3000; ++i) {
    const RpcPart& part = parts[rng.below(parts.size())];
    const bool copied = rng.chance(0.3);
    const RpcPart copy{.kind = PartKind::message, .header = part.header, .bytes = Bytes::copy(part.bytes)};
    const auto message = decode_message(copied ? copy : part);
    REQUIRE(shared.id(*message, MessageIdKind::content_hash) ==
            plain.id(*message, MessageIdKind::content_hash));
    REQUIRE_FALSE(shared.verify(*message));
  }
}

TEST_CASE("message cache: windows", "[gossipsub]") {
  MessageCache cache(120s, 5, 3);
  CHECK(cache.memory() == 5 * 4);
  const RpcPart part = make_message(as_bytes("t"), as_bytes("x"));
  const auto put = [&](std::string_view id, TopicIndex topic) {
    cache.add_seen(hash64(as_bytes(id)), as_bytes(id), Time{});
    cache.put(hash64(as_bytes(id)), as_bytes(id), part, topic);
  };
  const auto told = [&](TopicIndex topic) {
    std::string all;
    cache.each_gossip_id(topic, [&](ByteView id) { all += std::string(as_text(id)) + " "; });
    return all;
  };
  const auto kept = [&](std::string_view id) {
    return cache.get(hash64(as_bytes(id)), as_bytes(id)) != nullptr;
  };
  put("a", 0);
  put("b", 1);
  CHECK(told(0) == "a ");
  cache.shift();
  put("c", 0);
  cache.shift();
  CHECK(told(0) == "a c ");
  cache.shift();  // a and b are three windows old
  CHECK(told(0) == "c ");
  CHECK(told(1).empty());
  cache.shift();
  CHECK(kept("a"));
  cache.shift();
  CHECK_FALSE(kept("a"));
  CHECK(kept("c"));
  CHECK(cache.seen(hash64(as_bytes("a")), as_bytes("a")));
  cache.shift();
  CHECK(cache.message_count() == 0);
  cache.expire(Time{119s});
  CHECK(cache.seen_count() == 3);
  cache.expire(Time{120s});
  CHECK(cache.seen_count() == 0);
  CHECK_FALSE(cache.seen(hash64(as_bytes("a")), as_bytes("a")));
}

TEST_CASE("message cache: against a model, with hashes that collide", "[gossipsub]") {
  MessageCache cache(40s, 3, 2);
  struct Known {
    Time since;
    int window;  // heartbeats since it was put
  };
  std::map<std::string, Known> model;
  Rng rng(5);
  const RpcPart part = make_message(as_bytes("t"), as_bytes("x"));
  // Few different upper halves, so that probes are long; and often the very same hash for two ids.
  const auto hash = [](const std::string& id) {
    return hash64(as_bytes(id.substr(0, 2))) & 0x00000003ffffffffULL;
  };
  Time now{1000s};
  for (int step = 0; step < 20000; ++step) {
    const std::string id = std::to_string(rng.below(400));
    if (rng.chance(0.1)) {
      now += 1s;
      for (auto it = model.begin(); it != model.end();) {
        if (now - it->second.since >= 40s && it->second.window >= 3) {
          it = model.erase(it);
        } else {
          ++it;
        }
      }
      cache.expire(now);
      for (auto& [name, known] : model) ++known.window;
      cache.shift();
    }
    const auto known = model.find(id);
    REQUIRE(cache.seen(hash(id), as_bytes(id)) == (known != model.end()));
    REQUIRE((cache.get(hash(id), as_bytes(id)) != nullptr) ==
            (known != model.end() && known->second.window < 3));
    if (known == model.end() && rng.chance(0.5)) {
      cache.add_seen(hash(id), as_bytes(id), now);
      cache.put(hash(id), as_bytes(id), part, 0);
      model[id] = {now, 0};
    }
    REQUIRE(cache.seen_count() == model.size());
  }
  std::map<std::string, int> told;
  cache.each_gossip_id(0, [&](ByteView id) { ++told[std::string(as_text(id))]; });
  for (const auto& [id, known] : model) REQUIRE(told.count(id) == (known.window < 2 ? 1u : 0u));
}

TEST_CASE("message cache: what it takes stays with what it remembers, however long it runs", "[gossipsub]") {
  constexpr std::size_t kRate = 120;           // a second
  constexpr std::size_t kAlive = kRate * 121;  // seen in 120 s, and in the second that has begun
  constexpr std::size_t kRecord = 24 + 48;     // with an id of 46 bytes
  constexpr std::size_t kTable = 8 * 32768;    // the next power of two, three quarters full at most
  MessageCache cache(120s, 5, 3);
  Time now{1000s};
  std::size_t most = 0;
  for (std::uint64_t second = 0, number = 0; second < 600; ++second, now += 1s) {
    cache.expire(now);
    for (std::size_t i = 0; i < kRate; ++i) {
      std::string id = std::to_string(++number);
      id.resize(46, '-');
      cache.add_seen(hash64(as_bytes(id)), as_bytes(id), now);
    }
    most = std::max(most, cache.memory());
  }
  CHECK(cache.seen_count() == kRate * 120);
  CHECK(most > kAlive * kRecord);
  CHECK(most < kAlive * kRecord * 8 / 7 * 5 / 4 + kTable + 1000);  // an eighth dead, a quarter free
}

}  // namespace mesocosm
