#include "stack/asio/resolution.h"

#include <algorithm>
#include <string>

#include <boost/asio/ip/basic_resolver.hpp>
#include <boost/asio/ip/tcp.hpp>

namespace mesocosm::asio {
namespace {

using Resolver = boost::asio::ip::basic_resolver<boost::asio::ip::tcp, Executor>;
using boost::system::error_code;

bool wanted(RecordType type, const IpAddress& address) {
  return type == RecordType::address || (type == RecordType::address_v4) == address.is_v4();
}

IpAddress address_of(const boost::asio::ip::address& address) {
  if (address.is_v4()) return IpAddress::v4(address.to_v4().to_uint());
  return IpAddress::v6(address.to_v6().to_bytes());
}

ErrorCode code_of(const error_code& error) {
  namespace e = boost::asio::error;
  if (error == e::host_not_found || error == e::no_data || error == e::service_not_found)
    return ErrorCode::not_found;
  if (error == e::host_not_found_try_again) return ErrorCode::timeout;
  return ErrorCode::io;
}

// Answers in a turn of its own, also when the answer is known at once.
class Lookup final : public Resolution {
 public:
  Lookup(Loop& loop, std::string_view name, RecordType type, Events& events)
      : loop_(loop), events_(events), name_(name), type_(type), resolver_(loop.context().get_executor()) {
    if (type == RecordType::text) {
      fail({ErrorCode::unsupported, "text records of " + name_});
    } else if (const Result<IpAddress> literal = IpAddress::parse(name)) {
      accept({*literal});
    } else {
      ask();
    }
  }

 private:
  void ask() {
    // The answer may be on its way when we are destroyed, and cannot be called back then.
    const auto answer = [this, alive = std::weak_ptr<void>(alive_)](const error_code& error,
                                                                    const Resolver::results_type& results) {
      if (!alive.expired()) on_answer(error, results);
    };
    const Resolver::flags none{};
    if (type_ == RecordType::address) return resolver_.async_resolve(name_, "", none, answer);
    using boost::asio::ip::tcp;
    resolver_.async_resolve(type_ == RecordType::address_v4 ? tcp::v4() : tcp::v6(), name_, "", none, answer);
  }

  void on_answer(const error_code& error, const Resolver::results_type& results) {
    if (error) {
      fail({code_of(error), "resolve " + name_ + ": " + error.message()});
    } else {
      std::vector<IpAddress> addresses;
      for (const auto& result : results) {
        const IpAddress address = address_of(result.endpoint().address());
        if (std::find(addresses.begin(), addresses.end(), address) == addresses.end())
          addresses.push_back(address);
      }
      accept(std::move(addresses));
    }
  }

  void accept(std::vector<IpAddress> addresses) {
    std::erase_if(addresses, [this](const IpAddress& address) { return !wanted(type_, address); });
    if (addresses.empty())
      return fail({ErrorCode::not_found, "resolve " + name_ + ": no address of this version"});
    addresses_ = std::move(addresses);
    loop_.later(notice_);
  }

  void fail(Error error) {
    error_ = std::move(error);
    loop_.later(notice_);
  }

  void answer() {
    Loop::Turn turn(loop_);
    if (error_.ok()) {
      events_.on_resolved(std::move(addresses_));
    } else {
      events_.on_failed(std::move(error_));
    }
  }

  Loop& loop_;
  Events& events_;
  std::string name_;
  RecordType type_;
  Error error_;
  std::vector<IpAddress> addresses_;
  Resolver resolver_;
  std::shared_ptr<void> alive_ = std::make_shared<char>();
  MemberTask<&Lookup::answer> notice_{*this};
};

}  // namespace

std::unique_ptr<Resolution> resolve(Loop& loop, std::string_view name, RecordType type,
                                    Resolution::Events& events) {
  return std::make_unique<Lookup>(loop, name, type, events);
}

}  // namespace mesocosm::asio
