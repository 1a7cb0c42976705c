// A listening TCP socket.
#pragma once

#include "stack/asio/descriptor.h"
#include "stack/env/network.h"

namespace mesocosm::asio {

class TcpListener final : public Listener, private Descriptor::Owner {
 public:
  static Result<std::unique_ptr<Listener>> open(Loop& loop, const Endpoint& at, Events& events);
  Endpoint local() const override { return local_; }

 private:
  TcpListener(Loop& loop, Events& events) : loop_(loop), events_(events), descriptor_(loop, *this) {}
  void on_ready(Readiness readiness) override;
  void pause(int error);
  void wait() { descriptor_.wait(Readiness::readable); }

  Loop& loop_;
  Events& events_;
  Descriptor descriptor_;
  Endpoint local_;
  MemberTask<&TcpListener::wait> next_{*this};
  MemberTimer<&TcpListener::wait> retry_{*this};
};

}  // namespace mesocosm::asio
