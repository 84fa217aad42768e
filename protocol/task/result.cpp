#include "protocol/task/result.h"

#include <algorithm>
#include <array>

#include "protocol/task/convert.h"
#include "protocol/task/repr.h"

namespace wherry::task {

namespace {

Value string_or_null(const std::string& text) {
  return text.empty() ? Value() : Value(text);
}

constexpr std::array<std::string_view, 8> own_members = {"task_id",  "status",    "result",   "traceback",
                                                         "children", "date_done", "group_id", "parent_id"};

Value exception_value(const TaskException& exception) {
  return Value::Map{{"exc_type", exception.type},
                    {"exc_message", exception.arguments},
                    {"exc_module", string_or_null(exception.module)}};
}

// Older writers have a single string for exc_message, or no module. What has no exc_type at all is kept as one
// exception whose message it is: a failure must never look like none.
TaskException read_exception(const Value& value) {
  TaskException out;
  const Value* type = value.find("exc_type");
  if (type == nullptr || type->get<std::string>() == nullptr) {
    out.type = "Exception";
    out.arguments = {value};
    return out;
  }
  out.type = *type->get<std::string>();
  if (const Value* message = value.find("exc_message")) {
    const auto* several = message->get<Value::Array>();
    out.arguments = several != nullptr ? *several : Value::Array{*message};
  }
  const Value* module = value.find("exc_module");
  if (module != nullptr && module->get<std::string>() != nullptr) out.module = *module->get<std::string>();
  return out;
}

// null and missing are both "empty".
template <class T>
bool read_member(const Value& from, std::string_view name, T& into, std::string& error) {
  const Value* value = from.find(name);
  if (value == nullptr || value->is_null()) return true;
  auto read = from_value<T>(*value);
  if (read) {
    into = std::move(*read);
    return true;
  }
  error = "'" + std::string(name) + "': " + read.error().message;
  return false;
}

}  // namespace

std::string TaskException::message() const {
  if (arguments.empty()) return {};
  if (arguments.size() > 1) return args_repr(arguments);
  const auto* text = arguments[0].get<std::string>();
  return text != nullptr ? *text : repr(arguments[0]);
}

std::vector<std::string> child_ids(const Value& children) {
  std::vector<std::string> ids;
  const auto* all = children.get<Value::Array>();
  if (all == nullptr) return ids;
  for (const Value& each : *all) {
    const auto* tuple = each.get<Value::Array>();
    if (tuple == nullptr || tuple->size() != 2) continue;
    if ((*tuple)[1].get<Value::Array>() != nullptr) {
      for (std::string& member : child_ids((*tuple)[1])) ids.push_back(std::move(member));
      continue;
    }
    const auto* head = (*tuple)[0].get<Value::Array>();
    const auto* id = head == nullptr || head->empty() ? nullptr : head->front().get<std::string>();
    if (id != nullptr) ids.push_back(*id);
  }
  return ids;
}

Value meta_to_value(const ResultMeta& meta) {
  Value::Map map;
  map.reserve(own_members.size() + meta.extra.size());
  map.emplace_back("status", meta.status);
  map.emplace_back("result", meta.exception ? exception_value(*meta.exception) : meta.result);
  map.emplace_back("traceback", string_or_null(meta.traceback));
  map.emplace_back("children", meta.children);
  map.emplace_back("date_done", to_value(meta.date_done));
  map.emplace_back("task_id", meta.task_id);
  if (!meta.group_id.empty()) map.emplace_back("group_id", meta.group_id);
  if (!meta.parent_id.empty()) map.emplace_back("parent_id", meta.parent_id);
  for (const auto& [name, value] : meta.extra) {
    if (std::find(own_members.begin(), own_members.end(), name) == own_members.end()) map.emplace_back(name, value);
  }
  return map;
}

Result<ResultMeta> meta_from_value(const Value& value) {
  const auto* map = value.get<Value::Map>();
  if (map == nullptr) return fail("expected a map, got " + describe(value));
  ResultMeta meta;
  std::string error;
  const bool read =
      read_member(value, "task_id", meta.task_id, error) && read_member(value, "status", meta.status, error) &&
      read_member(value, "traceback", meta.traceback, error) && read_member(value, "children", meta.children, error) &&
      read_member(value, "date_done", meta.date_done, error) && read_member(value, "group_id", meta.group_id, error) &&
      read_member(value, "parent_id", meta.parent_id, error);
  if (!read) return fail(std::move(error));
  if (meta.task_id.empty()) return fail("no task_id");
  if (meta.status.empty()) return fail("no status");
  const Value* result = value.find("result");
  if (state::has_exception(meta.status)) {
    meta.exception = read_exception(result != nullptr ? *result : Value());
  } else if (result != nullptr) {
    meta.result = *result;
  }
  for (const auto& [name, member] : *map) {
    if (std::find(own_members.begin(), own_members.end(), name) == own_members.end()) {
      meta.extra.emplace_back(name, member);
    }
  }
  return meta;
}

Result<EncodedResult> encode_result(const ResultMeta& meta, Serializer serializer) {
  auto body = encode_body(meta_to_value(meta), serializer);
  if (!body) return fail("result: " + body.error().message);
  EncodedResult out;
  out.properties.content_type = content_type(serializer);
  out.properties.content_encoding = content_encoding(serializer);
  out.properties.correlation_id = meta.task_id;
  out.properties.delivery_mode = 1;
  out.properties.priority = 0;
  out.body = std::move(*body);
  return out;
}

Result<ResultMeta, DecodeError> decode_result(const amqp::Properties& properties, std::string_view body) {
  auto value = decode_body(properties, body);
  if (!value) return tl::unexpected(std::move(value.error()));
  auto meta = meta_from_value(*value);
  if (meta) return std::move(*meta);
  return tl::unexpected(DecodeError{DecodeError::Kind::not_a_task, "not a result: " + meta.error().message});
}

}  // namespace wherry::task
