// Text for outlets that must be valid whatever peers said: UTF-8 that is not is replaced, controls are escaped.
#pragma once

#include <cstddef>
#include <string>
#include <string_view>

namespace mesocosm {

// The length of the first character's encoding, or 0 if it is not valid UTF-8 (RFC 3629).
std::size_t utf8_length(std::string_view text);

// `text` as the inside of a quoted string of JSON, which logfmt shares; bytes that are not UTF-8 become U+FFFD.
void append_escaped(std::string& out, std::string_view text);

}  // namespace mesocosm
