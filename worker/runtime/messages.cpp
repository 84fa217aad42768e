#include "worker/runtime/messages.h"

#include "base/log.h"
#include "protocol/task/iso8601.h"

namespace wherry::worker {

namespace {

constexpr std::string_view history_header = "x-wherry-history";

amqp::Table& headers_of(amqp::Properties& properties) {
  if (!properties.headers) properties.headers.emplace();
  return *properties.headers;
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
  entry.set("at", task::format_iso8601(now));
  entry.set("worker", std::string(worker));
  history.emplace_back(std::move(entry));
  headers.set(history_header, std::move(history));
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
  // A broker drops a message that it thinks goes round in a circle.
  headers_of(publication.properties).erase("x-death");
  return publication;
}

}  // namespace

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
  headers.set("eta", task::format_iso8601(*next.eta));
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
  headers.erase("x-death");
  add_to_history(headers, task ? task->retries + 1 : 1, failure, worker, now);
  headers.set("x-wherry-reason", std::string(reason));
  headers.set("x-wherry-queue", delivery.queue);
  headers.set("x-wherry-dead-at", task::format_iso8601(now));
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
    encoded = task::encode_result(failed(task, task::state::failure, failure, std::chrono::system_clock::now()),
                                  task.serializer);
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
  return meta;
}

task::ResultMeta failed(const task::Task& task, std::string_view state, const Failure& failure, WallTime now) {
  task::ResultMeta meta;
  meta.task_id = task.id;
  meta.status = std::string(state);
  meta.exception = task::TaskException{failure.type, {task::Value(failure.message)}, {}};
  if (state != task::state::retry) meta.date_done = now;
  return meta;
}

}  // namespace wherry::worker
