// What a peer, a network or a user can do wrong, as values: Error and Result<T>.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <utility>

#include <tl/expected.hpp>

namespace mesocosm {

enum class ErrorCode : std::uint8_t {
  none,                // a clean end
  cancelled,           // we gave up ourselves
  reset,               // the other side aborted
  refused,             // nobody listens there
  unreachable,         // no route, or a cut link
  timeout,             // no answer in the time allowed
  address_in_use,      // the local port is taken
  bad_encoding,        // bytes that do not decode
  too_large,           // a length over its limit
  protocol_violation,  // well-formed, but not allowed now
  negotiation_failed,  // no protocol, security or muxer in common
  authentication,      // a signature or a MAC that does not verify
  peer_mismatch,       // another peer than the one that was dialed
  limit,               // one of our own resource limits
  unsupported,         // valid, but we do not do it
  not_found,           // no such name, peer or address
  io,                  // the operating system's error
};

std::string_view to_string(ErrorCode code);

struct Error {
  ErrorCode code = ErrorCode::none;
  std::string detail;  // for people: what was wrong, and where

  bool ok() const { return code == ErrorCode::none; }
  std::string message() const;  // "code: detail"
};

template <class T = void>
using Result = tl::expected<T, Error>;

inline tl::unexpected<Error> fail(ErrorCode code, std::string detail = {}) {
  return tl::unexpected<Error>(Error{code, std::move(detail)});
}

}  // namespace mesocosm
