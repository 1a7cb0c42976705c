#include "attacks/slow_validation/slow_validation.h"

namespace mesocosm::attacks {

void SlowValidation::on_beat(AdversaryCore& core, Time) {
  flood(core, messages_, [&](ByteView topic) { return trap(core, topic, mark_, size_); });
}

}  // namespace mesocosm::attacks
