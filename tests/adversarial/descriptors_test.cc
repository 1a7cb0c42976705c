// A process without descriptors: it goes on with the connections that it has, says what it lacks, does not spin, and
// lets others in as soon as it can.
#include <catch2/catch.hpp>
#include <fcntl.h>
#include <netinet/in.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

#include "tests/adversarial/bystanders.h"

using namespace mesocosm;
using namespace mesocosm::testing;

namespace {

class Descriptor {
 public:
  explicit Descriptor(int fd) : fd_(fd) {}
  Descriptor(Descriptor&& other) noexcept : fd_(std::exchange(other.fd_, -1)) {}
  Descriptor& operator=(Descriptor&&) = delete;
  ~Descriptor() {
    if (fd_ >= 0) ::close(fd_);
  }
  int get() const { return fd_; }

 private:
  int fd_;
};

// Takes every descriptor that this process may still have, but `left`.
class Shortage {
 public:
  explicit Shortage(std::size_t left) {
    while (true) {
      const int fd = ::open("/dev/null", O_RDONLY | O_CLOEXEC);
      if (fd < 0) break;
      taken_.emplace_back(fd);
    }
    REQUIRE(errno == EMFILE);
    for (; left > 0; --left) taken_.pop_back();
  }

 private:
  std::vector<Descriptor> taken_;
};

// Fewer descriptors, so that few are needed to run out of them.
class LowLimit {
 public:
  LowLimit() {
    REQUIRE(getrlimit(RLIMIT_NOFILE, &before_) == 0);
    rlimit low = before_;
    low.rlim_cur = 1000;
    REQUIRE(setrlimit(RLIMIT_NOFILE, &low) == 0);
  }
  ~LowLimit() { setrlimit(RLIMIT_NOFILE, &before_); }

 private:
  rlimit before_{};
};

// Begins to connect a socket that was made before.
void connect_to(const Descriptor& socket, const Endpoint& to) {
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_port = htons(to.port);
  address.sin_addr.s_addr = htonl(to.ip.v4_host_order());
  const int result = ::connect(socket.get(), reinterpret_cast<sockaddr*>(&address), sizeof address);
  REQUIRE((result == 0 || errno == EINPROGRESS));
}

}  // namespace

TEST_CASE("no descriptors are left", "[adversarial]") {
  constexpr std::size_t kCallers = 64, kLeft = 8;
  Victim victim;
  AsioLoop loop;
  Bystanders bystanders(loop, victim);
  const LowLimit limit;
  std::vector<Descriptor> callers;
  for (std::size_t i = 0; i < kCallers; ++i)
    callers.emplace_back(::socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0));
  REQUIRE(callers.back().get() >= 0);
  {
    const Shortage shortage(kLeft);
    for (const Descriptor& caller : callers) connect_to(caller, victim.endpoint());
    const std::string complaint =
        "inbound: limit reached: accept on " + victim.endpoint().to_string() + ": Too many open files";
    CHECK(run_until(loop, 20s, [&] { return victim.complaints_like(complaint) > 0; }));
    const Duration work = victim.cpu();
    const Time begun = loop.now();
    loop.run_for(1s);
    const double busy = to_seconds(victim.cpu() - work) / to_seconds(loop.now() - begun);
    std::printf("  without descriptors: the processor is busy for %.1f %% of the time\n", busy * 100);
    CHECK(busy < 0.3);  // pings, and a look every 50 ms; spinning would be all of it
    CHECK(victim.complaints_like(complaint) < 60);  // not more than those looks
    CHECK(victim.ask([](Node& node) {               // and we cannot dial
      node.swarm().dial(KeyPair::from_seed(std::array<std::uint8_t, 32>{}).peer_id(),
                        std::vector{Multiaddr::parse("/ip4/127.0.0.1/tcp/1").value()});
      return true;
    }));
    CHECK(run_until(loop, 20s, [&] { return victim.complaints_like("dial: limit reached: ") > 0; }));
  }
  bystanders.come();
  bystanders.check("no descriptors");
}
