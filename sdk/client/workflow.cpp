#include "sdk/client/workflow.h"

#include <utility>

#include <fmt/format.h>

#include "base/iso8601.h"
#include "protocol/task/convert.h"
#include "wherry/canvas_types.h"
#include "wherry/error.h"

namespace wherry::sdk {

namespace {

[[noreturn]] void refuse_workflow(const std::string& why) {
  throw ClientError(Errc::invalid_argument, why);
}

void set_default(task::Value::Map& options, std::string_view name, task::Value value) {
  if (task::find(options, name) == nullptr) task::set(options, name, std::move(value));
}

bool says_where(const task::Value::Map& options) {
  for (const char* name : {"queue", "exchange", "routing_key"}) {
    const task::Value* value = task::find(options, name);
    if (value != nullptr && !value->is_null()) return true;
  }
  return false;
}

// Options of the enqueue that hold for every task of a workflow.
EnqueueOptions for_all(const EnqueueOptions& options) {
  EnqueueOptions all = options;
  all.countdown.reset();
  all.eta.reset();
  all.task_id.clear();
  all.deduplication_key.clear();
  all.timeout.reset();
  return all;
}

std::string id_in(const task::Value& tuple) {
  const auto* pair = tuple.get<task::Value::Array>();
  const auto* head = pair == nullptr ? nullptr : pair->front().get<task::Value::Array>();
  return head == nullptr ? std::string() : *head->front().get<std::string>();
}

}  // namespace

void add_options(task::Value::Map& into, const EnqueueOptions& options, WallTime now) {
  auto add = [&](std::string_view name, task::Value value) { task::set(into, name, std::move(value)); };
  if (options.countdown) add("countdown", task::to_value(*options.countdown));
  if (options.eta) add("eta", format_iso8601(*options.eta));
  if (options.expires) add("expires", format_iso8601(now + *options.expires));
  if (!options.queue.empty()) add("queue", options.queue);
  if (options.exchange) add("exchange", *options.exchange);
  if (options.routing_key) add("routing_key", *options.routing_key);
  if (options.priority) add("priority", *options.priority);
  if (options.time_limit) add("time_limit", task::to_value(*options.time_limit));
  if (options.soft_time_limit) add("soft_time_limit", task::to_value(*options.soft_time_limit));
  if (!options.task_id.empty()) add("task_id", options.task_id);
  if (options.ignore_result) add("ignore_result", true);
  if (!options.durable) add("delivery_mode", 1);
  if (options.serializer) add("serializer", *options.serializer == Serializer::json ? "json" : "msgpack");
  if (options.compression) {
    add("compression", task::mime_type(static_cast<task::Compression>(*options.compression)));
  }
  if (!options.headers.empty()) {
    task::Value::Map headers;
    for (const auto& [name, value] : options.headers) headers.emplace_back(name, value);
    add("headers", std::move(headers));
  }
}

OutgoingWorkflow encode_workflow(task::Signature workflow, const EnqueueOptions& options, const Router& router,
                                 const Sender& sender, WallTime now) {
  check_options(workflow.task, options);
  if (!options.deduplication_key.empty()) refuse_workflow("deduplication_key is for single tasks, not for workflows");
  // When it begins, and the id of its end, are told to the whole.
  EnqueueOptions of_whole;
  of_whole.countdown = options.countdown;
  of_whole.eta = options.eta;
  of_whole.task_id = options.task_id;
  add_options(workflow.options, of_whole, now);
  task::Value::Map shared;
  add_options(shared, for_all(options), now);

  task::Start start;
  if (!options.ignore_result) start.reply_to = sender.reply_to;
  start.serializer = sender.serializer == Serializer::json ? task::Serializer::json : task::Serializer::msgpack;
  start.compression = static_cast<task::Compression>(sender.compression);
  start.place = [&](task::Signature& each) {
    const bool placed = says_where(each.options);
    for (const auto& [name, value] : shared) {
      const bool about_place = name == "queue" || name == "exchange" || name == "routing_key";
      if (!(placed && about_place)) set_default(each.options, name, value);
    }
    if (says_where(each.options)) return;
    const Route route = router.route(each.task, options);
    if (!route.queue.empty()) task::set(each.options, "queue", route.queue);
    if (route.exchange) task::set(each.options, "exchange", *route.exchange);
    if (route.routing_key) task::set(each.options, "routing_key", *route.routing_key);
    if (route.priority) set_default(each.options, "priority", *route.priority);
  };
  auto plan = task::make_plan(workflow, start, now);
  if (!plan) refuse_workflow(plan.error().message);

  OutgoingWorkflow out;
  out.chords = std::move(plan->chords);
  out.id = id_in(plan->result);
  const auto* members = (*plan->result.get<task::Value::Array>())[1].get<task::Value::Array>();
  if (members == nullptr) {
    out.job_ids.push_back(out.id);
  } else {
    for (const task::Value& each : *members) out.job_ids.push_back(id_in(each));
  }
  out.messages.reserve(plan->tasks.size());
  for (task::PlannedTask& each : plan->tasks) {
    each.task.ignore_result = each.task.ignore_result || !sender.results;
    auto message = encode_planned(std::move(each), router, now);
    if (!message) refuse_workflow(message.error().message);
    out.messages.push_back(std::move(*message));
  }
  return out;
}

}  // namespace wherry::sdk
