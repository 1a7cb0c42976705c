#include "tests/interop/transport/redis_client.h"

#include <utility>

namespace mesocosm::interop {

RedisClient::RedisClient(Env& env, std::string host, std::uint16_t port, Events& events)
    : env_(env), host_(std::move(host)), port_(port), events_(events) {
  connect();
}

void RedisClient::command(std::initializer_list<std::string_view> words) {
  Bytes bytes = redis_command({words.begin(), words.size()});
  if (connected_) {
    stream_->write(std::move(bytes));
  } else {
    waiting_.push_back(std::move(bytes));
  }
}

void RedisClient::connect() {
  if (const auto address = IpAddress::parse(host_)) return connect_to(*address);
  resolution_ = env_.network.resolve(host_, RecordType::address, *this);
}

void RedisClient::connect_to(const IpAddress& address) {
  stream_ = env_.network.connect({address, port_}, *this);
}

void RedisClient::on_writable() {
  connected_ = true;
  for (Bytes& bytes : std::exchange(waiting_, {})) stream_->write(std::move(bytes));
}

void RedisClient::on_readable() {
  for (Bytes bytes; !(bytes = stream_->read(SIZE_MAX)).empty();) {
    reader_.on_bytes(bytes);
    auto reply = reader_.next();
    for (; reply && *reply; reply = reader_.next()) events_.on_reply(std::move(**reply));
    if (!reply) return on_closed(reply.error());
  }
  if (stream_->ended()) on_closed({ErrorCode::reset, "it ended the connection"});
}

void RedisClient::on_closed(Error error) {
  if (!connected_) return on_failed(std::move(error));
  stream_.reset();
  connected_ = false;
  events_.on_failed(std::move(error));
}

// Not there yet.
void RedisClient::on_failed(Error) { env_.clock.arm_after(retry_, kRetry); }

}  // namespace mesocosm::interop
