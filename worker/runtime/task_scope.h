// TaskScope: what log lines say of the task at hand, as JSON: task_id, task, attempt, queue, trace_id.
//
//   const TaskScope about(*attempt);
//
// Threads, lifetime: as log::Scope; the context outlives it.
#pragma once

#include <array>

#include "base/log.h"
#include "wherry/context.h"

namespace wherry::worker {

class [[nodiscard]] TaskScope {
 public:
  explicit TaskScope(const Context& task);

 private:
  const std::array<log::Field, 5> fields_;
  const log::Scope scope_{fields_};
};

}  // namespace wherry::worker
