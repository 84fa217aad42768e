#include <atomic>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <exception>
#include <optional>

#include <fmt/format.h>
#include <unistd.h>

#include "base/log.h"
#include "wherry/error.h"
#include "wherry/scheduler.h"
#include "wherry/worker.h"
#include "worker/cli/libraries.h"
#include "worker/cli/options.h"
#include "worker/cli/outbox.h"
#include "worker/cli/schedule.h"
#include "worker/cli/setup.h"
#include "worker/reload.h"

namespace {

using namespace wherry;

int refuse(const std::string& reason) {
  std::fprintf(stderr, "wherry-worker: %s\n", reason.c_str());
  return 2;
}

void print_ready(const Worker& worker) {
  const WorkerOptions& in_use = worker.options();
  const std::string metrics = worker.metrics_address();
  std::printf("wherry-worker ready name=%s queues=%s concurrency=%u%s pid=%d\n", in_use.name.c_str(),
              fmt::format("{}", fmt::join(in_use.queues, ",")).c_str(), in_use.concurrency,
              metrics.empty() ? "" : (" metrics=" + metrics).c_str(), ::getpid());
  std::fflush(stdout);
}

// SIGHUP: all files again. Mistakes are logged, and nothing changes.
void reload(const worker::Options& options, Worker& worker, std::optional<Scheduler>& scheduler) {
  auto setup = worker::read_setup(options);
  if (!setup) return worker::log_mistakes("the settings are wrong, nothing is changed", setup.error().message);
  const sdk::AppSettings app = setup->settings.app;
  const WorkerSettings settings = setup->settings;
  try {
    worker.reload(std::move(setup->settings), std::move(setup->options));
  } catch (const ClientError& mistake) {
    return worker::log_mistakes("the settings are wrong, nothing is changed", mistake.what());
  }
  worker::take_log_settings(settings);
  if (scheduler && setup->schedule) scheduler->reload(*std::move(setup->schedule), app);
}

// A worker with its pool, and whatever runs beside it.
int run_worker(worker::Setup setup, const worker::Options& options, std::optional<outbox::RelayConfig> relay_config) {
  Worker* self = nullptr;
  std::optional<Scheduler> scheduler;
  setup.options.on_ready = [&self] { print_ready(*self); };
  // Without a file nothing can have changed, and a hang-up is the terminal's.
  const bool has_files = options.config || setup.settings.app_path || options.app || setup.settings.schedule_path;
  if (has_files) setup.options.on_reload = [&] { reload(options, *self, scheduler); };
  const std::vector<std::string> libraries = setup.settings.load;
  const sdk::AppSettings app = setup.settings.app;
  Worker worker(std::move(setup.settings), std::move(setup.options));
  self = &worker;
  for (const std::string& library : libraries) {
    if (auto loaded = worker::load_library(library, worker.registry()); !loaded) return refuse(loaded.error().message);
  }
  worker.prefork();  // Before there are threads.
  // On a thread and a connection of its own: a busy pool makes no tick late.
  std::atomic<bool> schedule_refused = false;
  if (setup.schedule) {
    SchedulerOptions its{.name = worker.options().name + " scheduler",
                         .remote_control = worker.options().remote_control};
    its.on_refused = [&](const std::string&) {
      schedule_refused = true;
      worker.stop();
    };
    scheduler.emplace(*std::move(setup.schedule), app, std::move(its));
  }
  std::optional<outbox::OutboxRelay> relay;
  if (relay_config) relay.emplace(*std::move(relay_config));
  int code = worker.run();
  if (relay) relay->stop();
  // The next one takes over at once, whatever still runs here.
  if (scheduler) scheduler->stop();
  if (schedule_refused && code == 0) code = 2;
  // Functions still run: the process must end without taking away under them what they use.
  if (code == 1) std::_Exit(code);
  return code;
}

}  // namespace

int main(int argc, char** argv) {
  auto options = worker::parse_options(argc, argv);
  if (!options) return refuse(options.error().message);
  if (!options->answer.empty()) {
    std::fputs(options->answer.c_str(), stdout);
    return 0;
  }
  if (options->print_effective) {
    auto text = worker::effective_settings(*options);
    if (!text) return refuse(text.error().message);
    std::fputs(text->c_str(), stdout);
    return 0;
  }
  auto setup = worker::read_setup(*options);
  if (!setup) return refuse(setup.error().message);
  worker::take_log_settings(setup->settings);
  if (!setup->schedule && (options->schedule_only || options->next)) {
    return refuse("no schedule: name one with --schedule, or under schedule: in worker.yaml");
  }
  if (options->next) {
    const std::string ticks =
        worker::upcoming_ticks(*setup->schedule, *options->next, std::chrono::system_clock::now());
    std::fputs(ticks.c_str(), stdout);
    return 0;
  }
  const bool has_tasks = !setup->settings.load.empty();
  if (!has_tasks && !options->schedule_only && !options->outbox) {
    return refuse("no tasks: name a library with --load, or under load: in worker.yaml; --help shows how");
  }
  try {
    std::optional<outbox::RelayConfig> relay_config;
    if (options->outbox) {
      relay_config = worker::relay_config(*options->outbox, options->outbox_table, setup->settings.app,
                                          options->name.value_or(""));
    }
    if (relay_config && !has_tasks) return worker::run_relay(*std::move(relay_config));
    if (options->schedule_only) return worker::run_scheduler(*std::move(setup), *options);
    return run_worker(*std::move(setup), *options, std::move(relay_config));
  } catch (const std::exception& error) {
    return refuse(error.what());
  }
}
