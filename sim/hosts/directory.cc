#include "sim/hosts/directory.h"

#include <utility>

namespace mesocosm::hosts {
namespace {

constexpr std::uint32_t kFirstV4 = 0x01000001;

IpAddress default_v6(HostIndex host) {
  std::array<std::uint8_t, 16> octets{0x2a};
  const std::uint32_t number = host + 1;
  for (std::size_t i = 0; i < 4; ++i) octets[12 + i] = static_cast<std::uint8_t>(number >> (24 - 8 * i));
  return IpAddress::v6(octets);
}

class NameResolution final : public Resolution, private Timer {
 public:
  NameResolution(Clock& clock, std::vector<IpAddress> addresses, std::vector<std::string> texts,
                 Events& events)
      : addresses_(std::move(addresses)), texts_(std::move(texts)), events_(events) {
    clock.arm_after(*this, Directory::kResolveTime);
  }

 private:
  void on_timer() override {
    if (!addresses_.empty()) return events_.on_resolved(std::move(addresses_));
    if (!texts_.empty()) return events_.on_text(std::move(texts_));
    events_.on_failed(Error{ErrorCode::not_found, "no such name"});
  }
  std::vector<IpAddress> addresses_;
  std::vector<std::string> texts_;
  Events& events_;
};

class UnreachableStream final : public ByteStream, private Timer {
 public:
  UnreachableStream(Clock& clock, const Endpoint& local, const Endpoint& remote, Events& events)
      : local_(local), remote_(remote), events_(&events) {
    clock.arm_after(*this, Duration::zero());
  }
  void set_events(Events& events) override { events_ = &events; }
  Bytes read(std::size_t) override { return {}; }
  bool ended() const override { return false; }
  std::size_t writable() const override { return 0; }
  void write(Bytes) override {}
  void finish() override {}
  Endpoint local() const override { return local_; }
  Endpoint remote() const override { return remote_; }

 private:
  void on_timer() override {
    events_->on_closed(Error{ErrorCode::unreachable, "no host has the address " + remote_.ip.to_string()});
  }
  Endpoint local_, remote_;
  Events* events_;
};

}  // namespace

IpAddress Directory::first_v4(const PathModel& model, HostIndex host) {
  const std::uint32_t address = model.address(host);
  return IpAddress::v4(address != 0 ? address : kFirstV4 + host);
}

IpAddress Directory::address_v4(HostIndex host) const {
  const auto found = assigned_.find(host);
  return found != assigned_.end() ? found->second.v4 : first_v4(model_, host);
}

IpAddress Directory::address_v6(HostIndex host) const {
  const auto found = assigned_.find(host);
  return found != assigned_.end() ? found->second.v6 : default_v6(host);
}

void Directory::assign_address(HostIndex host, const IpAddress& address) {
  Addresses& own = assigned_.try_emplace(host, Addresses{address_v4(host), address_v6(host)}).first->second;
  IpAddress& place = address.is_v4() ? own.v4 : own.v6;
  by_address_.erase(place);
  place = address;
  by_address_[address] = host;
}

HostIndex Directory::host_of(const IpAddress& address) const {
  if (!by_address_.empty()) {
    if (const auto found = by_address_.find(address); found != by_address_.end()) return found->second;
  }
  const auto& octets = address.octets();
  HostIndex host = kNoHost;
  if (address.is_v4()) {
    host = model_.host_of(address.v4_host_order());
    if (host == kNoHost) host = address.v4_host_order() - kFirstV4;
  } else {
    std::uint32_t number = 0;
    for (std::size_t i = 12; i < 16; ++i) number = number << 8 | octets[i];
    host = number - 1;
  }
  if (host >= hosts_) return kNoHost;
  return address == (address.is_v4() ? address_v4(host) : address_v6(host)) ? host : kNoHost;
}

bool Directory::owns(HostIndex host, const IpAddress& ip) const {
  return ip.is_unspecified() || ip.is_loopback() || ip == address_v4(host) || ip == address_v6(host);
}

void Directory::register_name(const std::string& name, std::vector<IpAddress> addresses) {
  names_[name].addresses = std::move(addresses);
}

void Directory::register_text(const std::string& name, std::vector<std::string> records) {
  names_[name].texts = std::move(records);
}

std::unique_ptr<Resolution> Directory::resolve(Clock& clock, std::string_view name, RecordType type,
                                               Resolution::Events& events) const {
  std::vector<IpAddress> addresses;
  std::vector<std::string> texts;
  const auto fits = [&](const IpAddress& ip) {
    return type == RecordType::address || (type == RecordType::address_v4 && ip.is_v4()) ||
           (type == RecordType::address_v6 && !ip.is_v4());
  };
  if (const auto found = names_.find(name); found != names_.end()) {
    if (type == RecordType::text) texts = found->second.texts;
    for (const IpAddress& ip : found->second.addresses) {
      if (fits(ip)) addresses.push_back(ip);
    }
  } else if (const auto ip = IpAddress::parse(name); ip && fits(*ip)) {
    addresses.push_back(*ip);
  }
  return std::make_unique<NameResolution>(clock, std::move(addresses), std::move(texts), events);
}

std::unique_ptr<ByteStream> unreachable_stream(Clock& clock, const Endpoint& local, const Endpoint& remote,
                                               ByteStream::Events& events) {
  return std::make_unique<UnreachableStream>(clock, local, remote, events);
}

}  // namespace mesocosm::hosts
