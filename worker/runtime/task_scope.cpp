#include "worker/runtime/task_scope.h"

namespace wherry::worker {

namespace {

// "00-TRACE-SPAN-FLAGS": the trace's 32 digits; empty for what is no traceparent.
std::string_view trace_id(std::string_view traceparent) {
  constexpr std::size_t begin = 3, length = 32;
  return traceparent.size() > begin + length && traceparent[begin + length] == '-' ? traceparent.substr(begin, length)
                                                                                   : std::string_view();
}

}  // namespace

TaskScope::TaskScope(const Context& task)
    : fields_{{{"task_id", task.id()},
               {"task", task.name()},
               {"attempt", std::int64_t{task.attempt()}},
               {"queue", task.queue()},
               {"trace_id", trace_id(task.trace().traceparent)}}} {}

}  // namespace wherry::worker
