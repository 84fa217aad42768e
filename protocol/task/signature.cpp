#include "protocol/task/signature.h"

#include <utility>

namespace wherry::task {

namespace {

constexpr std::string_view chain_type = "chain";
constexpr std::string_view group_type = "group";
constexpr std::string_view chord_type = "chord";

Value list_of(const std::vector<Signature>& signatures) {
  Value::Array list;
  list.reserve(signatures.size());
  for (const Signature& each : signatures) list.push_back(write_signature(each));
  return list;
}

// Missing and null leave into as it is.
template <class T>
bool take(const Value& from, std::string_view name, std::string_view what, T& into, std::string& error) {
  const Value* value = from.find(name);
  if (value == nullptr || value->is_null()) return true;
  if (const T* held = value->get<T>()) {
    into = *held;
    return true;
  }
  error.append("'").append(name).append("': expected ").append(what).append(", got ").append(describe(*value));
  return false;
}

Result<std::vector<Signature>> read_list(const Value::Array& list) {
  std::vector<Signature> all;
  all.reserve(list.size());
  for (std::size_t i = 0; i < list.size(); ++i) {
    auto one = read_signature(list[i]);
    if (!one) return fail("[" + std::to_string(i) + "]: " + one.error().message);
    all.push_back(std::move(*one));
  }
  return all;
}

}  // namespace

Signature::Kind Signature::kind() const {
  if (subtask_type == chain_type) return Kind::chain;
  if (subtask_type == group_type) return Kind::group;
  if (subtask_type == chord_type) return Kind::chord;
  return Kind::task;
}

Result<std::vector<Signature>> members(const Signature& workflow) {
  const std::string_view where = workflow.kind() == Signature::Kind::chord ? "header" : "tasks";
  const Value* held = find(workflow.kwargs, where);
  if (held == nullptr) return fail("a " + workflow.subtask_type + " without '" + std::string(where) + "'");
  if (held->get<Value::Map>() != nullptr) {
    // A header that is a group or chain stands for its tasks.
    auto one = read_signature(*held);
    if (!one) return fail(std::string(where) + ": " + one.error().message);
    if (one->kind() == Signature::Kind::group) return members(*one);
    return std::vector{std::move(*one)};
  }
  auto all = read_signatures(*held);
  if (!all) return fail(std::string(where) + all.error().message);
  return all;
}

Result<Signature> body(const Signature& chord) {
  const Value* held = find(chord.kwargs, "body");
  if (held == nullptr || held->is_null()) return fail("a chord without 'body'");
  auto read = read_signature(*held);
  if (!read) return fail("body: " + read.error().message);
  return read;
}

bool comes_to_several(const Signature& workflow) {
  switch (workflow.kind()) {
    case Signature::Kind::task:
      return false;
    case Signature::Kind::group:
      return true;
    case Signature::Kind::chord: {
      const auto last = body(workflow);
      return last && comes_to_several(*last);
    }
    case Signature::Kind::chain:
      break;
  }
  const auto steps = members(workflow);
  return steps && !steps->empty() && comes_to_several(steps->back());
}

Signature make_chain(const std::vector<Signature>& tasks) {
  return {.task = "celery.chain", .kwargs = {{"tasks", list_of(tasks)}}, .subtask_type = std::string(chain_type)};
}

Signature make_group(const std::vector<Signature>& tasks) {
  return {.task = "celery.group", .kwargs = {{"tasks", list_of(tasks)}}, .subtask_type = std::string(group_type)};
}

Signature make_chord(const Signature& header, const Signature& body) {
  return {.task = "celery.chord",
          .kwargs = {{"header", write_signature(header)}, {"body", write_signature(body)}, {"kwargs", Value::Map{}}},
          .subtask_type = std::string(chord_type)};
}

Result<Signature> read_signature(const Value& value) {
  const auto* map = value.get<Value::Map>();
  if (map == nullptr) return fail("expected a signature, got " + describe(value));
  Signature out;
  std::string error;
  const bool read =
      take(value, "task", "a string", out.task, error) && take(value, "args", "an array", out.args, error) &&
      take(value, "kwargs", "a map", out.kwargs, error) && take(value, "options", "a map", out.options, error) &&
      take(value, "subtask_type", "a string", out.subtask_type, error) &&
      take(value, "immutable", "a boolean", out.immutable, error);
  if (!read) return fail("signature: " + error);
  if (out.task.empty()) return fail("a signature without 'task'");
  for (const auto& [name, member] : *map) {
    const bool own = name == "task" || name == "args" || name == "kwargs" || name == "options" ||
                     name == "subtask_type" || name == "immutable";
    if (!own) out.others.emplace_back(name, member);
  }
  return out;
}

Value write_signature(const Signature& signature) {
  Value::Map map{{"task", signature.task},
                 {"args", signature.args},
                 {"kwargs", signature.kwargs},
                 {"options", signature.options},
                 {"subtask_type", signature.subtask_type.empty() ? Value() : Value(signature.subtask_type)},
                 {"immutable", signature.immutable}};
  for (const auto& [name, member] : signature.others) map.emplace_back(name, member);
  return map;
}

Value write_signatures(const std::vector<Signature>& signatures) {
  return list_of(signatures);
}

Result<std::vector<Signature>> read_signatures(const Value& value) {
  if (value.is_null()) return std::vector<Signature>{};
  if (const auto* list = value.get<Value::Array>()) return read_list(*list);
  auto one = read_signature(value);
  if (!one) return fail(": " + one.error().message);
  return std::vector{std::move(*one)};
}

}  // namespace wherry::task
