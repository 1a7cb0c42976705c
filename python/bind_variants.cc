// Variants of GossipSub for Python: the list of those that are known by name.
#include <pybind11/pybind11.h>
#include <pybind11/stl.h>

#include "python/bind.h"
#include "python/plugins.h"
#include "python/variant_view.h"
#include "python/variants.h"

namespace py = pybind11;

namespace mesocosm::python {
namespace {

py::list list_variants() {
  py::list list;
  for (const GossipSubVariant& variant : variants().all()) {
    py::list options;
    for (const VariantOption& option : variant.options) {
      options.append(py::make_tuple(option.name, option.standard, option.meaning));
    }
    list.append(py::make_tuple(variant.name, variant.summary, variant.draft, options));
  }
  return list;
}

}  // namespace

GossipSubVariants& variants() {
  static GossipSubVariants known;
  return known;
}

void bind_variants(py::module_& module) {
  module.def("variants", &list_variants);
  module.attr("variant_abi") = kVariantAbi;
  module.def("load_variants", &load_variants);
  bind_variant_view(module);
}

}  // namespace mesocosm::python
