#include "sdk/client/event.h"

#include <chrono>
#include <ctime>
#include <utility>

#include <unistd.h>

#include "base/wall_clock.h"
#include "protocol/task/envelope.h"
#include "protocol/task/json.h"

namespace wherry::sdk {

namespace {

constexpr std::string_view event_exchange = "celeryev";
// An event that waits longer is no news any more.
constexpr std::chrono::seconds event_deadline{5};

task::Value header_of(const Publication& message, std::string_view name) {
  const auto& headers = message.properties.headers;
  const amqp::FieldValue* field = headers ? headers->find(name) : nullptr;
  if (field == nullptr) return {};
  if (const auto* text = field->get<std::string>()) return *text;
  if (std::int64_t number = 0; field->integer(number)) return number;
  return {};
}

// As Celery has its utcoffset.
std::int64_t hours_west() {
  const std::time_t now = std::time(nullptr);
  std::tm local{};
  ::localtime_r(&now, &local);
  return -(local.tm_gmtoff / 3600);
}

}  // namespace

Topology event_topology() {
  return {ExchangeSpec{.name = std::string(event_exchange), .type = "topic"}};
}

task::Value::Map make_event(std::string_view type, std::string_view node, std::int64_t clock) {
  const std::chrono::duration<double> now = wall_now().time_since_epoch();
  return {{"type", type},      {"hostname", node}, {"timestamp", now.count()}, {"utcoffset", hours_west()},
          {"pid", ::getpid()}, {"clock", clock}};
}

Result<Publication> event_message(std::string_view routing_key, std::string_view node, const task::Value& events) {
  auto text = task::encode_json(events);
  if (!text) return tl::unexpected(text.error());
  Publication message;
  message.exchange = event_exchange;
  message.routing_key = routing_key;
  message.properties.content_type = "application/json";
  message.properties.content_encoding = "utf-8";
  message.properties.delivery_mode = 1;
  message.properties.headers.emplace();
  message.properties.headers->set("hostname", std::string(node));
  message.body = std::move(*text);
  message.mandatory = false;
  message.deadline = std::chrono::steady_clock::now() + event_deadline;
  return message;
}

Result<Publication> sent_event(const Publication& message, const std::string& queue, std::int64_t clock) {
  const std::string& origin = task::default_origin();
  task::Value::Map event = make_event("task-sent", origin, clock);
  event.emplace_back("uuid", header_of(message, "id"));
  event.emplace_back("name", header_of(message, "task"));
  event.emplace_back("args", header_of(message, "argsrepr"));
  event.emplace_back("kwargs", header_of(message, "kwargsrepr"));
  for (const char* name : {"root_id", "parent_id", "retries", "eta", "expires"}) {
    event.emplace_back(name, header_of(message, name));
  }
  event.emplace_back("queue", queue.empty() ? task::Value() : task::Value(queue));
  event.emplace_back("exchange", message.exchange);
  event.emplace_back("routing_key", message.routing_key);
  return event_message("task.sent", origin, event);
}

}  // namespace wherry::sdk
