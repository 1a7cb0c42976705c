// The module mesocosm._core: the World and the few functions that the Python package is made of.
#include <pybind11/pybind11.h>

#include "python/bind.h"

PYBIND11_MODULE(_core, module) {
  module.doc() = "The core of mesocosm. Use the package `mesocosm`; this module's interface is not stable.";
  module.attr("__version__") = MESOCOSM_VERSION;
  mesocosm::python::bind_errors(module);
  mesocosm::python::bind_world(module);
}
