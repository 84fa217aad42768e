#include "protocol/amqp/topology_settings.h"

#include <utility>

namespace wherry::amqp {

namespace {

Table table_from_yaml(const yaml::Entries& entries);

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

Table table_from_yaml(const yaml::Entries& entries) {
  Table table;
  for (const auto& [name, value] : entries) table.set(name, field_from_yaml(value));
  return table;
}

}  // namespace

Table read_table(yaml::Map& map, std::string_view key) {
  yaml::Entries entries;
  map.tree(key, entries);
  return table_from_yaml(entries);
}

ExchangeSettings read_exchange(yaml::Map& map) {
  ExchangeSettings out;
  map.required("name", out.name);
  map.choice<std::string>("type", out.type,
                          {{"direct", "direct"},
                           {"fanout", "fanout"},
                           {"topic", "topic"},
                           {"headers", "headers"},
                           {"x-delayed-message", "x-delayed-message"}});
  map.get("durable", out.durable);
  map.get("auto_delete", out.auto_delete);
  map.get("internal", out.internal);
  out.arguments = read_table(map, "arguments");
  return out;
}

QueueSettings read_queue(yaml::Map& map) {
  QueueSettings out;
  map.required("name", out.name);
  map.get("durable", out.durable);
  map.get("auto_delete", out.auto_delete);
  out.arguments = read_table(map, "arguments");
  return out;
}

BindingSettings read_binding(yaml::Map& map) {
  BindingSettings out;
  map.required("exchange", out.exchange);
  out.to_exchange = map.get("to_exchange", out.destination);
  const bool to_queue = map.get("queue", out.destination);
  if (out.to_exchange && to_queue) map.error("to_exchange", "'queue' and 'to_exchange' exclude each other");
  if (!map.has("queue") && !map.has("to_exchange")) {
    map.error("a binding needs a 'queue', or an exchange in 'to_exchange'");
  }
  map.get("routing_key", out.routing_key);
  out.arguments = read_table(map, "arguments");
  return out;
}

}  // namespace wherry::amqp
