// A vhost with short words for what the tests do to it.
#pragma once

#include <algorithm>
#include <stdexcept>
#include <string>
#include <vector>

#include "broker/routing/vhost.h"
#include "protocol/amqp/properties.h"

namespace wherry::broker::test {

// What a test builds upon must work.
inline void must(const AmqpResult<void>& result) {
  if (!result) throw std::runtime_error(result.error().explanation);
}

struct Topology : Vhost {
  Topology() : Vhost("/") {}

  QueueEntryRef queue(const std::string& name, amqp::Table arguments = {}) {
    QueueSpec spec;
    spec.name = name;
    spec.arguments = std::move(arguments);
    return declare_queue(spec, 1, 0, false).value().queue;
  }
  void exchange(const std::string& name, const std::string& type, amqp::Table arguments = {}, bool auto_delete = false,
                bool internal = false) {
    ExchangeSpec spec;
    spec.name = name;
    spec.type = type;
    spec.auto_delete = auto_delete;
    spec.internal = internal;
    spec.arguments = std::move(arguments);
    must(declare_exchange(spec, false));
  }
  static BindingSpec binding(const std::string& source, const std::string& queue, const std::string& key,
                             amqp::Table arguments = {}) {
    return {source, DestinationKind::queue, queue, key, std::move(arguments)};
  }
  static BindingSpec to_exchange(const std::string& source, const std::string& exchange, const std::string& key) {
    return {source, DestinationKind::exchange, exchange, key, {}};
  }
  void bind_queue(const std::string& source, const std::string& queue, const std::string& key,
                  amqp::Table arguments = {}) {
    must(bind(binding(source, queue, key, std::move(arguments)), 1));
  }
  void bind_exchange(const std::string& source, const std::string& exchange, const std::string& key) {
    must(bind(to_exchange(source, exchange, key), 1));
  }
  bool exists(const std::string& name) {
    ExchangeSpec spec;
    spec.name = name;
    return declare_exchange(spec, true).has_value();
  }

  // Names of the queues a message reaches, in name order; each as often as it was given.
  std::vector<std::string> reached(std::string_view exchange, std::string_view key,
                                   const std::string& properties = {}) {
    std::vector<QueueEntryRef> queues;
    must(route(exchange, key, properties, queues));
    return names(queues);
  }
  static std::vector<std::string> names(const std::vector<QueueEntryRef>& queues) {
    std::vector<std::string> all;
    for (const auto& queue : queues) all.push_back(queue->spec.name);
    std::sort(all.begin(), all.end());
    return all;
  }
};

using Names = std::vector<std::string>;

inline amqp::Table table(std::initializer_list<std::pair<const char*, amqp::FieldValue>> entries) {
  amqp::Table made;
  for (const auto& [name, value] : entries) made.set(name, value);
  return made;
}

inline std::string with_headers(amqp::Table headers) {
  amqp::Properties properties;
  properties.headers = std::move(headers);
  return amqp::encode_properties(properties);
}

// The error of something that must fail.
template <class T>
amqp::AmqpError refusal(const AmqpResult<T>& result) {
  if (result) return {.code = amqp::ReplyCode::success, .explanation = "(it succeeded)", .offender = {}};
  return result.error();
}

}  // namespace wherry::broker::test
