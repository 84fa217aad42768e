// The worker's settings: config/worker.yaml and the app.yaml that it names, overridden by WHERRY_ variables, over the
// defaults that stand here. The command line wins over all of them. Every key has its page in docs/configuration.md.
//
// Threads: plain functions and data.
#pragma once

#include <chrono>
#include <optional>
#include <string>
#include <vector>

#include "base/log.h"
#include "base/result.h"
#include "base/yaml.h"
#include "sdk/settings/app_settings.h"

namespace wherry {

struct WorkerSettings {
  std::optional<std::string> app_path = {};  // Key app: of app.yaml, relative paths already resolved.
  sdk::AppSettings app = {};                 // What it holds; without a path defaults and environment.
  std::vector<std::string> queues = {};      // Empty: the app's default queue.
  unsigned concurrency = 0;                  // Tasks at once; 0: one a core.
  unsigned prefetch = 0;                     // Tasks taken from the broker at once; 0: concurrency.
  std::optional<std::chrono::milliseconds> soft_time_limit = {};
  std::chrono::milliseconds graceful_timeout{30'000};
  log::Level log_level = log::Level::info;
  std::vector<std::string> load = {};  // Paths of libraries, relative ones already resolved.
};

// Reads what the document of worker.yaml holds, but not app.yaml; mistakes stay in the document.
WorkerSettings read_worker_settings(yaml::Document& document);

// path: none for defaults and environment alone. Errors: every mistake of both files, one a line.
Result<WorkerSettings> load_worker_settings(const std::optional<std::string>& path,
                                            Environment environment = process_environment());

}  // namespace wherry
