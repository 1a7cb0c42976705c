// What sites tell each other in rumor mongering.
//
//   RumorsMessage { 1 pull, 2 repeated Broadcast rumors, 3 repeated Feedback { 1 id, 2 needed } feedback }
#pragma once

#include <cstddef>
#include <vector>

#include "stack/protocols/pubsub/broadcast.h"

namespace mesocosm {

struct RumorFeedback {
  MessageId id;
  bool needed = false;  // the rumor was news
};

struct RumorsMessage {
  static constexpr std::size_t kMaxItems = 4096;  // rumors, and as many times feedback

  bool pull = false;  // asks for the receiver's hot rumors
  std::vector<Broadcast> rumors;
  std::vector<RumorFeedback> feedback;
};

Bytes encode(const RumorsMessage& message);
// Shares the buffer. Errors: bad_encoding, too_large.
Result<RumorsMessage> decode_rumors(const Bytes& encoded);

}  // namespace mesocosm
