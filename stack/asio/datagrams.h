// A UDP socket.
#pragma once

#include <vector>

#include "stack/asio/descriptor.h"
#include "stack/env/network.h"

namespace mesocosm::asio {

class UdpSocket final : public Datagrams, private Descriptor::Owner {
 public:
  static Result<std::unique_ptr<Datagrams>> open(Loop& loop, const Endpoint& at, Events& events);
  ~UdpSocket() override;

  void send(const Endpoint& to, Bytes payload) override;
  Endpoint local() const override { return local_; }

 private:
  struct Outgoing {
    Endpoint to;
    Bytes payload;
  };

  UdpSocket(Loop& loop, Events& events) : loop_(loop), events_(events), descriptor_(loop, *this) {}
  void on_ready(Readiness readiness) override;
  void flush();

  Loop& loop_;
  Events& events_;
  Descriptor descriptor_;
  Endpoint local_;
  std::vector<Outgoing> queue_;
  bool* gone_ = nullptr;  // set by the destructor while on_ready runs
  MemberTask<&UdpSocket::flush> flush_{*this};
};

}  // namespace mesocosm::asio
