#include <cstdio>
#include <cstdlib>
#include <exception>

#include <fmt/format.h>
#include <unistd.h>

#include "base/log.h"
#include "wherry/worker.h"
#include "worker/cli/libraries.h"
#include "worker/cli/options.h"
#include "worker/settings/worker_settings.h"

namespace {

int refuse(const std::string& reason) {
  std::fprintf(stderr, "wherry-worker: %s\n", reason.c_str());
  return 2;
}

}  // namespace

int main(int argc, char** argv) {
  using namespace wherry;
  auto options = worker::parse_options(argc, argv);
  if (!options) return refuse(options.error().message);
  if (!options->answer.empty()) {
    std::fputs(options->answer.c_str(), stdout);
    return 0;
  }
  auto settings = load_worker_settings(options->config);
  if (!settings) return refuse(settings.error().message);
  if (options->app) {
    auto app = sdk::load_app_settings(options->app);
    if (!app) return refuse(app.error().message);
    settings->app = std::move(*app);
  }
  if (options->log_level && !log::parse_level(*options->log_level, settings->log_level)) {
    return refuse(fmt::format("--log-level: '{}' is none of debug, info, warning, error, off", *options->log_level));
  }
  log::set_level(settings->log_level);
  settings->load.insert(settings->load.end(), options->load.begin(), options->load.end());
  if (settings->load.empty()) {
    return refuse("no tasks: name a library with --load, or under load: in worker.yaml; --help shows how");
  }
  if (options->broker) settings->app.broker_url = *options->broker;

  try {
    WorkerOptions wanted = worker_options(*settings);
    if (!options->queues.empty()) wanted.queues = options->queues;
    if (options->concurrency) wanted.concurrency = *options->concurrency;
    if (options->prefetch) wanted.prefetch = *options->prefetch;
    if (options->name) wanted.name = *options->name;
    Worker* self = nullptr;
    wanted.on_ready = [&self] {
      const WorkerOptions& in_use = self->options();
      std::printf("wherry-worker ready name=%s queues=%s concurrency=%u pid=%d\n", in_use.name.c_str(),
                  fmt::format("{}", fmt::join(in_use.queues, ",")).c_str(), in_use.concurrency, ::getpid());
      std::fflush(stdout);
    };
    const std::vector<std::string> libraries = settings->load;
    Worker worker(std::move(*settings), std::move(wanted));
    self = &worker;
    for (const std::string& library : libraries) {
      if (auto loaded = worker::load_library(library, worker.registry()); !loaded) {
        return refuse(loaded.error().message);
      }
    }
    const int code = worker.run();
    // Functions still run: the process must end without taking away under them what they use.
    if (code == 1) std::_Exit(code);
    return code;
  } catch (const std::exception& error) {
    return refuse(error.what());
  }
}
