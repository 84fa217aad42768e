#include "wherry/registry.h"

WHERRY_TASKS(registry) {
  registry.on("twice", [] {});
  registry.on("twice", [] {});
}
