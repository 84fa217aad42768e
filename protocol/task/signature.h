// Signature: a task that is to be sent, with its arguments and options, or a workflow of such: Celery's signature map,
// as messages carry it for what comes after a task.
//
//   {"task": "math.add", "args": [4], "kwargs": {}, "options": {"queue": "sums"}, "subtask_type": null,
//    "immutable": false}
//
// A workflow is one too: the parts are in kwargs ("tasks" of a chain or a group, "header" and "body" of a chord), and
// subtask_type says which it is. Options have Celery's names and go with the signature as they are, known or not.
//
// Threads: plain data. Format: docs/tasks-on-the-wire.md.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "protocol/task/value.h"

namespace wherry::task {

struct Signature {
  enum class Kind { task, chain, group, chord };

  std::string task = {};
  Value::Array args = {};
  Value::Map kwargs = {};
  Value::Map options = {};
  std::string subtask_type = {};  // Empty: null, a single task.
  bool immutable = false;         // Takes no result of the task before it as its first argument.
  Value::Map others = {};         // What else the map has, such as chord_size: kept.
  friend bool operator==(const Signature&, const Signature&) = default;

  Kind kind() const;
};

// A chain's or group's members ("tasks"), or a chord's ("header", which may be a list, a group or a single signature).
// Errors: one sentence with the place of what is wrong.
Result<std::vector<Signature>> members(const Signature& workflow);
// The body of a chord.
Result<Signature> body(const Signature& chord);

// Whether it comes to a list of results: a group, or what ends in one. A chain of nothing does not.
bool comes_to_several(const Signature& workflow);

// Makes a workflow of signatures.
Signature make_chain(const std::vector<Signature>& tasks);
Signature make_group(const std::vector<Signature>& tasks);
Signature make_chord(const Signature& header, const Signature& body);  // header: a group.

// Errors: what of it is not as a signature has it.
Result<Signature> read_signature(const Value& value);
Value write_signature(const Signature& signature);
Value write_signatures(const std::vector<Signature>& signatures);

// One signature, a list of them, or null: what stands in a message's callbacks, errbacks and in option lists.
Result<std::vector<Signature>> read_signatures(const Value& value);

}  // namespace wherry::task
