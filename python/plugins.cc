#include "python/plugins.h"

#include <cstring>

#include <dlfcn.h>

#include "python/variants.h"
#include "sim/run/world.h"

namespace mesocosm::python {
namespace {

// Python loads this module for itself alone; libraries that are loaded after this find its functions.
void show_our_functions() {
  Dl_info us;
  if (dladdr(reinterpret_cast<void*>(&show_our_functions), &us) == 0 ||
      dlopen(us.dli_fname, RTLD_NOW | RTLD_NOLOAD | RTLD_GLOBAL) == nullptr) {
    throw ConfigError("load_variants: this program cannot load libraries");
  }
}

template <class Function>
Function* find(void* library, const char* name, const std::string& path) {
  void* const found = dlsym(library, name);
  if (found == nullptr) throw ConfigError("load_variants: " + path + " has no MESOCOSM_VARIANTS");
  return reinterpret_cast<Function*>(found);
}

}  // namespace

std::vector<std::string> load_variants(const std::string& path) {
  show_our_functions();
  void* const library = dlopen(path.c_str(), RTLD_NOW | RTLD_LOCAL);
  if (library == nullptr) throw ConfigError(std::string("load_variants: ") + dlerror());
  const char* const abi = find<const char*()>(library, "mesocosm_variant_abi", path)();
  if (std::strcmp(abi, kVariantAbi) != 0) {
    throw ConfigError("load_variants: " + path + " was built for another version of mesocosm (" + abi +
                      ", this is " + kVariantAbi + "); build it again");
  }
  std::vector<GossipSubVariant> loaded;
  find<void(std::vector<GossipSubVariant>&)>(library, "mesocosm_variants", path)(loaded);
  std::vector<std::string> names;
  for (GossipSubVariant& variant : loaded) {
    names.push_back(variant.name);
    if (const auto added = variants().add(std::move(variant)); !added) {
      throw ConfigError("load_variants: " + path + ": " + added.error().detail);
    }
  }
  return names;
}

}  // namespace mesocosm::python
