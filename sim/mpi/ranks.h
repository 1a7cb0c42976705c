// The processes that run one World together, as far as the World knows them: numbered, and able to exchange letters.
#pragma once

#include <cstdint>
#include <vector>

namespace mesocosm {

using Letter = std::vector<std::uint8_t>;

class Ranks {
 public:
  virtual ~Ranks() = default;
  virtual std::uint32_t rank() const = 0;  // this process, 0 .. size() - 1
  virtual std::uint32_t size() const = 0;
  // Gives every process the letter with its number and returns what each wrote to this one. All call it, equally often;
  // it returns when all have written.
  virtual std::vector<Letter> exchange(const std::vector<Letter>& letters) = 0;
  // All have agreed to exchange no more. A process that ends without this ends the others too.
  virtual void part() = 0;
};

}  // namespace mesocosm
