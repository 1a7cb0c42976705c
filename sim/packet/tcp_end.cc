#include "sim/packet/tcp_end.h"

#include <algorithm>

#include <ns3/packet.h>
#include <ns3/tcp-rx-buffer.h>
#include <ns3/tcp-socket-state.h>
#include <ns3/tcp-tx-buffer.h>

#include "sim/packet/ns3.h"
#include "stack/base/assert.h"

namespace mesocosm::packet {
namespace {

// What writers may leave unsent beyond the window, as on the flow backend.
constexpr std::size_t kUnsent = 64 * 1024;

// ns-3 has no call to abort a connection, nor to ask what is unsent; it keeps both for classes derived from its own.
struct Inside : ns3::TcpSocketBase {
  // Tells the peer that there is room again, as Linux does: when the window has doubled. ns-3 leaves that to the
  // sender's probes, seconds later.
  static void update_window(ns3::TcpSocketBase& socket) {
    const std::uint32_t told = (socket.*(&Inside::m_advWnd)).Get();
    const std::uint32_t room = socket.GetRxBuffer()->MaxBufferSize() - socket.GetRxBuffer()->Size();
    if (room >= 2 * told && room >= socket.GetRxBuffer()->MaxBufferSize() / 8) {
      (socket.*(&Inside::SendEmptyPacket))(ns3::TcpHeader::ACK);
    }
  }
  // After silence, Linux halves the congestion window for each retransmission timeout that passed, down to the
  // initial one (RFC 2861); ns-3 leaves it as it was.
  static void restart_after_idle(ns3::TcpSocketBase& socket, Duration idle) {
    const std::int64_t rto = (socket.*(&Inside::m_rto)).Get().GetNanoSeconds();
    ns3::TcpSocketState& tcb = *(socket.*(&Inside::m_tcb));
    const std::uint32_t least = tcb.m_initialCWnd * tcb.m_segmentSize;
    std::uint32_t window = tcb.m_cWnd;
    if (idle.count() < rto || window <= least) return;
    tcb.m_ssThresh = std::max(tcb.m_ssThresh.Get(), window / 4 * 3);
    for (std::int64_t left = idle.count() - rto; left > 0 && window > least; left -= rto) window /= 2;
    tcb.m_cWnd = tcb.m_cWndInfl = std::max(window, least);
  }
  // When what is sent fills the peer's window to the byte, ns-3's TcpTxBuffer::NextSeg offers a segment of no bytes,
  // which its rate sampler then looks into: told of one byte less, it waits.
  static void keep_off_full_window(ns3::TcpSocketBase& socket) {
    socket.GetTxBuffer()->SetRWndCallback(ns3::Callback<std::uint32_t>([&socket]() -> std::uint32_t {
      const std::uint32_t window = (socket.*(&Inside::m_rWnd)).Get();
      const std::int64_t sent = state(socket).m_highTxMark.Get() - socket.GetTxBuffer()->HeadSequence();
      return window > 0 && window == sent ? window - 1 : window;
    }));
  }
  // What data acknowledges, ns-3 does not count as acknowledged when it chooses which timestamp to echo: where data goes
  // both ways it would echo old ones, and the peer measure round trips of seconds.
  static void note_acknowledged(ns3::TcpSocketBase& socket, const ns3::SequenceNumber32& upto) {
    ns3::SequenceNumber32& highest = socket.*(&Inside::m_highTxAck);
    highest = std::max(highest, upto);
  }
  static void abort(ns3::TcpSocketBase& socket) { (socket.*(&Inside::SendRST))(); }
  static const ns3::TcpSocketState& state(const ns3::TcpSocketBase& socket) {
    return *(socket.*(&Inside::m_tcb));
  }
};

}  // namespace

class TcpStream final : public ByteStream {
 public:
  TcpStream(TcpEnd& end, Events& events) : end_(end), events_(&events) { end.stream_ = this; }
  ~TcpStream() override { end_.abandon(); }
  void set_events(Events& events) override { events_ = &events; }
  Bytes read(std::size_t max) override { return end_.read(max); }
  bool ended() const override { return end_.ended(); }
  std::size_t writable() const override { return end_.writable(); }
  void write(Bytes bytes) override { end_.write(std::move(bytes)); }
  void finish() override { end_.finish(); }
  Endpoint local() const override { return end_.local_; }
  Endpoint remote() const override { return end_.remote_; }
  Events& events() { return *events_; }

