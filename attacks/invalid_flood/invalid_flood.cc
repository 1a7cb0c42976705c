#include "attacks/invalid_flood/invalid_flood.h"

#include <vector>

#include "attacks/gossip/adversary_core.h"
#include "attacks/gossip/noise.h"
#include "stack/base/byte_writer.h"
#include "stack/wire/protobuf.h"

namespace mesocosm::attacks {

void InvalidFlood::on_beat(AdversaryCore& core, Time) {
  flood(core, messages_, [&](ByteView topic) { return forge(core, topic); });
}

RpcPart InvalidFlood::forge(AdversaryCore& core, ByteView topic) const {
  if (kind_ == Invalidity::application) return trap(core, topic, mark_, size_);
  const std::vector<std::uint8_t> data = noise(core.rng(), size_);
  if (kind_ == Invalidity::unsigned_) return make_message(topic, data);
  ByteWriter fields;
  ProtoWriter writer(fields);
  writer.bytes(1, core.self().bytes());
  writer.bytes(2, data);
  writer.bytes(3, noise(core.rng(), 8));
  writer.bytes(4, topic);
  writer.bytes(5, noise(core.rng(), 64));
  return frame_message({fields.view()});
}

}  // namespace mesocosm::attacks
