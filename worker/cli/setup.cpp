#include "worker/cli/setup.h"

#include <tuple>

#include <fmt/format.h>

#include "base/host_port.h"
#include "base/log.h"
#include "base/yaml.h"

namespace wherry::worker {

namespace {

// The command line over what the settings say.
WorkerOptions with_options(WorkerOptions wanted, const Options& options) {
  if (!options.queues.empty()) wanted.queues = options.queues;
  if (options.concurrency) wanted.concurrency = *options.concurrency;
  if (options.prefetch) wanted.prefetch = *options.prefetch;
  if (options.name) wanted.name = *options.name;
  if (options.autoscale) std::tie(wanted.autoscale_max, wanted.autoscale_min) = *options.autoscale;
  if (options.pool) wanted.pool = *options.pool == "processes" ? Isolate::process : Isolate::thread;
  if (options.max_tasks_per_child) wanted.max_tasks_per_child = *options.max_tasks_per_child;
  if (options.task_events) wanted.task_events = true;
  if (options.statedb) wanted.statedb = *options.statedb;
  if (options.result_backend) wanted.result_backend = *options.result_backend;
  if (options.metrics) wanted.metrics = *options.metrics;
  return wanted;
}

}  // namespace

Result<Setup> read_setup(const Options& options) {
  auto settings = load_worker_settings(options.config);
  if (!settings) return tl::unexpected(settings.error());
  Setup setup;
  setup.settings = *std::move(settings);
  if (options.app) {
    auto app = sdk::load_app_settings(options.app);
    if (!app) return tl::unexpected(app.error());
    setup.settings.app = *std::move(app);
  }
  if (options.log_level && !log::parse_level(*options.log_level, setup.settings.log_level)) {
    return fail(fmt::format("--log-level: '{}' is none of debug, info, warning, error, off", *options.log_level));
  }
  if (options.log_format && !log::parse_format(*options.log_format, setup.settings.log_format)) {
    return fail(fmt::format("--log-format: '{}' is neither text nor json", *options.log_format));
  }
  if (options.metrics && !is_host_and_port(*options.metrics)) {
    return fail(fmt::format("--metrics: '{}' is no HOST:PORT", *options.metrics));
  }
  if (options.broker) setup.settings.app.broker_url = *options.broker;
  if (options.schedule) setup.settings.schedule_path = options.schedule;
  if (setup.settings.schedule_path) {
    auto schedule = schedule::load_schedule(*setup.settings.schedule_path);
    if (!schedule) return tl::unexpected(schedule.error());
    setup.schedule = *std::move(schedule);
  }
  setup.settings.load.insert(setup.settings.load.end(), options.load.begin(), options.load.end());
  setup.options = with_options(worker_options(setup.settings), options);
  return setup;
}

Result<std::string> effective_settings(const Options& options) {
  if (auto setup = read_setup(options); !setup) return tl::unexpected(setup.error());
  const auto open = [](const std::optional<std::string>& path) {
    return path ? yaml::Document::load(*path, process_environment()) : yaml::Document::empty(process_environment());
  };
  std::vector<yaml::Override> given;
  const auto give = [&](const char* path, const auto& value, const char* option) {
    if (value) given.push_back({path, fmt::format("{}", *value), option});
  };
  give("schedule", options.schedule, "--schedule");
  give("app", options.app, "--app");
  if (!options.queues.empty()) given.push_back({"queues", options.queues, "--queues"});
  give("concurrency", options.concurrency, "--concurrency");
  give("prefetch", options.prefetch, "--prefetch");
  give("pool", options.pool, "--pool");
  give("max_tasks_per_child", options.max_tasks_per_child, "--max-tasks-per-child");
  if (options.autoscale) {
    given.push_back({"autoscale_max", std::to_string(options.autoscale->first), "--autoscale"});
    given.push_back({"autoscale_min", std::to_string(options.autoscale->second), "--autoscale"});
  }
  if (options.task_events) given.push_back({"task_events", "true", "--task-events"});
  give("statedb", options.statedb, "--statedb");
  give("metrics", options.metrics, "--metrics");
  give("log_level", options.log_level, "--log-level");
  give("log_format", options.log_format, "--log-format");

  yaml::Document worker = open(options.config);
  const WorkerSettings settings = read_worker_settings(worker);
  if (!options.load.empty()) {
    std::vector<std::string> load = settings.load;
    load.insert(load.end(), options.load.begin(), options.load.end());
    given.push_back({"load", std::move(load), "--load"});
  }
  std::string text = "# worker.yaml\n" + worker.effective(given);

  std::vector<yaml::Override> given_app;
  if (options.broker) given_app.push_back({"broker.url", *options.broker, "--broker"});
  if (options.result_backend) given_app.push_back({"result_backend", *options.result_backend, "--result-backend"});
  yaml::Document app = open(options.app ? options.app : settings.app_path);
  sdk::read_app_settings(app);
  text += "---\n# app.yaml\n" + app.effective(given_app);
  if (const auto schedule = options.schedule ? options.schedule : settings.schedule_path) {
    yaml::Document entries = open(schedule);
    schedule::read_schedule(entries);
    text += "---\n# schedule.yaml\n" + entries.effective();
  }
  return text;
}

void take_log_settings(const WorkerSettings& settings) {
  log::set_level(settings.log_level);
  log::set_format(settings.log_format);
}

}  // namespace wherry::worker
