// One end of a TCP connection of ns-3, as the stack's ByteStream. Included by this folder's .cc files only, after ns3.h.
#pragma once

#include <cstdint>
#include <deque>
#include <memory>

#include <ns3/tcp-socket-base.h>

#include "sim/kernel/kernel.h"
#include "stack/env/network.h"

namespace mesocosm::packet {

class TcpStream;

// Lives until ns-3 has closed the connection, also when nobody holds its stream any more: what was written and
// finished is still delivered.
//
//   connecting ──▶ open ──▶ (finished by us, ended by the peer) ──▶ closed, told once
class TcpEnd {
 public:
  // Told when the end is no longer needed by anybody.
  class Owner {
   public:
    virtual void on_unused(TcpEnd& end) = 0;

   protected:
    ~Owner() = default;
  };

  TcpEnd(Kernel& kernel, Owner& owner, ns3::Ptr<ns3::Socket> socket, Endpoint local, Endpoint remote,
         bool connected);
  ~TcpEnd();
  TcpEnd(const TcpEnd&) = delete;
  TcpEnd& operator=(const TcpEnd&) = delete;

  // The handle that the stack gets; once.
  std::unique_ptr<ByteStream> stream(ByteStream::Events& events);
  // The handle is destroyed, or there will never be one: what was finished goes on, anything else is reset.
  void abandon();
  // Nobody listens at the far end: ns-3 would wait for the retries of SYN.
  void refuse_after(Duration round_trip);

 private:
  friend class TcpStream;

  Bytes read(std::size_t max);
  bool ended() const;
  std::size_t writable() const;
  void write(Bytes bytes);
  void finish();
  void abort();

  // ns-3's callbacks: they only note what to tell at the end of the turn.
  void on_connected(ns3::Ptr<ns3::Socket>);
  void on_failed(ns3::Ptr<ns3::Socket>);
  void on_state(ns3::TcpSocket::TcpStates_t before, ns3::TcpSocket::TcpStates_t now);
  void on_error(ns3::Ptr<ns3::Socket>);
  void on_data(ns3::Ptr<ns3::Socket>);
  void on_sent(ns3::Ptr<const ns3::Packet>, const ns3::TcpHeader& header, ns3::Ptr<const ns3::TcpSocketBase>);
  void on_room(ns3::Ptr<ns3::Socket>, std::uint32_t);

  void pump();
  void tell();
  void on_refused();
  void fail(ErrorCode code, const char* what);
  void disconnect_callbacks();
  std::size_t unsent() const;

  Kernel& kernel_;
  Owner& owner_;
  ns3::Ptr<ns3::TcpSocketBase> socket_;
  TcpStream* stream_ = nullptr;
  Endpoint local_, remote_;
  std::deque<Bytes> waiting_;  // ns-3's buffer had no room
  std::size_t waiting_bytes_ = 0;
  Error error_;
  Time last_sent_{};
  MemberTask<&TcpEnd::tell> tell_{*this};
  MemberTimer<&TcpEnd::on_refused> refusal_{*this};
  bool connected_;
  bool abandoned_ = false;  // the handle is gone
  bool readable_ = false;   // to be told
  bool writable_ = false;   // to be told
  bool full_ = false;       // to be told when there is room again
  bool finish_wanted_ = false;
  bool fin_given_ = false;  // to ns-3
  bool closed_ = false;     // ns-3's connection is over
  bool failed_ = false;     // error_ says why
  bool told_end_ = false;
  bool told_closed_ = false;
};

}  // namespace mesocosm::packet
