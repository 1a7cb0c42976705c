// RedisClient: commands to a Redis server over the seam, one after the other.
#pragma once

#include <cstdint>
#include <initializer_list>
#include <memory>
#include <string>
#include <string_view>

#include "stack/env/env.h"
#include "tests/interop/transport/resp.h"

namespace mesocosm::interop {

// Tries to connect until the server is there, for as long as it lives; sends what was commanded before.
class RedisClient final : ByteStream::Events, Resolution::Events {
 public:
  class Events {
   public:
    virtual void on_reply(RedisReply reply) = 0;  // in the order of the commands
    virtual void on_failed(Error error) = 0;      // the connection was lost, or what came is no reply; last

   protected:
    ~Events() = default;
  };

  // `host` is a name or an address.
  RedisClient(Env& env, std::string host, std::uint16_t port, Events& events);

  void command(std::initializer_list<std::string_view> words);

 private:
  static constexpr Duration kRetry = 100ms;

  void connect();
  void connect_to(const IpAddress& address);
  void on_readable() override;
  void on_writable() override;
  void on_closed(Error error) override;
  void on_resolved(std::vector<IpAddress> addresses) override { connect_to(addresses.front()); }
  void on_text(std::vector<std::string>) override {}
  void on_failed(Error error) override;

  Env& env_;
  std::string host_;
  std::uint16_t port_;
  Events& events_;
  std::unique_ptr<Resolution> resolution_;
  std::unique_ptr<ByteStream> stream_;
  bool connected_ = false;
  std::vector<Bytes> waiting_;  // commands, until connected
  RedisReader reader_;
  MemberTimer<&RedisClient::connect> retry_{*this};
};

}  // namespace mesocosm::interop
