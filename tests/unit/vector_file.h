// The files under tests/vectors: lines of words, the first of which says of what kind the line is; `#` begins the
// header's lines.
#pragma once

#include <fstream>
#include <sstream>
#include <stdexcept>
#include <string>
#include <string_view>
#include <vector>

#include "stack/base/bytes.h"
#include "tests/source_path.h"

namespace mesocosm::testing {

using VectorLine = std::vector<std::string>;  // without the kind

// The lines of one kind. Throws if there are none, so that no test passes for want of vectors.
inline std::vector<VectorLine> read_vectors(const std::string& name, std::string_view kind) {
  const std::string path = source_path("tests/vectors/" + name);
  std::ifstream file(path);
  std::vector<VectorLine> lines;
  for (std::string text; std::getline(file, text);) {
    std::istringstream words(text);
    std::string word;
    if (!(words >> word) || word != kind) continue;
    VectorLine& line = lines.emplace_back();
    while (words >> word) line.push_back(word);
  }
  if (lines.empty()) throw std::runtime_error(path + ": no lines of the kind " + std::string(kind));
  return lines;
}

// Throws if the text is anything but pairs of hexadecimal digits.
inline Bytes from_hex(std::string_view text) {
  if (text.size() % 2 != 0) throw std::invalid_argument("an odd number of hexadecimal digits");
  return Bytes::build(text.size() / 2, [&](MutableByteView out) {
    for (std::size_t i = 0; i < out.size(); ++i) {
      std::size_t end = 0;
      out[i] = static_cast<std::uint8_t>(std::stoul(std::string(text.substr(2 * i, 2)), &end, 16));
      if (end != 2) throw std::invalid_argument("not a hexadecimal digit");
    }
  });
}

// A key of the specification, in hex. `which`: "private" or "public"; `type`: "rsa", "ed25519", "secp256k1", "ecdsa".
inline std::string spec_key(std::string_view which, std::string_view type) {
  for (const VectorLine& line : read_vectors("keys.txt", which)) {
    if (line.at(0) == type) return line.at(1);
  }
  throw std::runtime_error("keys.txt: no key of the type " + std::string(type));
}

}  // namespace mesocosm::testing
