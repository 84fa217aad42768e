#include "sdk/results/encoding.h"

#include <utility>

#include "protocol/task/json.h"
#include "protocol/task/msgpack.h"

namespace wherry::results {

Result<task::Value> decode_stored(std::string_view bytes) {
  // Both begin a map or an array with bytes that the other never begins one with.
  const bool json = bytes.starts_with('{') || bytes.starts_with('[');
  return json ? task::decode_json(bytes) : task::decode_msgpack(bytes);
}

Result<std::string> encode_meta(const task::ResultMeta& meta) {
  return task::encode_json(task::meta_to_value(meta));
}

Result<task::ResultMeta> decode_meta(std::string_view bytes) {
  auto value = decode_stored(bytes);
  if (!value) return tl::unexpected(std::move(value.error()));
  return task::meta_from_value(*value);
}

Result<std::string> encode_part(const task::ResultMeta& meta) {
  const task::Value whole = task::meta_to_value(meta);
  return task::encode_json(task::Value::Array{1, meta.task_id, meta.status, *whole.find("result")});
}

Result<task::ResultMeta> decode_part(std::string_view bytes) {
  auto value = decode_stored(bytes);
  if (!value) return tl::unexpected(std::move(value.error()));
  auto* part = value->get<task::Value::Array>();
  if (part == nullptr || part->size() != 4) {
    return fail("a chord's part is [1, task_id, status, result], got " + task::describe(*value));
  }
  return task::meta_from_value(task::Value::Map{
      {"task_id", std::move((*part)[1])}, {"status", std::move((*part)[2])}, {"result", std::move((*part)[3])}});
}

Result<std::string> encode_group(task::Value tuple) {
  return task::encode_json(task::Value::Map{{"result", std::move(tuple)}});
}

Result<task::Value> decode_group(std::string_view bytes) {
  auto value = decode_stored(bytes);
  if (!value) return value;
  const task::Value* tuple = value->find("result");
  if (tuple == nullptr) return fail("a saved group is a map with 'result', got " + task::describe(*value));
  return *tuple;
}

}  // namespace wherry::results
