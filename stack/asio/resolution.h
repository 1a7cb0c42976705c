// A name being looked up by the system's resolver.
#pragma once

#include <memory>
#include <string_view>

#include "stack/asio/loop.h"
#include "stack/env/network.h"

namespace mesocosm::asio {

std::unique_ptr<Resolution> resolve(Loop& loop, std::string_view name, RecordType type,
                                    Resolution::Events& events);

}  // namespace mesocosm::asio
