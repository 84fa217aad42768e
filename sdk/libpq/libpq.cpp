#include "sdk/libpq/libpq.h"

#include <string>

#include <dlfcn.h>

#include "base/assert.h"

namespace wherry {

namespace {

// The version of its interface that libpq-fe.h describes.
constexpr const char* library_name = "libpq.so.5";

struct Loaded {
  LibPq functions;
  std::string trouble;  // Empty: all of them are there.
};

std::string words_of_the_loader() {
  const char* words = ::dlerror();
  return words != nullptr ? words : "no reason given";
}

Loaded load() {
  Loaded loaded;
  void* library = ::dlopen(library_name, RTLD_NOW | RTLD_LOCAL);
  if (library == nullptr) {
    loaded.trouble =
        "PostgreSQL's client library cannot be loaded, Debian has it in the package libpq5: " + words_of_the_loader();
    return loaded;
  }
  const auto find = [&](const char* name, auto& into) {
    void* const found = ::dlsym(library, name);
    if (found == nullptr && loaded.trouble.empty()) {
      loaded.trouble = "PostgreSQL's client library is not the one that was expected: " + words_of_the_loader();
    }
    into = reinterpret_cast<std::remove_reference_t<decltype(into)>>(found);
  };
#define WHERRY_LIBPQ_FIND(name) find(#name, loaded.functions.name);
  WHERRY_LIBPQ_FUNCTIONS(WHERRY_LIBPQ_FIND)
#undef WHERRY_LIBPQ_FIND
  return loaded;
}

const Loaded& loaded() {
  static const Loaded once = load();
  return once;
}

}  // namespace

Result<void> load_libpq() {
  if (!loaded().trouble.empty()) return fail(loaded().trouble);
  return {};
}

const LibPq& libpq() {
  WHERRY_ASSERT(loaded().trouble.empty());
  return loaded().functions;
}

}  // namespace wherry
