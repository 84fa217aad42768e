// What a worker reports about a task: Celery's result meta, for the reply queue and for whatever stores results.
//
//   encode_result({.task_id = id, .status = std::string(state::success), .result = 5, .date_done = now}, serializer)
//   encode_result({.task_id = id, .status = "PROGRESS", .result = Value::Map{{"done", 3}, {"of", 10}}}, serializer)
//   encode_result({.task_id = id, .status = std::string(state::failure),
//                  .exception = TaskException{"ValueError", {"no such user"}, "builtins"}}, serializer)
//
// Threads: no state. Format: docs/tasks-on-the-wire.md.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/clock.h"
#include "base/result.h"
#include "protocol/task/serializer.h"
#include "protocol/task/state.h"
#include "protocol/task/value.h"

namespace wherry::task {

// An exception of the task, as far as it can cross languages. Python makes a real class of it when module and type name
// one that it has imported ("builtins", "ValueError"), else one of that name.
struct TaskException {
  std::string type = {};
  Value::Array arguments = {};  // What Python's exception has in .args; the first is usually the message.
  std::string module = {};      // Empty: null.
  friend bool operator==(const TaskException&, const TaskException&) = default;

  // The arguments for a person: a single string as it is, others as Python prints them.
  std::string message() const;
};

struct ResultMeta {
  std::string task_id = {};
  std::string status = {};
  // The result (SUCCESS), the report (any state of the task's own; STARTED: {"pid", "hostname"}). Not looked at when
  // there is an exception.
  Value result = {};
  std::optional<TaskException> exception = {};  // In the states of state::has_exception() only.
  std::string traceback = {};                   // Empty: null.
  Value children = {};                          // Result tuples of the tasks that it sent, as they came; or null.
  std::optional<WallTime> date_done = {};
  std::string group_id = {};   // Empty: not written.
  std::string parent_id = {};  // Empty: not written.
  Value::Map extra = {};       // All others: name, args, worker, retries, stamps ... when results are extended.
  friend bool operator==(const ResultMeta&, const ResultMeta&) = default;
};

struct EncodedResult {
  amqp::Properties properties;  // Content type and encoding, correlation id; delivery mode 1, as Celery has it.
  std::string body;
};

Result<EncodedResult> encode_result(const ResultMeta& meta, Serializer serializer);
Result<ResultMeta, DecodeError> decode_result(const amqp::Properties& properties, std::string_view body);

// The ids of the tasks in a meta's children, those of groups by their members. What is none is left out.
std::vector<std::string> child_ids(const Value& children);

// The meta itself, for stores that do not use messages.
Value meta_to_value(const ResultMeta& meta);
Result<ResultMeta> meta_from_value(const Value& value);

}  // namespace wherry::task
