#include "worker/control/panel.h"

#include <algorithm>
#include <csignal>
#include <cstring>

#include <fmt/format.h>

#include "base/log.h"
#include "worker/control/arguments.h"
#include "worker/control/inspect.h"

namespace wherry::worker {

namespace {

using Map = task::Value::Map;
using Array = task::Value::Array;

task::Value ok(std::string text) {
  return Map{{"ok", std::move(text)}};
}

task::Value to_array(const std::vector<std::string>& texts) {
  return Array(texts.begin(), texts.end());
}

WallTime panel_now() {
  return std::chrono::system_clock::now();
}

// A stamp may hold one value or several, and so may what is looked for: one in common is enough.
bool in_common(const task::Value& a, const task::Value& b) {
  auto listed = [](const task::Value& value) { return value.get<Array>() ? *value.get<Array>() : Array{value}; };
  const Array left = listed(a), right = listed(b);
  return std::any_of(left.begin(), left.end(),
                     [&](const auto& each) { return std::find(right.begin(), right.end(), each) != right.end(); });
}

bool has_stamp(const task::Task& task, const std::string& name, const task::Value& values) {
  const task::Value* stamp = task::find(task.stamps, name);
  return stamp != nullptr && in_common(*stamp, values);
}

constexpr std::size_t most_revoked_stamps = 1'000;

}  // namespace

Result<int> parse_signal(const task::Value& signal) {
  if (signal.is_null()) return SIGTERM;
  if (const auto* number = signal.get<std::int64_t>(); number && *number > 0 && *number < SIGRTMIN) {
    return static_cast<int>(*number);
  }
  if (const auto* text = signal.get<std::string>()) {
    std::string name;
    for (const char c : *text) name += static_cast<char>(c >= 'a' && c <= 'z' ? c - 'a' + 'A' : c);
    if (name.starts_with("SIG")) name.erase(0, 3);
    for (int number = 1; number < SIGRTMIN; ++number) {
      const char* known = ::sigabbrev_np(number);
      if (known && name == known) return number;
    }
  }
  return fail(fmt::format("{} is no signal", task::describe(signal)));
}

Panel::Panel(Steering& worker, Events& events, Revoked& revoked, Clock& clock)
    : worker_(worker), events_(events), revoked_(revoked), clock_(clock) {}

const std::vector<Panel::Entry>& Panel::methods() {
  // With the older names that Celery still takes.
  static const std::vector<Entry> all{
      {"ping", &Panel::ping},
      {"stats", &Panel::stats},
      {"active", &Panel::active},
      {"dump_active", &Panel::active},
      {"reserved", &Panel::reserved},
      {"dump_reserved", &Panel::reserved},
      {"scheduled", &Panel::scheduled},
      {"dump_schedule", &Panel::scheduled},
      {"registered", &Panel::registered},
      {"dump_tasks", &Panel::registered},
      {"revoked", &Panel::revoked},
      {"dump_revoked", &Panel::revoked},
      {"active_queues", &Panel::active_queues},
      {"query_task", &Panel::query_task},
      {"conf", &Panel::conf},
      {"dump_conf", &Panel::conf},
      {"report", &Panel::report},
      {"clock", &Panel::clock},
      {"memsample", &Panel::memsample},
      {"memdump", &Panel::memdump},
      {"objgraph", &Panel::objgraph},
      {"hello", &Panel::hello},
      {"election", &Panel::election},
      {"revoke", &Panel::revoke},
      {"terminate", &Panel::terminate},
      {"revoke_by_stamped_headers", &Panel::revoke_by_stamps},
      {"rate_limit", &Panel::rate_limit},
      {"time_limit", &Panel::time_limit},
      {"pool_grow", &Panel::pool_grow},
      {"pool_shrink", &Panel::pool_shrink},
      {"pool_restart", &Panel::pool_restart},
      {"autoscale", &Panel::autoscale},
      {"add_consumer", &Panel::add_consumer},
      {"cancel_consumer", &Panel::cancel_consumer},
      {"enable_events", &Panel::enable_events},
      {"disable_events", &Panel::disable_events},
      {"heartbeat", &Panel::heartbeat},
      {"shutdown", &Panel::shutdown},
  };
  return all;
}

Result<task::Value> Panel::call(std::string_view method, const Arguments& arguments) {
  const auto& all = methods();
  const auto known = std::find_if(all.begin(), all.end(), [&](const Entry& each) { return each.name == method; });
  if (known == all.end()) return fail(fmt::format("no such control command: {}", method));
  return (this->*known->method)(arguments);
}

bool Panel::is_revoked(const task::Task& task) const {
  if (!revoked_.empty() && revoked_.contains(task.id)) return true;
  return std::any_of(revoked_stamps_.begin(), revoked_stamps_.end(),
                     [&](const auto& each) { return has_stamp(task, each.first, each.second); });
}

// --- inspect ---------------------------------------------------------------------------------------------------------

Result<task::Value> Panel::ping(const Arguments&) {
  return ok("pong");
}
Result<task::Value> Panel::stats(const Arguments&) {
  const auto uptime = std::chrono::steady_clock::now() - began_;
  return worker::stats(worker_, clock_, std::chrono::duration_cast<std::chrono::seconds>(uptime));
}
Result<task::Value> Panel::active(const Arguments& arguments) {
  return list_tasks(worker_, Steering::Stage::active, flag_argument(arguments, "safe"));
}
Result<task::Value> Panel::reserved(const Arguments& arguments) {
  return list_tasks(worker_, Steering::Stage::reserved, flag_argument(arguments, "safe"));
}
Result<task::Value> Panel::scheduled(const Arguments&) {
  return list_scheduled(worker_);
}
Result<task::Value> Panel::registered(const Arguments& arguments) {
  return list_registered(worker_, task::find(arguments, "taskinfoitems"));
}
Result<task::Value> Panel::revoked(const Arguments&) {
  return to_array(revoked_.ids());
}
Result<task::Value> Panel::active_queues(const Arguments&) {
  return list_queues(worker_);
}
Result<task::Value> Panel::query_task(const Arguments& arguments) {
  return query_tasks(worker_, task::find(arguments, "ids"));
}
Result<task::Value> Panel::conf(const Arguments&) {
  return configuration(worker_);
}
Result<task::Value> Panel::report(const Arguments&) {
  return ok(worker::report(worker_));
}
Result<task::Value> Panel::clock(const Arguments&) {
  return Map{{"clock", clock_.value()}};
}
Result<task::Value> Panel::memsample(const Arguments&) {
  return memory_sample();
}
Result<task::Value> Panel::memdump(const Arguments&) {
  return "resident " + memory_sample();
}
Result<task::Value> Panel::objgraph(const Arguments&) {
  return fail("objgraph draws Python's objects, and this worker is none of Python's");
}

Result<task::Value> Panel::hello(const Arguments& arguments) {
  // It starts: what it knows is news here, and what is known here is news there.
  if (const task::Value* theirs = task::find(arguments, "revoked"); theirs && !theirs->is_null()) {
    if (!revoked_.merge(*theirs, panel_now()).empty()) worker_.drop_revoked();
  }
  return Map{{"revoked", revoked_.for_peer(panel_now())}, {"clock", clock_.forward()}};
}

// Celery's gossip elects who runs an action of its users' own. There are none here, so this worker never stands.
Result<task::Value> Panel::election(const Arguments&) {
  return task::Value();
}

// --- control ---------------------------------------------------------------------------------------------------------

Result<task::Value> Panel::revoke_ids(const std::vector<std::string>& ids, bool terminate, const task::Value* signal) {
  const auto number = parse_signal(signal ? *signal : task::Value());
  if (!number) return tl::unexpected(number.error());
  revoked_.add(ids, panel_now());
  worker_.drop_revoked();
  if (!terminate) {
    log::info("worker", "tasks flagged as revoked: {}", fmt::join(ids, ", "));
    return ok(fmt::format("tasks {} flagged as revoked", fmt::join(ids, ", ")));
  }
  auto named = [&](const task::Task& task) { return std::find(ids.begin(), ids.end(), task.id) != ids.end(); };
  const std::vector<std::string> ended = worker_.terminate(named, *number);
  if (ended.empty()) return ok("terminate: tasks unknown");
  return ok(fmt::format("terminate: {}", fmt::join(ended, ", ")));
}

Result<task::Value> Panel::revoke(const Arguments& arguments) {
  return revoke_ids(texts_argument(arguments, "task_id"), flag_argument(arguments, "terminate"),
                    task::find(arguments, "signal"));
}

Result<task::Value> Panel::terminate(const Arguments& arguments) {
  return revoke_ids(texts_argument(arguments, "task_id"), true, task::find(arguments, "signal"));
}

Result<task::Value> Panel::revoke_by_stamps(const Arguments& arguments) {
  const task::Value* headers = task::find(arguments, "headers");
  const Map* stamps = headers ? headers->get<Map>() : nullptr;
  if (stamps == nullptr || stamps->empty()) return fail("'headers' must be a map of stamps and their values");
  const task::Value* signal = task::find(arguments, "signal");
  const auto number = parse_signal(signal ? *signal : task::Value());
  if (!number) return tl::unexpected(number.error());
  for (const auto& [name, values] : *stamps) {
    auto same = [&](const auto& each) { return each.first == name && each.second == values; };
    if (std::none_of(revoked_stamps_.begin(), revoked_stamps_.end(), same)) revoked_stamps_.emplace_back(name, values);
  }
  if (revoked_stamps_.size() > most_revoked_stamps) {
    revoked_stamps_.erase(revoked_stamps_.begin(), revoked_stamps_.end() - most_revoked_stamps);
  }
  worker_.drop_revoked();
  std::vector<std::string> names;
  for (const auto& each : *stamps) names.push_back(each.first);
  if (!flag_argument(arguments, "terminate")) {
    return ok(fmt::format("headers {} flagged as revoked, but not terminated", fmt::join(names, ", ")));
  }
  auto stamped = [&](const task::Task& task) {
    return std::any_of(stamps->begin(), stamps->end(),
                       [&](const auto& each) { return has_stamp(task, each.first, each.second); });
  };
  const std::vector<std::string> ended = worker_.terminate(stamped, *number);
  if (ended.empty()) return ok("terminate: tasks unknown");
  return ok(fmt::format("terminate: {}", fmt::join(ended, ", ")));
}

Result<task::Value> Panel::rate_limit(const Arguments& arguments) {
  const std::string name = text_argument(arguments, "task_name");
  const std::string rate = text_argument(arguments, "rate_limit");
  if (worker_.tasks().find(name) == nullptr) return fail("unknown task");
  if (auto set = worker_.set_rate_limit(name, rate); !set) {
    return fail("Invalid rate limit string: " + set.error().message);
  }
  log::info("worker", "rate limit of {}: {}", name, rate.empty() ? "none" : rate);
  return ok(worker_.rate_limit(name).empty() ? "rate limit disabled successfully" : "new rate limit set successfully");
}

Result<task::Value> Panel::time_limit(const Arguments& arguments) {
  const std::string name = text_argument(arguments, "task_name");
  if (worker_.tasks().find(name) == nullptr) return fail("unknown task");
  auto soft = seconds_argument(arguments, "soft");
  if (!soft) return tl::unexpected(soft.error());
  auto hard = seconds_argument(arguments, "hard");
  if (!hard) return tl::unexpected(hard.error());
  worker_.set_time_limits(name, *soft, *hard);
  return ok("time limits set successfully");
}

Result<task::Value> Panel::pool_grow(const Arguments& arguments) {
  auto count = count_argument(arguments, "n", most_concurrency);
  if (!count) return tl::unexpected(count.error());
  if (auto grown = worker_.grow(static_cast<int>(count->value_or(1))); !grown) return tl::unexpected(grown.error());
  return ok("pool will grow");
}

Result<task::Value> Panel::pool_shrink(const Arguments& arguments) {
  auto count = count_argument(arguments, "n", most_concurrency);
  if (!count) return tl::unexpected(count.error());
  if (auto shrunk = worker_.grow(-static_cast<int>(count->value_or(1))); !shrunk) {
    return tl::unexpected(shrunk.error());
  }
  return ok("pool will shrink");
}

Result<task::Value> Panel::pool_restart(const Arguments&) {
  if (auto restarted = worker_.restart_pool(); !restarted) return tl::unexpected(restarted.error());
  return ok("reload started");
}

Result<task::Value> Panel::autoscale(const Arguments& arguments) {
  auto max = count_argument(arguments, "max", most_concurrency);
  if (!max) return tl::unexpected(max.error());
  auto min = count_argument(arguments, "min", most_concurrency);
  if (!min) return tl::unexpected(min.error());
  auto now = worker_.autoscale(*max, *min);
  if (!now) return tl::unexpected(now.error());
  return ok(fmt::format("autoscale now max={} min={}", now->first, now->second));
}

Result<task::Value> Panel::add_consumer(const Arguments& arguments) {
  Steering::ConsumedQueue queue;
  queue.name = text_argument(arguments, "queue");
  if (queue.name.empty()) return fail("'queue' is missing");
  queue.exchange = text_argument(arguments, "exchange");
  queue.exchange_type = text_argument(arguments, "exchange_type");
  queue.routing_key = text_argument(arguments, "routing_key");
  // Celery's: what is not said is called as the queue is.
  if (queue.exchange.empty()) queue.exchange = queue.name;
  if (queue.exchange_type.empty()) queue.exchange_type = "direct";
  if (queue.routing_key.empty()) queue.routing_key = queue.name;
  const std::string name = queue.name;
  log::info("worker", "takes tasks from queue '{}' as well, as it was asked to", name);
  worker_.add_queue(std::move(queue));
  return ok("add consumer " + name);
}

Result<task::Value> Panel::cancel_consumer(const Arguments& arguments) {
  const std::string name = text_argument(arguments, "queue");
  log::info("worker", "takes no more tasks from queue '{}', as it was asked", name);
  worker_.cancel_queue(name);
  return ok("no longer consuming from " + name);
}

Result<task::Value> Panel::enable_events(const Arguments&) {
  if (events_.tasks_wanted()) return ok("task events already enabled");
  events_.want_tasks(true);
  log::info("worker", "events of tasks are sent from now on");
  return ok("task events enabled");
}

Result<task::Value> Panel::disable_events(const Arguments&) {
  if (!events_.tasks_wanted()) return ok("task events already disabled");
  events_.want_tasks(false);
  log::info("worker", "events of tasks are no longer sent");
  return ok("task events disabled");
}

Result<task::Value> Panel::heartbeat(const Arguments&) {
  events_.heartbeat();
  return task::Value();
}

Result<task::Value> Panel::shutdown(const Arguments&) {
  log::warning("worker", "asked to shut down by remote control");
  worker_.shut_down();
  return task::Value();
}

}  // namespace wherry::worker
