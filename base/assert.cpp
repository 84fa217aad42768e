#include "base/assert.h"

#include <cstdio>
#include <cstdlib>

namespace wherry {

void assert_failed(const char* condition, const char* file, int line) {
  std::fprintf(stderr, "wherry: broken invariant: %s (%s:%d). This is a bug in Wherry.\n", condition, file, line);
  std::abort();
}

}  // namespace wherry
