// Values out of the dicts that the package hands over. A missing one is a ConfigError.
#pragma once

#include <cstdint>
#include <string>

#include <pybind11/pybind11.h>

#include "sim/run/world.h"
#include "stack/base/time.h"

namespace mesocosm::python {

template <class T>
T get(const pybind11::dict& config, const char* key) {
  if (!config.contains(key)) throw ConfigError(std::string("missing configuration: ") + key);
  return config[key].cast<T>();
}

inline Duration duration(const pybind11::dict& config, const char* key) {
  return Duration(get<std::int64_t>(config, key));
}

}  // namespace mesocosm::python
