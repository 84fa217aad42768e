#include "wherry/registry.h"

WHERRY_TASKS(registry) {
  registry.on("once", [] {});
  throw 1;
}
