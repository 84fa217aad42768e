// The worker's settings: config/worker.yaml and the app.yaml that it names, overridden by WHERRY_ variables, over the
// defaults that stand here. The command line wins over all of them. Every key has its page in docs/configuration.md.
//
// Threads: plain functions and data.
#pragma once

#include <chrono>
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "base/log.h"
#include "base/result.h"
#include "base/yaml.h"
#include "sdk/settings/app_settings.h"

namespace wherry {

// Limits of the tasks whose name is the pattern or fits it; they replace what the tasks' own options say.
struct TaskLimitSettings {
  std::string pattern = {};                    // base/glob.h
  std::optional<std::string> rate_limit = {};  // worker/settings/rate.h
  std::optional<std::chrono::milliseconds> soft_time_limit = {};
  std::optional<std::chrono::milliseconds> time_limit = {};
};

struct WorkerSettings {
  std::optional<std::string> app_path = {};  // Key app: of app.yaml, relative paths already resolved.
  sdk::AppSettings app = {};                 // What it holds; without a path defaults and environment.
  std::vector<std::string> queues = {};      // Empty: the app's default queue.
  std::string queues_place = {};             // Where they stand, for what others find wrong with them.
  std::string load_place = {};               // Likewise.
  unsigned concurrency = 0;                  // Tasks at once; 0: one a core.
  unsigned prefetch = 0;                     // Tasks taken from the broker at once; 0: concurrency, more while short.
  std::optional<std::chrono::milliseconds> soft_time_limit = {};
  std::optional<std::chrono::milliseconds> time_limit = {};
  std::vector<TaskLimitSettings> task_limits = {};  // In the order of the file.
  bool processes = false;                           // Key pool: threads or processes.
  unsigned max_tasks_per_child = 0;
  std::uint64_t max_memory_per_child = 0;
  std::uint64_t memory_limit = 0;
  unsigned crash_budget = 3;
  unsigned autoscale_max = 0;  // 0: concurrency is fixed.
  unsigned autoscale_min = 1;
  bool remote_control = true;
  bool task_events = false;
  std::optional<std::string> statedb = {};  // Path, already resolved.
  std::chrono::milliseconds graceful_timeout{30'000};
  log::Level log_level = log::Level::info;
  log::Format log_format = log::Format::text;
  std::string metrics = {};              // HOST:PORT; empty: no metrics are served.
  std::string metrics_certificate = {};  // Of metrics_tls: paths, resolved. Empty: plain HTTP.
  std::string metrics_key = {};
  std::string metrics_ca = {};
  std::optional<std::string> schedule_path = {};  // Key schedule: of schedule.yaml, resolved likewise; not read here.
  std::vector<std::string> load = {};             // Paths of libraries, relative ones already resolved.
};

// Reads what the document of worker.yaml holds, but not app.yaml; mistakes stay in the document.
WorkerSettings read_worker_settings(yaml::Document& document);

// path: none for defaults and environment alone. Errors: every mistake of both files, one a line.
Result<WorkerSettings> load_worker_settings(const std::optional<std::string>& path,
                                            Environment environment = process_environment());

}  // namespace wherry
