#include "attacks/wire/crowds.h"

#include <algorithm>
#include <utility>

namespace mesocosm::wire_attacks {
namespace {

constexpr std::uint32_t kFirstSource = 0x7f000002;  // 127.0.0.2: any of 127/8 is the loopback interface's

}  // namespace

class Crowd::Member final : public RawPeer::Attack {
 public:
  Member(Crowd& crowd, std::size_t number) : crowd_(crowd), number_(number) { begin(); }

 private:
  void begin() {
    ++crowd_.begun_;
    sent_ = 0;
    Endpoint from;
    if (crowd_.options_.sources > 0)
      from.ip = IpAddress::v4(kFirstSource + static_cast<std::uint32_t>(number_ % crowd_.options_.sources));
    peer_ = std::make_unique<RawPeer>(crowd_.env_, crowd_.victim_, RawPeer::Plan{}, *this, from);
  }
  void on_goal(RawPeer&) override {
    ++crowd_.connected_;
    if (crowd_.options_.byte_every > 0s) send_byte();
  }
  void on_gone(RawPeer&, const Error&) override {
    ++crowd_.gone_;
    crowd_.env_.clock.disarm(timer_);
    peer_.reset();
    if (crowd_.options_.come_again) crowd_.env_.clock.arm_after(timer_, crowd_.options_.pause);
  }
  void on_timer() { return peer_ == nullptr ? begin() : send_byte(); }
  void send_byte() {
    if (sent_ == crowd_.options_.opening.size()) return;
    peer_->send_bare(crowd_.options_.opening.slice(sent_++, 1));
    crowd_.env_.clock.arm_after(timer_, crowd_.options_.byte_every);
  }

  Crowd& crowd_;
  std::size_t number_;
  std::size_t sent_ = 0;
  std::unique_ptr<RawPeer> peer_;
  MemberTimer<&Member::on_timer> timer_{*this};
};

Crowd::Crowd(Env& env, const Endpoint& victim, CrowdOptions options)
    : env_(env), victim_(victim), options_(std::move(options)) {
  env_.clock.arm_after(next_, 0s);
}

Crowd::~Crowd() = default;

void Crowd::begin_some() {
  const std::size_t until = std::min(options_.size, members_.size() + options_.at_once);
  while (members_.size() < until) members_.push_back(std::make_unique<Member>(*this, members_.size()));
  if (members_.size() < options_.size) env_.clock.arm_after(next_, options_.pause);
}

Pour once(Bytes bytes) { return repeated(std::move(bytes), 1); }

Pour cut_off(Bytes bytes) {
  Pour pour = once(std::move(bytes));
  pour.finish = true;
  return pour;
}

Pour repeated(Bytes piece, std::size_t times) {
  Pour pour;
  pour.next = [piece = std::move(piece), times]() mutable { return times-- > 0 ? piece : Bytes{}; };
  return pour;
}

Flood::Flood(Env& env, const Endpoint& victim, RawPeer::Plan plan, Pour pour)
    : pour_(std::move(pour)), peer_(env, victim, std::move(plan), *this) {}

void Flood::pour_into(RawPeer& peer) {
  while (!poured_ && peer.writable() > 0) {
    Bytes piece = pour_.next();
    if (piece.empty()) {
      poured_ = true;
      if (pour_.finish) peer.finish();
      return;
    }
    sent_ += piece.size();
    if (pour_.bare) {
      peer.send_bare(std::move(piece));
    } else {
      peer.send(std::move(piece));
    }
  }
}

void Flood::on_bytes(RawPeer&, const Bytes& bytes) {
  constexpr std::size_t kKept = 64;
  if (heard_.size() < kKept) heard_.push_back(bytes);
}

void Flood::on_gone(RawPeer&, const Error& error) {
  gone_ = true;
  error_ = error;
}

}  // namespace mesocosm::wire_attacks
