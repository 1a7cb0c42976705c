// Bytes, Result, IP addresses, Rng and Task lists.
#include <set>

#include <catch2/catch.hpp>

#include "stack/base/bytes.h"
#include "stack/base/ip.h"
#include "stack/base/rng.h"
#include "stack/env/clock.h"

using namespace mesocosm;

TEST_CASE("slices share their buffer and clamp to it", "[base]") {
  const Bytes all = Bytes::copy("hello world");
  CHECK(all.slice(6).text() == "world");
  CHECK(all.slice(6).data() == all.data() + 6);
  CHECK(all.slice(40).empty());
  Bytes rest = all;
  CHECK(rest.take_front(5).text() == "hello");
  CHECK(rest.text() == " world");
}

TEST_CASE("neighbouring slices of one buffer join without copying", "[base]") {
  const Bytes all = Bytes::copy("hello world");
  Bytes front = all.slice(0, 5);
  CHECK(!front.join(all.slice(6)));
  CHECK(!front.join(Bytes::copy(" world")));
  CHECK(front.join(all.slice(5, 3)));
  CHECK(front.text() == "hello wo");
  CHECK(front.data() == all.data());
}

TEST_CASE("concat of one part shares, of several copies", "[base]") {
  const Bytes a = Bytes::copy("ab"), b = Bytes::copy("cd");
  const Bytes one[] = {a}, two[] = {a, b};
  CHECK(concat(one).data() == a.data());
  CHECK(concat(two).text() == "abcd");
}

TEST_CASE("compact copies small parts of large buffers only", "[base]") {
  const Bytes large = Bytes::copy(std::string(2000, 'x')), small = Bytes::copy("hello world");
  CHECK(large.slice(0, 1000).compact().data() != large.data());
  CHECK(large.slice(0, 1000).compact() == large.slice(0, 1000));
  CHECK(large.slice(0, 1990).compact().data() == large.data());
  CHECK(small.slice(0, 1).compact().data() == small.data());
  CHECK(Bytes::unowned(large.view().subspan(0, 1)).compact().data() == large.data());
}

TEST_CASE("IP addresses print as they parse", "[base]") {
  for (const char* text : {"0.0.0.0", "192.0.2.1", "::1", "2001:db8::1"}) {
    const auto ip = IpAddress::parse(text);
    REQUIRE(ip);
    CHECK(ip->to_string() == text);
  }
  CHECK(!IpAddress::parse("192.0.2"));
  CHECK(IpAddress::v4(0x7f000001).is_loopback());
  CHECK(Endpoint{*IpAddress::parse("::1"), 80}.to_string() == "[::1]:80");
  for (const char* text : {"192.0.2.1:4001", "[2001:db8::1]:65535", "0.0.0.0:0"}) {
    const auto endpoint = Endpoint::parse(text);
    REQUIRE(endpoint);
    CHECK(endpoint->to_string() == text);
  }
  for (const char* text : {"", "192.0.2.1", "192.0.2.1:", "192.0.2.1:65536", "192.0.2.1:+1", "192.0.2.1:1 ",
                           "[192.0.2.1]:1", "::1:80", "[::1]", "[]:1", ":1", "localhost:1"}) {
    INFO(text);
    CHECK(!Endpoint::parse(text));
  }
}

TEST_CASE("forked generators depend on seed, purpose and index only", "[base]") {
  Rng a(1), b(1);
  b.next();
  CHECK(a.fork("x").next() == b.fork("x").next());
  std::set<std::uint64_t> firsts;
  for (std::uint64_t i = 0; i < 100; ++i) firsts.insert(a.fork("x", i).next());
  CHECK(firsts.size() == 100);
  CHECK(a.fork("x").next() != a.fork("y").next());
  for (int i = 0; i < 1000; ++i) REQUIRE(a.below(7) < 7);
}

namespace {
struct Note final : Task {
  explicit Note(std::string& log, char name) : log(log), name(name) {}
  void on_turn_end() override {
    log += name;
    if (more != nullptr && log.size() < 4) list->push(*more);
  }
  std::string& log;
  char name;
  TaskList* list = nullptr;
  Note* more = nullptr;
};
}  // namespace

TEST_CASE("tasks run first in first out, those added meanwhile too; destruction cancels", "[base]") {
  TaskList list;
  std::string log;
  Note a(log, 'a'), b(log, 'b');
  a.list = &list;
  a.more = &b;
  {
    Note gone(log, 'g');
    list.push(gone);
  }
  list.push(a);
  list.push(a);
  list.push(b);
  list.run_all();
  CHECK(log == "ab");
  a.more = &a;
  list.push(a);
  list.run_all();
  CHECK(log == "abaa");
}
