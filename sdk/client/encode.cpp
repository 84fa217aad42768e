#include "sdk/client/encode.h"

#include <algorithm>
#include <utility>

#include <fmt/format.h>

#include "base/uuid.h"
#include "protocol/task/envelope.h"
#include "protocol/task/fields.h"
#include "protocol/task/result.h"
#include "sdk/client/trace.h"
#include "sdk/client/unique.h"

namespace wherry::sdk {

namespace {

[[noreturn]] void refuse(std::string why) {
  throw ClientError(Errc::invalid_argument, why);
}

void check_name(std::string_view what, std::string_view text) {
  if (text.size() > 255) refuse(fmt::format("{} is longer than 255 bytes", what));
}
void check_positive(std::string_view what, const std::optional<std::chrono::milliseconds>& time) {
  if (time && time->count() <= 0) refuse(fmt::format("{} is not above zero: {} ms", what, time->count()));
}

// From which a worker's metrics know how long the task waited; the name is that of RabbitMQ's interceptor.
void note_enqueued(amqp::Table& headers, WallTime now) {
  constexpr const char* name = "timestamp_in_ms";
  const auto since = std::chrono::duration_cast<std::chrono::milliseconds>(now.time_since_epoch());
  if (headers.find(name) == nullptr) headers.set(name, std::int64_t{since.count()});
}

std::optional<TaskState> state_of(const std::string& status, bool has_report) {
  for (const auto state : {TaskState::pending, TaskState::received, TaskState::started, TaskState::retry,
                           TaskState::success, TaskState::failure, TaskState::revoked}) {
    if (status == to_string(state)) return state;
  }
  if (status == "REJECTED") return TaskState::revoked;
  // A task may name its own state; Celery's update_state() makes that its progress.
  if (has_report) return TaskState::progress;
  return std::nullopt;
}

}  // namespace

void check_options(const std::string& task, const EnqueueOptions& options) {
  if (task.empty()) refuse("a task needs a name");
  if (options.countdown && options.eta) refuse("countdown and eta exclude each other");
  if (options.countdown && options.countdown->count() < 0) {
    refuse(fmt::format("countdown is negative: {} ms", options.countdown->count()));
  }
  check_positive("expires", options.expires);
  check_positive("time_limit", options.time_limit);
  check_positive("soft_time_limit", options.soft_time_limit);
  check_positive("timeout", options.timeout);
  check_name("queue", options.queue);
  check_name("exchange", options.exchange.value_or(""));
  check_name("routing_key", options.routing_key.value_or(""));
  check_name("task_id", options.task_id);
  check_name("deduplication_key", options.deduplication_key);
  if (options.unique) check_unique(task, options);
  for (const auto& [name, value] : options.headers) check_name("a header's name", name);
}

Outgoing encode_call(Call<void> call, const EnqueueOptions& options, const Route& route, const Sender& sender,
                     WallTime now) {
  check_options(call.name, options);
  Outgoing out;
  out.task_id = options.task_id.empty() ? make_uuid() : options.task_id;
  if (options.countdown) out.delay = *options.countdown;
  if (options.eta) out.delay = until(*options.eta, now);
  out.delay = std::max(out.delay, std::chrono::milliseconds(0));

  out.topology = route.topology;
  out.message.exchange = route.exchange.value_or("");
  out.message.routing_key = route.routing_key.value_or(route.queue);
  if (!route.exchange) out.queue = route.queue;

  task::Task task;
  task.name = std::move(call.name);
  task.id = out.task_id;
  task.args = std::move(call.args);
  task.kwargs = std::move(call.kwargs);
  if (out.delay.count() > 0) task.eta = now + out.delay;
  if (options.expires) task.expires = now + *options.expires;
  task.time_limit = options.time_limit;
  task.soft_time_limit = options.soft_time_limit;
  task.ignore_result = !sender.results || options.ignore_result;
  if (!task.ignore_result) task.reply_to = sender.reply_to;
  task.priority = route.priority.value_or(0);
  task.durable = options.durable;
  task.serializer = options.serializer.value_or(sender.serializer) == Serializer::json ? task::Serializer::json
                                                                                       : task::Serializer::msgpack;
  task.compression = static_cast<task::Compression>(options.compression.value_or(sender.compression));
  for (const auto& [name, value] : options.headers) {
    auto field = task::to_field(value);
    if (!field) refuse(fmt::format("{}: header {}: {}", task.name, name, field.error().message));
    task.headers.set(name, *std::move(field));
  }
  carry_trace(task.headers);
  note_enqueued(task.headers, now);
  if (options.unique) make_unique_message(*options.unique, task, out);
  if (!options.deduplication_key.empty()) task.headers.set("x-deduplication-header", options.deduplication_key);
  auto encoded = task::encode_giving(task, now);
  if (!encoded) refuse(fmt::format("{}: it cannot be sent: {}", task.name, encoded.error().message));
  out.message.properties = std::move(encoded->properties);
  out.message.body = std::move(encoded->body);
  return out;
}

Result<Outgoing> encode_planned(task::PlannedTask planned, const Router& router, WallTime now) {
  task::Task& task = planned.task;
  EnqueueOptions options;
  options.queue = std::move(planned.queue);
  options.exchange = std::move(planned.exchange);
  options.routing_key = std::move(planned.routing_key);
  options.priority = planned.priority;
  const Route route = router.route(task.name, options);
  task.priority = route.priority.value_or(0);
  carry_trace(task.headers);
  note_enqueued(task.headers, now);
  auto encoded = task::encode_giving(task, now);
  if (!encoded) return fail(fmt::format("{}: it cannot be sent: {}", task.name, encoded.error().message));
  Outgoing out;
  out.task_id = std::move(task.id);
  if (task.eta) out.delay = until(*task.eta, now);
  out.topology = route.topology;
  out.message.exchange = route.exchange.value_or("");
  out.message.routing_key = route.routing_key.value_or(route.queue);
  if (!route.exchange) out.queue = route.queue;
  out.message.properties = std::move(encoded->properties);
  out.message.body = std::move(encoded->body);
  return out;
}

Result<ResultNews> decode_result(const Delivery& delivery) {
  auto meta = task::decode_result(delivery.properties, delivery.body);
  if (!meta) return fail(std::move(meta.error().message));
  return news_of(*std::move(meta));
}

Result<ResultNews> news_of(task::ResultMeta meta) {
  ResultNews news;
  news.task_id = std::move(meta.task_id);
  const auto state = state_of(meta.status, !meta.result.is_null());
  if (!state) return fail(fmt::format("its status is unknown: {}", meta.status));
  news.state = *state;
  news.result = std::move(meta.result);
  news.traceback = std::move(meta.traceback);
  news.children = task::child_ids(meta.children);
  if (meta.exception) {
    news.error_type = meta.exception->type;
    news.error_message = meta.exception->message();
  }
  return news;
}

}  // namespace wherry::sdk
