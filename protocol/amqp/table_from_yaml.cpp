#include "protocol/amqp/table_from_yaml.h"

#include <utility>

namespace wherry::amqp {

namespace {

FieldValue field_from_yaml(const yaml::Value& value) {
  struct Convert {
    FieldValue operator()(std::nullptr_t) const { return {}; }
    FieldValue operator()(bool held) const { return held; }
    FieldValue operator()(std::int64_t held) const {
      return std::in_range<std::int32_t>(held) ? FieldValue(static_cast<std::int32_t>(held)) : FieldValue(held);
    }
    FieldValue operator()(double held) const { return held; }
    FieldValue operator()(const std::string& held) const { return held; }
    FieldValue operator()(const yaml::Value::List& held) const {
      FieldArray array;
      for (const yaml::Value& each : held) array.push_back(field_from_yaml(each));
      return array;
    }
    FieldValue operator()(const yaml::Entries& held) const { return table_from_yaml(held); }
  };
  return std::visit(Convert{}, value.data);
}

}  // namespace

Table table_from_yaml(const yaml::Entries& entries) {
  Table table;
  for (const auto& [name, value] : entries) table.set(name, field_from_yaml(value));
  return table;
}

}  // namespace wherry::amqp
