#include "worker/runtime/messages.h"

#include <algorithm>

#include "base/iso8601.h"
#include "base/log.h"

namespace wherry::worker {

namespace {

constexpr std::string_view history_header = "x-wherry-history";
constexpr std::string_view lost_header = "x-lost-count";
constexpr std::string_view delivered_header = "x-delivery-count";

amqp::Table& headers_of(amqp::Properties& properties) {
  if (!properties.headers) properties.headers.emplace();
  return properties.headers->table();
}

void add_to_history(amqp::Table& headers, std::uint32_t attempt, const Failure& failure, std::string_view worker,
                    WallTime now) {
  amqp::FieldArray history;
  if (const amqp::FieldValue* known = headers.find(history_header)) {
    if (const auto* array = known->get<amqp::FieldArray>()) history = *array;
  }
  amqp::Table entry;
  entry.set("attempt", static_cast<std::int64_t>(attempt));
  entry.set("error", failure.type.empty() ? failure.message : failure.type + ": " + failure.message);
  entry.set("at", format_iso8601(now));
  entry.set("worker", std::string(worker));
  history.emplace_back(std::move(entry));
  headers.set(history_header, std::move(history));
}

// What a broker, or an exchange on the way, has written into the headers of this one delivery. x-death: a broker drops
// a message that it thinks goes round in a circle.
void forget_delivery(amqp::Table& headers) {
  for (std::string_view each : {lost_header, delivered_header, std::string_view("x-death")}) headers.erase(each);
}

// The module in which Python finds its own class for what a worker says itself, so that an "except" there meets it.
std::string module_of(std::string_view type) {
  for (const std::string_view celerys :
       {"TaskRevokedError", "NotRegistered", "SoftTimeLimitExceeded", "TimeLimitExceeded", "WorkerLostError"}) {
    if (type == celerys) return "celery.exceptions";
  }
  return type == "TypeError" ? "builtins" : "";
}

// What came in, ready to be published again. A message of protocol 1 has its retries and eta in the body: it is written
// anew, as protocol 2.
Result<sdk::Publication> again(const sdk::Delivery& delivery, const task::Task& task, WallTime now) {
  sdk::Publication publication;
  const bool protocol_2 = delivery.properties.headers && delivery.properties.headers->find("task") != nullptr;
  if (protocol_2) {
    publication.properties = delivery.properties;
    publication.body = delivery.body;
  } else {
    auto encoded = task::encode(task, now);
    if (!encoded) return tl::unexpected(encoded.error());
    publication.properties = std::move(encoded->properties);
    publication.body = std::move(encoded->body);
  }
  forget_delivery(headers_of(publication.properties));
  return publication;
}

std::uint32_t natural(const amqp::Headers& headers, std::string_view name) {
  std::int64_t number = 0;
  headers.integer(name, number);
  return static_cast<std::uint32_t>(std::clamp<std::int64_t>(number, 0, 1'000'000));
}

}  // namespace

std::uint32_t losses(const sdk::Delivery& delivery) {
  // A message that comes for the first time may be a copy of one that did not.
  const auto& headers = delivery.properties.headers;
  if (!delivery.redelivered || !headers) return 0;
  return natural(*headers, headers->find(lost_header) ? lost_header : delivered_header);
}

std::uint32_t crashes(const sdk::Delivery& delivery) {
  const auto& headers = delivery.properties.headers;
  return (headers ? natural(*headers, crashes_header) : 0) + losses(delivery);
}

std::optional<sdk::Publication> sent_round(const sdk::Delivery& delivery) {
  const auto& headers = delivery.properties.headers;
  if (losses(delivery) == 0 || headers->find(lost_header) || headers->find("x-deduplication-header")) return {};
  sdk::Publication publication;
  publication.properties = delivery.properties;
  publication.body = delivery.body;
  forget_delivery(publication.properties.headers->table());
  publication.routing_key = delivery.queue;
  return publication;
}

Result<sdk::Publication> retry_message(const sdk::Delivery& delivery, const task::Task& task, const Failure& failure,
                                       std::string_view worker, WallTime now, std::chrono::milliseconds delay) {
  task::Task next = task;
  next.retries = task.retries + 1;
  next.eta = now + delay;
  auto written = again(delivery, next, now);
  if (!written) return written;
  sdk::Publication& publication = *written;
  amqp::Table& headers = headers_of(publication.properties);
  headers.set("retries", static_cast<std::int32_t>(next.retries));
  headers.set("eta", format_iso8601(*next.eta));
  add_to_history(headers, task.retries + 1, failure, worker, now);
  // The broker's own expiry counts from each publish: what is left of it is what counts.
  if (task.expires) publication.properties.expiration = std::to_string(until(*task.expires, now).count());
  publication.exchange.clear();
  publication.routing_key = delivery.queue;
  return written;
}

sdk::Publication dead_letter(const sdk::Delivery& delivery, const task::Task* task, const Failure& failure,
                             std::string_view reason, std::string_view worker, WallTime now) {
  sdk::Publication publication;
  publication.properties = delivery.properties;
  publication.body = delivery.body;
  publication.properties.expiration.reset();
  publication.properties.delivery_mode = 2;
  amqp::Table& headers = headers_of(publication.properties);
  forget_delivery(headers);
  if (const std::uint32_t all = crashes(delivery); all > 0) {
    headers.set(crashes_header, static_cast<std::int32_t>(all));
  }
  add_to_history(headers, task ? task->retries + 1 : 1, failure, worker, now);
  headers.set("x-wherry-reason", std::string(reason));
  headers.set("x-wherry-queue", delivery.queue);
  headers.set("x-wherry-dead-at", format_iso8601(now));
  return publication;
}

sdk::Publication result_message(const task::Task& task, task::ResultMeta meta) {
  sdk::Publication publication;
  if (task.reply_to.empty() || task.ignore_result) return publication;
  meta.task_id = task.id;
  auto encoded = task::encode_result(meta, task.serializer);
  if (!encoded) {
    // A result that its serializer cannot hold (bytes that are no UTF-8 in JSON): the waiting side learns that.
    const Failure failure{"EncodeError", "the result cannot be sent: " + encoded.error().message};
    log::warning("worker", "task {} [{}]: {}", task.name, task.id, failure.message);
    encoded = task::encode_result(failed(task, task::state::failure, failure, wall_now()), task.serializer);
    if (!encoded) return publication;
  }
  publication.routing_key = task.reply_to;
  publication.properties = std::move(encoded->properties);
  publication.properties.correlation_id = task.correlation_id.empty() ? task.id : task.correlation_id;
  publication.body = std::move(encoded->body);
  publication.mandatory = false;  // Whoever asked may be gone.
  return publication;
}

task::ResultMeta success(const task::Task& task, task::Value result, WallTime now) {
  task::ResultMeta meta;
  meta.task_id = task.id;
  meta.status = std::string(task::state::success);
  meta.result = std::move(result);
  meta.date_done = now;
  meta.group_id = task.group;
  meta.parent_id = task.parent_id;
  return meta;
}

task::ResultMeta failed(const task::Task& task, std::string_view state, const Failure& failure, WallTime now) {
  task::ResultMeta meta;
  meta.task_id = task.id;
  meta.status = std::string(state);
  meta.exception = failure.exception.value_or(
      task::TaskException{failure.type, {task::Value(failure.message)}, module_of(failure.type)});
  meta.traceback = failure.traceback;
  if (state != task::state::retry) meta.date_done = now;
  meta.group_id = task.group;
  meta.parent_id = task.parent_id;
  return meta;
}

}  // namespace wherry::worker
