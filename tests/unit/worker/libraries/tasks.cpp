#include "wherry/registry.h"

WHERRY_TASKS(registry) {
  registry.on("library.add", [](int a, int b) { return a + b; });
}
