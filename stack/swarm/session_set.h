// SessionSet: owns the sessions (one stream each) of a protocol's driver, which end in any order, often
// inside their own callbacks. 24 bytes while empty.
#pragma once

#include <algorithm>
#include <cstddef>
#include <memory>
#include <utility>
#include <vector>

#include "stack/base/assert.h"

namespace mesocosm {

template <class Session>
class SessionSet {
 public:
  Session& add(std::unique_ptr<Session> session) { return *sessions_.emplace_back(std::move(session)); }

  // Destroys it; a member function of the session may do this as its last act.
  void remove(Session& session) {
    const auto at = std::find_if(sessions_.begin(), sessions_.end(),
                                 [&](const auto& other) { return other.get() == &session; });
    MC_ASSERT(at != sessions_.end());
    const std::unique_ptr<Session> gone = std::move(*at);
    sessions_.erase(at);
    if (sessions_.empty()) sessions_.shrink_to_fit();
  }

  std::size_t size() const { return sessions_.size(); }
  auto begin() const { return sessions_.begin(); }
  auto end() const { return sessions_.end(); }

 private:
  std::vector<std::unique_ptr<Session>> sessions_;  // oldest first
};

}  // namespace mesocosm
