#include "worker/control/inspect.h"

#include <algorithm>
#include <fstream>

#include <fmt/format.h>
#include <sys/resource.h>
#include <sys/utsname.h>
#include <unistd.h>

#include "base/iso8601.h"
#include "protocol/task/json.h"
#include "protocol/task/repr.h"

namespace wherry::worker {

namespace {

using Map = task::Value::Map;
using Array = task::Value::Array;

// What JSON cannot hold (not a number, text that is no UTF-8) is shown as text.
template <class Arguments>
task::Value shown(const Arguments& arguments, std::string repr, bool as_text) {
  if (as_text || !task::encode_json(arguments)) return repr;
  return arguments;
}

task::Value seconds_or_null(const std::optional<std::chrono::milliseconds>& limit) {
  if (!limit) return {};
  return std::chrono::duration<double>(*limit).count();
}

Map usage() {
  rusage own{};
  ::getrusage(RUSAGE_SELF, &own);
  auto seconds = [](const timeval& time) { return double(time.tv_sec) + double(time.tv_usec) / 1e6; };
  return {{"utime", seconds(own.ru_utime)}, {"stime", seconds(own.ru_stime)}, {"maxrss", own.ru_maxrss},
          {"ixrss", own.ru_ixrss},          {"idrss", own.ru_idrss},          {"isrss", own.ru_isrss},
          {"minflt", own.ru_minflt},        {"majflt", own.ru_majflt},        {"nswap", own.ru_nswap},
          {"inblock", own.ru_inblock},      {"oublock", own.ru_oublock},      {"msgsnd", own.ru_msgsnd},
          {"msgrcv", own.ru_msgrcv},        {"nsignals", own.ru_nsignals},    {"nvcsw", own.ru_nvcsw},
          {"nivcsw", own.ru_nivcsw}};
}

// One of a task's options, by Celery's name of it; empty: not set.
std::string option(const Steering& worker, std::string_view task, std::string_view item) {
  const Registry::EntryRef entry = worker.tasks().find(task);
  auto seconds = [](const std::optional<std::chrono::milliseconds>& limit) {
    return limit ? fmt::format("{}", std::chrono::duration<double>(*limit).count()) : std::string();
  };
  if (item == "rate_limit") return worker.rate_limit(task);
  if (item == "name") return std::string(task);
  if (item == "soft_time_limit") return seconds(entry->options.soft_time_limit);
  if (item == "time_limit") return seconds(entry->options.time_limit);
  if (item == "max_retries" && entry->options.retry) return std::to_string(entry->options.retry->max_retries);
  return {};
}

}  // namespace

task::Value request_info(const Attempt& attempt, std::string_view node, bool safe) {
  const task::Task& task = attempt.task();
  const auto started = attempt.started();
  std::string args = task.argsrepr.empty() ? task::args_repr(task.args) : task.argsrepr;
  std::string kwargs = task.kwargsrepr.empty() ? task::kwargs_repr(task.kwargs) : task.kwargsrepr;
  return Map{{"id", task.id},
             {"name", task.name},
             {"args", shown(task.args, std::move(args), safe)},
             {"kwargs", shown(task.kwargs, std::move(kwargs), safe)},
             {"type", task.name},
             {"hostname", node},
             {"time_start", started ? task::Value(std::chrono::duration<double>(started->time_since_epoch()).count())
                                    : task::Value()},
             {"acknowledged", attempt.settled},
             {"delivery_info", Map{{"exchange", attempt.delivery().exchange},
                                   {"routing_key", attempt.delivery().routing_key},
                                   {"priority", task.priority},
                                   {"redelivered", attempt.delivery().redelivered}}},
             {"worker_pid", started ? task::Value(attempt.pid()) : task::Value()}};
}

task::Value list_tasks(const Steering& worker, Steering::Stage stage, bool safe) {
  Array list;
  worker.each_task([&](const Attempt& attempt, Steering::Stage its) {
    if (its == stage) list.push_back(request_info(attempt, worker.options().name, safe));
  });
  return list;
}

task::Value list_scheduled(const Steering& worker) {
  Array list;
  worker.each_task([&](const Attempt& attempt, Steering::Stage stage) {
    if (stage != Steering::Stage::scheduled) return;
    list.push_back(Map{{"eta", attempt.task().eta ? task::Value(format_iso8601(*attempt.task().eta)) : task::Value()},
                       {"priority", 6},
                       {"request", request_info(attempt, worker.options().name, false)}});
  });
  return list;
}

task::Value query_tasks(const Steering& worker, const task::Value* ids) {
  Array wanted;
  if (ids && ids->get<Array>()) wanted = *ids->get<Array>();
  if (ids && ids->get<std::string>()) wanted.push_back(*ids);
  Map found;
  worker.each_task([&](const Attempt& attempt, Steering::Stage stage) {
    if (std::find(wanted.begin(), wanted.end(), task::Value(attempt.id())) == wanted.end()) return;
    // What waits for its eta is "ready" at Celery, which knows no third word.
    const char* state = stage == Steering::Stage::active     ? "active"
                        : stage == Steering::Stage::reserved ? "reserved"
                                                             : "ready";
    set(found, attempt.id(), Array{state, request_info(attempt, worker.options().name, false)});
  });
  return found;
}

task::Value list_registered(const Steering& worker, const task::Value* items) {
  Array wanted{"rate_limit"};
  if (items && items->get<Array>() && !items->get<Array>()->empty()) wanted = *items->get<Array>();
  Array list;
  for (const std::string& name : worker.tasks().names()) {
    std::string shown_items;
    for (const task::Value& item : wanted) {
      const auto* key = item.get<std::string>();
      const std::string value = key ? option(worker, name, *key) : std::string();
      if (!value.empty()) shown_items += fmt::format("{}{}={}", shown_items.empty() ? "" : " ", *key, value);
    }
    list.push_back(shown_items.empty() ? name : fmt::format("{} [{}]", name, shown_items));
  }
  return list;
}

task::Value list_queues(const Steering& worker) {
  Array list;
  for (const Steering::ConsumedQueue& queue : worker.consumed()) {
    Map exchange{
        {"name", queue.exchange}, {"type", queue.exchange_type}, {"arguments", nullptr},     {"durable", true},
        {"passive", false},       {"auto_delete", false},        {"delivery_mode", nullptr}, {"no_declare", false}};
    list.push_back(Map{{"name", queue.name},
                       {"exchange", std::move(exchange)},
                       {"routing_key", queue.routing_key},
                       {"queue_arguments", nullptr},
                       {"binding_arguments", nullptr},
                       {"consumer_arguments", nullptr},
                       {"durable", true},
                       {"exclusive", false},
                       {"auto_delete", false},
                       {"no_ack", false},
                       {"alias", nullptr},
                       {"bindings", Array{}},
                       {"no_declare", nullptr},
                       {"expires", nullptr},
                       {"message_ttl", nullptr},
                       {"max_length", nullptr},
                       {"max_length_bytes", nullptr},
                       {"max_priority", nullptr}});
  }
  return list;
}

task::Value stats(const Steering& worker, const Clock& clock, std::chrono::seconds uptime) {
  Map total;
  for (const auto& [name, count] : worker.journal().totals()) total.emplace_back(name, count);
  worker.each_task([&](const Attempt& attempt, Steering::Stage stage) {
    if (stage != Steering::Stage::active) return;
    const task::Value* counted = find(total, attempt.name());
    const auto* before = counted ? counted->get<std::int64_t>() : nullptr;
    set(total, attempt.name(), (before ? *before : 0) + 1);
  });
  Map info{{"total", std::move(total)},
           {"pid", ::getpid()},
           {"clock", std::to_string(clock.value())},
           {"uptime", uptime.count()},
           {"pool", worker.pool_info()},
           {"broker", worker.broker_info()},
           {"prefetch_count", worker.prefetch()},
           {"rusage", usage()}};
  if (auto autoscaler = worker.autoscaler_info()) info.emplace_back("autoscaler", std::move(*autoscaler));
  return info;
}

task::Value configuration(const Steering& worker) {
  const WorkerOptions& options = worker.options();
  Array queues;
  for (const Steering::ConsumedQueue& queue : worker.consumed()) queues.push_back(queue.name);
  return Map{{"task_queues", std::move(queues)},
             {"task_acks_late", true},
             {"task_soft_time_limit", seconds_or_null(options.soft_time_limit)},
             {"task_time_limit", seconds_or_null(options.time_limit)},
             {"worker_pool", options.pool == Isolate::process ? "processes" : "threads"},
             {"worker_max_tasks_per_child", options.max_tasks_per_child},
             {"worker_max_memory_per_child", options.max_memory_per_child / 1024},
             {"worker_concurrency", options.concurrency},
             {"worker_prefetch_count", worker.prefetch()},
             {"worker_send_task_events", options.task_events},
             {"worker_enable_remote_control", options.remote_control},
             {"worker_state_db", options.statedb.empty() ? task::Value() : task::Value(options.statedb)},
             {"wherry_dead_letter_queue", options.dead_letter_queue},
             {"wherry_graceful_timeout", std::chrono::duration<double>(options.graceful_timeout).count()},
             {"wherry_max_retries", options.retry.max_retries}};
}

std::string report(const Steering& worker) {
  utsname system{};
  ::uname(&system);
  std::string text = fmt::format("software -> wherry:{} {}\nplatform -> system:{} release:{} machine:{}\n",
                                 WHERRY_VERSION, worker.options().name, system.sysname, system.release, system.machine);
  const task::Value settings = configuration(worker);
  for (const auto& [key, value] : *settings.get<Map>()) text += fmt::format("{}: {}\n", key, task::repr(value));
  return text;
}

std::string memory_sample() {
  std::ifstream file("/proc/self/statm");
  std::uint64_t size = 0, resident = 0;
  file >> size >> resident;
  const auto bytes = static_cast<double>(resident) * static_cast<double>(::sysconf(_SC_PAGESIZE));
  return fmt::format("{:.2f}MB", bytes / 1e6);
}

}  // namespace wherry::worker
