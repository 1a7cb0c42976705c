#include "attacks/graft_flood/graft_flood.h"

#include <vector>

#include "attacks/gossip/adversary_core.h"

namespace mesocosm::attacks {

void GraftFlood::on_beat(AdversaryCore& core, Time) {
  for (const AdversaryCore::Topic& topic : core.topics()) {
    const std::vector<RpcPart> parts(grafts_, make_graft(topic.name));
    for (PeerIndex peer : topic.members) core.send(peer, parts, grafts_);
  }
}

}  // namespace mesocosm::attacks
