// The module mesocosm._core: the World, a node on real sockets and the few functions that the Python package is made of.
#include <string>

#include <pybind11/pybind11.h>

#include "python/bind.h"
#include "stack/base/version.h"

PYBIND11_MODULE(_core, module) {
  module.doc() = "The core of mesocosm. Use the package `mesocosm`; this module's interface is not stable.";
  module.attr("__version__") = std::string(mesocosm::kVersion);
  mesocosm::python::bind_errors(module);
  mesocosm::python::bind_nat(module);
  mesocosm::python::bind_real_node(module);
  mesocosm::python::bind_rounds(module);
  mesocosm::python::bind_score(module);
  mesocosm::python::bind_variants(module);
  mesocosm::python::bind_world(module);
  mesocosm::python::bind_attacks(module);
  mesocosm::python::bind_validation(module);
}
