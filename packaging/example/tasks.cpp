#include <stdexcept>

#include <wherry/worker.h>

#include "greet.h"

namespace {

std::string greet(const Greet& task) {
  if (task.name.empty()) throw std::invalid_argument("nobody to greet");
  return "Hello, " + task.name + "!";
}

}  // namespace

WHERRY_TASKS(registry) {
  // An empty name is empty at the next attempt too.
  registry.on<Greet>(greet, {.retry = wherry::RetryPolicy{.max_retries = 0}});
}
