#include "stack/base/result.h"

namespace mesocosm {

std::string_view to_string(ErrorCode code) {
  switch (code) {
    case ErrorCode::none:
      return "none";
    case ErrorCode::cancelled:
      return "cancelled";
    case ErrorCode::reset:
      return "reset";
    case ErrorCode::refused:
      return "refused";
    case ErrorCode::unreachable:
      return "unreachable";
    case ErrorCode::timeout:
      return "timeout";
    case ErrorCode::address_in_use:
      return "address in use";
    case ErrorCode::bad_encoding:
      return "bad encoding";
    case ErrorCode::too_large:
      return "too large";
    case ErrorCode::protocol_violation:
      return "protocol violation";
    case ErrorCode::negotiation_failed:
      return "negotiation failed";
    case ErrorCode::authentication:
      return "authentication failed";
    case ErrorCode::peer_mismatch:
      return "peer mismatch";
    case ErrorCode::limit:
      return "limit reached";
    case ErrorCode::unsupported:
      return "unsupported";
    case ErrorCode::not_found:
      return "not found";
    case ErrorCode::io:
      return "input/output error";
  }
  return "unknown";
}

std::string Error::message() const {
  std::string text(to_string(code));
  if (!detail.empty()) text += ": " + detail;
  return text;
}

}  // namespace mesocosm
