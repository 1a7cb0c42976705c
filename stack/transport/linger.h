// Linger: byte streams whose user has spoken its last words and gone. They stay until the peer has ended its side
// too, because whatever the peer still sends to a closed stream is answered with a reset, which may overtake those
// words. What arrives is dropped.
#pragma once

#include <memory>
#include <vector>

#include "stack/env/clock.h"
#include "stack/env/network.h"

namespace mesocosm {

class Linger {
 public:
  Linger(Clock& clock, Duration timeout);
  ~Linger();  // aborts them

  // Ends our side. A stream that is one too many is aborted.
  void keep(std::unique_ptr<ByteStream> stream);
  std::size_t size() const { return streams_.size(); }

 private:
  class Entry;
  static constexpr std::size_t kMost = 256;

  void remove(Entry& entry);

  Clock& clock_;
  Duration timeout_;
  std::vector<std::unique_ptr<Entry>> streams_;
};

}  // namespace mesocosm
