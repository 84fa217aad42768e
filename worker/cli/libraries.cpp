#include "worker/cli/libraries.h"

#include <dlfcn.h>
#include <fmt/format.h>

namespace wherry::worker {

Result<void> load_library(const std::string& path, Registry& registry) {
  // A bare name would be looked for on the system's library path only.
  const std::string where = path.find('/') == std::string::npos ? "./" + path : path;
  void* library = ::dlopen(where.c_str(), RTLD_NOW | RTLD_LOCAL);
  if (library == nullptr) return fail(fmt::format("--load {}: {}", path, ::dlerror()));
  auto* define = reinterpret_cast<void (*)(Registry&)>(::dlsym(library, "wherry_tasks"));
  if (define == nullptr) {
    return fail(fmt::format("--load {}: defines no tasks; it needs WHERRY_TASKS(registry) {{ ... }}", path));
  }
  try {
    define(registry);
  } catch (const std::exception& error) {
    return fail(fmt::format("--load {}: {}", path, error.what()));
  } catch (...) {
    return fail(fmt::format("--load {}: its WHERRY_TASKS threw something that is no std::exception", path));
  }
  return {};
}

}  // namespace wherry::worker