 private:
  TcpEnd& end_;
  Events* events_;
};

TcpEnd::TcpEnd(Kernel& kernel, Owner& owner, ns3::Ptr<ns3::Socket> socket, Endpoint local, Endpoint remote,
               bool connected)
    : kernel_(kernel),
      owner_(owner),
      socket_(ns3::DynamicCast<ns3::TcpSocketBase>(socket)),
      local_(local),
      remote_(remote),
      connected_(connected) {
  Inside::keep_off_full_window(*socket_);
  socket_->SetConnectCallback(ns3::MakeCallback(&TcpEnd::on_connected, this),
                              ns3::MakeCallback(&TcpEnd::on_failed, this));
  socket_->SetCloseCallbacks(ns3::MakeNullCallback<void, ns3::Ptr<ns3::Socket>>(),
                             ns3::MakeCallback(&TcpEnd::on_error, this));
  socket_->SetRecvCallback(ns3::MakeCallback(&TcpEnd::on_data, this));
  socket_->SetSendCallback(ns3::MakeCallback(&TcpEnd::on_room, this));
  socket_->TraceConnectWithoutContext("State", ns3::MakeCallback(&TcpEnd::on_state, this));
  socket_->TraceConnectWithoutContext("Tx", ns3::MakeCallback(&TcpEnd::on_sent, this));
}

TcpEnd::~TcpEnd() { disconnect_callbacks(); }

void TcpEnd::disconnect_callbacks() {
  if (!socket_) return;
  using ns3::MakeNullCallback;
  using Socket = ns3::Ptr<ns3::Socket>;
  socket_->SetConnectCallback(MakeNullCallback<void, Socket>(), MakeNullCallback<void, Socket>());
  socket_->SetCloseCallbacks(MakeNullCallback<void, Socket>(), MakeNullCallback<void, Socket>());
  socket_->SetRecvCallback(MakeNullCallback<void, Socket>());
  socket_->SetSendCallback(MakeNullCallback<void, Socket, std::uint32_t>());
  socket_->TraceDisconnectWithoutContext("State", ns3::MakeCallback(&TcpEnd::on_state, this));
  socket_->TraceDisconnectWithoutContext("Tx", ns3::MakeCallback(&TcpEnd::on_sent, this));
  socket_ = nullptr;
}

std::unique_ptr<ByteStream> TcpEnd::stream(ByteStream::Events& events) {
  MC_ASSERT(stream_ == nullptr && !abandoned_);
  return std::make_unique<TcpStream>(*this, events);
}

void TcpEnd::refuse_after(Duration round_trip) { kernel_.arm_after(refusal_, round_trip); }

void TcpEnd::on_refused() {
  if (!connected_) fail(ErrorCode::refused, "nobody listens at ");
}

// --- What the stack asks for

Bytes TcpEnd::read(std::size_t max) {
  if (!socket_ || max == 0) return {};
  const std::size_t available = socket_->GetRxBuffer()->Available();
  if (available == 0) return {};
  const ns3::Ptr<ns3::Packet> packet =
      socket_->Recv(static_cast<std::uint32_t>(std::min<std::size_t>(max, available)), 0);
  if (!packet || packet->GetSize() == 0) return {};
  Bytes bytes = Bytes::build(packet->GetSize(), [&](MutableByteView out) {
    packet->CopyData(out.data(), static_cast<std::uint32_t>(out.size()));
  });
  Inside::update_window(*socket_);
  if (ended()) kernel_.defer(tell_);  // the end is told in a callback of its own
  return bytes;
}

bool TcpEnd::ended() const {
  return socket_ && socket_->GetRxBuffer()->Finished() && socket_->GetRxBuffer()->Available() == 0;
}

// What was never sent: ns-3's next sequence would go back to what is sent again after a timeout.
std::size_t TcpEnd::unsent() const {
  if (!socket_) return 0;
  return waiting_bytes_ + socket_->GetTxBuffer()->SizeFromSequence(Inside::state(*socket_).m_highTxMark);
}

std::size_t TcpEnd::writable() const {
  if (!connected_ || closed_ || failed_ || finish_wanted_) return 0;
  const std::size_t waiting = unsent();
  return waiting < kUnsent ? kUnsent - waiting : 0;
}

void TcpEnd::write(Bytes bytes) {
  if (bytes.empty() || finish_wanted_ || closed_ || failed_) return;
  waiting_bytes_ += bytes.size();
  waiting_.push_back(std::move(bytes));
  pump();
  full_ = writable() == 0;
}

void TcpEnd::finish() {
  if (finish_wanted_) return;
  finish_wanted_ = true;
  pump();
}

void TcpEnd::abandon() {
  stream_ = nullptr;
  abandoned_ = true;
  const bool clean = finish_wanted_ && socket_->GetRxBuffer()->Available() == 0;
  if (!closed_ && !failed_ && !clean) abort();
  kernel_.defer(tell_);
}

void TcpEnd::abort() {
  closed_ = true;
  const ns3::Ptr<ns3::TcpSocketBase> socket = socket_;
  disconnect_callbacks();
  if (connected_) {
    Inside::abort(*socket);
  } else {
    socket->Close();
  }
  kernel_.defer(tell_);
}

// Gives ns-3 what it has room for. FIN goes alone, when everything before it was acknowledged: in the states
// FIN-WAIT, ns-3 drops the data of a segment that carries FIN.
void TcpEnd::pump() {
  if (!connected_ || closed_ || failed_) return;
  while (!waiting_.empty()) {
    const std::size_t room = socket_->GetTxAvailable();
    if (room == 0) return;
    if (socket_->GetTxBuffer()->Size() == 0) Inside::restart_after_idle(*socket_, kernel_.now() - last_sent_);
    last_sent_ = kernel_.now();
    const Bytes piece = waiting_.front().take_front(room);
    if (waiting_.front().empty()) waiting_.pop_front();
    waiting_bytes_ -= piece.size();
    const int sent =
        socket_->Send(ns3::Create<ns3::Packet>(piece.data(), static_cast<std::uint32_t>(piece.size())), 0);
    MC_ASSERT(sent >= 0);
  }
  if (finish_wanted_ && !fin_given_ && socket_->GetTxBuffer()->Size() == 0) {
    fin_given_ = true;
    socket_->ShutdownSend();
    kernel_.defer(tell_);
  }
}

// --- What ns-3 tells

void TcpEnd::on_connected(ns3::Ptr<ns3::Socket>) {
  connected_ = true;
  writable_ = true;
  kernel_.disarm(refusal_);
  kernel_.defer(tell_);
}

void TcpEnd::on_failed(ns3::Ptr<ns3::Socket>) { fail(ErrorCode::timeout, "no answer from "); }

void TcpEnd::on_error(ns3::Ptr<ns3::Socket>) { fail(ErrorCode::timeout, "no acknowledgement from "); }

void TcpEnd::on_state(ns3::TcpSocket::TcpStates_t, ns3::TcpSocket::TcpStates_t now) {
  if (now == ns3::TcpSocket::CLOSED) {
    const bool clean = fin_given_ && socket_->GetRxBuffer()->Finished();
    if (!clean) {
      fail(connected_ ? ErrorCode::reset : ErrorCode::refused, "reset by ");
    } else {
      closed_ = true;
    }
  }
  kernel_.defer(tell_);  // perhaps the peer's end came
}

void TcpEnd::on_sent(ns3::Ptr<const ns3::Packet>, const ns3::TcpHeader& header,
                     ns3::Ptr<const ns3::TcpSocketBase>) {
  if ((header.GetFlags() & ns3::TcpHeader::ACK) != 0)
    Inside::note_acknowledged(*socket_, header.GetAckNumber());
}

void TcpEnd::on_data(ns3::Ptr<ns3::Socket>) {
  if (abandoned_ && socket_->GetRxBuffer()->Available() > 0) return abort();  // as kernels do
  readable_ = true;
  kernel_.defer(tell_);
}

void TcpEnd::on_room(ns3::Ptr<ns3::Socket>, std::uint32_t) {
  pump();
  if (full_ && writable() > 0) {
    full_ = false;
    writable_ = true;
    kernel_.defer(tell_);
  }
}

void TcpEnd::fail(ErrorCode code, const char* what) {
  if (failed_ || closed_) return;
  failed_ = true;
  error_ = {code, what + remote_.to_string()};
  kernel_.defer(tell_);
}

// --- What the stack is told, at the end of the turn. Its callbacks may destroy the handle.

void TcpEnd::tell() {
  if (told_closed_) stream_ = nullptr;
  if (stream_ != nullptr && writable_ && !failed_) {
    writable_ = false;
    stream_->events().on_writable();
  }
  if (stream_ != nullptr && !failed_ && (readable_ || (ended() && !told_end_))) {
    readable_ = false;
    told_end_ = ended();
    stream_->events().on_readable();
  }
  if (stream_ != nullptr && (failed_ || (fin_given_ && told_end_))) {
    told_closed_ = true;
    stream_->events().on_closed(failed_ ? error_ : Error{});
  }
  if (abandoned_ && (closed_ || failed_)) owner_.on_unused(*this);
}

}  // namespace mesocosm::packet
