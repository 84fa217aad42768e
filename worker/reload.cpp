#include "worker/reload.h"

#include <sstream>
#include <tuple>

#include "base/log.h"

namespace wherry::worker {

std::vector<std::string> wants_restart(const WorkerSettings& settings, const WorkerOptions& options,
                                       const WorkerSettings& new_settings, const WorkerOptions& new_options) {
  std::vector<std::string> keys;
  const auto compare = [&](const char* key, const auto& now, const auto& then) {
    if (now != then) keys.emplace_back(key);
  };
  compare("broker", settings.app.broker_url, new_settings.app.broker_url);
  compare("queues", options.queues, new_options.queues);
  compare("result_backend", options.result_backend, new_options.result_backend);
  compare("result_expires", options.result_expires, new_options.result_expires);
  compare("dead_letter_queue", options.dead_letter_queue, new_options.dead_letter_queue);
  compare("pool", options.pool, new_options.pool);
  compare("memory_limit", options.memory_limit, new_options.memory_limit);
  compare("remote_control", options.remote_control, new_options.remote_control);
  compare("task_events", options.task_events, new_options.task_events);
  compare("statedb", options.statedb, new_options.statedb);
  compare("metrics", options.metrics, new_options.metrics);
  compare("metrics_tls", std::tie(options.metrics_certificate, options.metrics_key, options.metrics_ca),
          std::tie(new_options.metrics_certificate, new_options.metrics_key, new_options.metrics_ca));
  compare("load", settings.load, new_settings.load);
  compare("schedule", settings.schedule_path, new_settings.schedule_path);
  return keys;
}

void log_mistakes(const std::string& what, const std::string& mistakes) {
  std::istringstream lines(mistakes);
  for (std::string line; std::getline(lines, line);) log::error("worker", "{}: {}", what, line);
}

}  // namespace wherry::worker
