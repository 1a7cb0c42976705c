// The parts of the Python module.
#pragma once

#include <pybind11/pybind11.h>

namespace mesocosm::python {

void bind_attacks(pybind11::module_& module);  // after the world
void bind_errors(pybind11::module_& module);
void bind_nat(pybind11::module_& module);
void bind_real_node(pybind11::module_& module);
void bind_rounds(pybind11::module_& module);
void bind_score(pybind11::module_& module);
void bind_validation(pybind11::module_& module);
void bind_variants(pybind11::module_& module);
void bind_world(pybind11::module_& module);

}  // namespace mesocosm::python
