#include "sdk/settings/app_settings.h"

#include "base/glob.h"
#include "sdk/settings/broker_url.h"

namespace wherry::sdk {

namespace {

constexpr std::chrono::milliseconds shortest(1);
constexpr std::chrono::milliseconds longest = std::chrono::hours(24 * 365);

TaskRoute read_route(const std::string& pattern, yaml::Map& map) {
  TaskRoute out{.pattern = pattern};
  map.get("queue", out.queue);
  map.get("exchange", out.exchange);
  map.get("routing_key", out.routing_key);
  map.get("priority", out.priority);
  out.place = map.place(out.queue ? "queue" : "exchange");
  if (out.queue && out.exchange) map.error("exchange", "'queue' and 'exchange' exclude each other");
  if (out.routing_key && !out.exchange) map.error("routing_key", "'routing_key' goes with an 'exchange'");
  return out;
}

TaskRetry read_retry(const std::string& pattern, yaml::Map& map) {
  TaskRetry out{.pattern = pattern};
  map.get("max_retries", out.max_retries, 0, 1'000'000);
  map.get("base", out.base, std::chrono::milliseconds(0), longest);
  map.get("factor", out.factor, 1, 1000);
  map.get("max", out.max, std::chrono::milliseconds(0), longest);
  map.get("jitter", out.jitter);
  return out;
}

}  // namespace

const TaskRoute* find_route(const AppSettings& settings, std::string_view task) {
  return find_fitting(settings.task_routes, task);
}
const TaskRetry* find_retry(const AppSettings& settings, std::string_view task) {
  return find_fitting(settings.task_retries, task);
}

AppSettings read_app_settings(yaml::Document& document) {
  AppSettings out;
  yaml::Map root = document.root();
  read_broker_url(root.map("broker"), out.broker_url, out.broker_place);
  for (yaml::Map each : root.maps("exchanges")) out.exchanges.push_back(amqp::read_exchange(each));
  for (yaml::Map each : root.maps("queues", "name")) {
    out.queues.push_back(amqp::read_queue(each));
    if (each.has("name") && out.queues.back().name.empty()) each.error("name", "a queue needs a name");
  }
  for (yaml::Map each : root.maps("bindings")) out.bindings.push_back(amqp::read_binding(each));
  for (auto& [pattern, map] : root.entries("task_routes", "queue")) out.task_routes.push_back(read_route(pattern, map));
  for (auto& [pattern, map] : root.entries("task_retries")) out.task_retries.push_back(read_retry(pattern, map));
  root.get("default_queue", out.default_queue);
  root.choice<bool>("queue_type", out.quorum_queues, {{"classic", false}, {"quorum", true}});
  root.choice<BodyFormat>("serializer", out.serializer, {{"msgpack", BodyFormat::msgpack}, {"json", BodyFormat::json}});
  if (root.get("result_backend", out.result_backend)) out.result_backend_place = root.place("result_backend");
  out.results = out.result_backend != "none";
  root.get("result_expires", out.result_expires, std::chrono::milliseconds(0), longest);
  root.get("enqueue_timeout", out.enqueue_timeout, shortest, longest);
  root.get("dead_letter_queue", out.dead_letter_queue);
  return out;
}

Result<AppSettings> load_app_settings(const std::optional<std::string>& path, Environment environment) {
  yaml::Document document =
      path ? yaml::Document::load(*path, std::move(environment)) : yaml::Document::empty(std::move(environment));
  AppSettings settings = read_app_settings(document);
  if (auto read = document.finish(); !read) return tl::unexpected(read.error());
  return settings;
}

}  // namespace wherry::sdk
