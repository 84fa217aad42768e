#include "broker/admin/values.h"

#include "base/utf8.h"
#include "protocol/task/base64.h"

namespace wherry::broker::admin {

task::Value::Map map_of(const Table& from) {
  task::Value::Map out;
  for (const auto& [name, value] : from.entries()) out.emplace_back(name, value_of(value));
  return out;
}

task::Value::Array array_of(const FieldArray& from) {
  task::Value::Array out;
  for (const FieldValue& each : from) out.push_back(value_of(each));
  return out;
}

task::Value value_of(const FieldValue& from) {
  if (const bool* flag = from.get<bool>()) return *flag;
  if (const auto* number = from.get<std::int64_t>()) return *number;
  if (const auto* number = from.get<double>()) return *number;
  if (const auto* text = from.get<std::string>()) return *text;
  if (const auto* array = from.get<FieldArray>()) return array_of(*array);
  if (const auto* table = from.get<Table>()) return map_of(*table);
  return nullptr;
}

Table table_of_map(const task::Value::Map& from) {
  Table out;
  for (const auto& [name, value] : from) out.entries().emplace_back(name, field_of(value));
  return out;
}

FieldValue field_of(const task::Value& from) {
  if (const bool* flag = from.get<bool>()) return *flag;
  if (const auto* number = from.get<std::int64_t>()) return *number;
  if (const auto* number = from.get<std::uint64_t>()) return static_cast<double>(*number);
  if (const auto* number = from.get<double>()) return *number;
  if (const auto* text = from.get<std::string>()) return *text;
  if (const auto* bytes = from.get<task::Bytes>()) {
    return is_utf8(bytes->data) ? bytes->data : task::encode_base64(bytes->data);
  }
  if (const auto* map = from.get<task::Value::Map>()) return table_of_map(*map);
  const auto* array = from.get<task::Value::Array>();
  if (array == nullptr) return {};
  FieldArray out;
  for (const task::Value& each : *array) out.push_back(field_of(each));
  return out;
}

}  // namespace wherry::broker::admin
