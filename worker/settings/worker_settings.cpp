#include "worker/settings/worker_settings.h"

namespace wherry {

WorkerSettings read_worker_settings(yaml::Document& document) {
  constexpr std::chrono::milliseconds shortest(1);
  constexpr std::chrono::milliseconds longest = std::chrono::hours(24 * 365);
  WorkerSettings out;
  yaml::Map root = document.root();
  if (root.get("app", out.app_path)) out.app_path = root.beside("app", *out.app_path);
  root.get("queues", out.queues);
  root.get("concurrency", out.concurrency, 0, 4096);
  root.get("prefetch", out.prefetch, 0, 65'535);
  root.get("soft_time_limit", out.soft_time_limit, shortest, longest);
  root.get("graceful_timeout", out.graceful_timeout, std::chrono::milliseconds(0), longest);
  root.choice<log::Level>("log_level", out.log_level,
                          {{"debug", log::Level::debug},
                           {"info", log::Level::info},
                           {"warning", log::Level::warning},
                           {"error", log::Level::error},
                           {"off", log::Level::off}});
  root.get("load", out.load);
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
