#include "worker/settings/worker_settings.h"

#include <fmt/format.h>

#include "base/host_port.h"
#include "worker/settings/rate.h"

namespace wherry {

namespace {

constexpr std::chrono::milliseconds shortest(1);
constexpr std::chrono::milliseconds longest = std::chrono::hours(24 * 365);

TaskLimitSettings read_limits(const std::string& pattern, yaml::Map& map) {
  TaskLimitSettings out{.pattern = pattern};
  if (map.get("rate_limit", out.rate_limit)) {
    if (auto rate = parse_rate(*out.rate_limit); !rate) map.error("rate_limit", rate.error().message);
  }
  map.get("soft_time_limit", out.soft_time_limit, shortest, longest);
  map.get("time_limit", out.time_limit, shortest, longest);
  return out;
}

}  // namespace

WorkerSettings read_worker_settings(yaml::Document& document) {
  constexpr std::uint64_t most_memory = std::uint64_t{1} << 50;
  WorkerSettings out;
  yaml::Map root = document.root();
  if (root.get("app", out.app_path)) out.app_path = root.beside("app", *out.app_path);
  if (root.get("schedule", out.schedule_path)) out.schedule_path = root.beside("schedule", *out.schedule_path);
  if (root.get("queues", out.queues)) out.queues_place = root.place("queues");
  root.get("concurrency", out.concurrency, 0, 4096);
  root.get("prefetch", out.prefetch, 0, 65'535);
  root.get("soft_time_limit", out.soft_time_limit, shortest, longest);
  root.get("time_limit", out.time_limit, shortest, longest);
  for (auto& [pattern, map] : root.entries("task_limits")) out.task_limits.push_back(read_limits(pattern, map));
  root.choice<bool>("pool", out.processes, {{"threads", false}, {"processes", true}});
  root.get("max_tasks_per_child", out.max_tasks_per_child, 0, 1'000'000'000);
  root.size("max_memory_per_child", out.max_memory_per_child, 0, most_memory);
  root.size("memory_limit", out.memory_limit, 0, most_memory);
  root.get("crash_budget", out.crash_budget, 1, 1'000);
  root.get("autoscale_max", out.autoscale_max, 0, 4096);
  root.get("autoscale_min", out.autoscale_min, 1, 4096);
  root.get("remote_control", out.remote_control);
  root.get("task_events", out.task_events);
  if (root.get("statedb", out.statedb)) out.statedb = root.beside("statedb", *out.statedb);
  root.get("graceful_timeout", out.graceful_timeout, std::chrono::milliseconds(0), longest);
  root.choice<log::Level>("log_level", out.log_level,
                          {{"debug", log::Level::debug},
                           {"info", log::Level::info},
                           {"warning", log::Level::warning},
                           {"error", log::Level::error},
                           {"off", log::Level::off}});
  root.choice<log::Format>("log_format", out.log_format, {{"text", log::Format::text}, {"json", log::Format::json}});
  if (root.get("metrics", out.metrics) && !out.metrics.empty() && !is_host_and_port(out.metrics)) {
    root.error("metrics", fmt::format("'metrics' wants HOST:PORT, got '{}'", out.metrics));
  }
  yaml::Map tls = root.map("metrics_tls");
  for (const auto& [key, path] : {std::pair("certificate", &out.metrics_certificate),
                                  std::pair("key", &out.metrics_key), std::pair("ca", &out.metrics_ca)}) {
    if (tls.get(key, *path) && !path->empty()) *path = tls.beside(key, *path);
  }
  if (out.metrics_certificate.empty() && !(out.metrics_key + out.metrics_ca).empty()) {
    root.error("metrics_tls", "'metrics_tls' wants a certificate");
  }
  if (root.get("load", out.load)) out.load_place = root.place("load");
  for (std::string& library : out.load) library = root.beside("load", library);
  return out;
}

Result<WorkerSettings> load_worker_settings(const std::optional<std::string>& path, Environment environment) {
  yaml::Document document = path ? yaml::Document::load(*path, environment) : yaml::Document::empty(environment);
  WorkerSettings settings = read_worker_settings(document);
  std::string mistakes;
  if (auto read = document.finish(); !read) mistakes = read.error().message;
  auto app = sdk::load_app_settings(settings.app_path, std::move(environment));
  if (app) {
    settings.app = std::move(*app);
  } else {
    if (!mistakes.empty()) mistakes += '\n';
    mistakes += app.error().message;
  }
  if (!mistakes.empty()) return fail(std::move(mistakes));
  return settings;
}

}  // namespace wherry
