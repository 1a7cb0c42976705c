// ConfigError and RunError of C++ become those of mesocosm.errors.
#include <pybind11/pybind11.h>

#include "python/bind.h"
#include "sim/run/world.h"

namespace py = pybind11;

namespace mesocosm::python {
namespace {

void raise(const char* name, const char* what) {
  const py::object type = py::module_::import("mesocosm.errors").attr(name);
  PyErr_SetString(type.ptr(), what);
}

}  // namespace

void bind_errors(py::module_&) {
  py::register_exception_translator([](std::exception_ptr error) {
    try {
      if (error) std::rethrow_exception(error);
    } catch (const ConfigError& e) {
      raise("ConfigError", e.what());
    } catch (const RunError& e) {
      raise("RunError", e.what());
    }
  });
}

}  // namespace mesocosm::python
