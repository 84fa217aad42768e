#include "wherry/worker.h"

#include <algorithm>
#include <csignal>
#include <stdexcept>
#include <thread>
#include <utility>

#include <fmt/format.h>
#include <unistd.h>

#include "base/log.h"
#include "sdk/client/configure.h"
#include "wherry/error.h"
#include "worker/runtime/runtime.h"
#include "worker/settings/worker_settings.h"

namespace wherry {

namespace {

std::string default_name() {
  char host[256] = "localhost";
  ::gethostname(host, sizeof host - 1);
  return fmt::format("wherry@{}", host);
}

void fill_in(WorkerOptions& options) {
  if (options.concurrency > most_concurrency || options.prefetch > most_prefetch) {
    throw ClientError(Errc::invalid_argument, fmt::format("a worker runs at most {} tasks at once and takes at most {}",
                                                          most_concurrency, most_prefetch));
  }
  if (options.concurrency == 0) options.concurrency = std::max(1u, std::thread::hardware_concurrency());
  if (options.prefetch == 0) options.prefetch = options.concurrency;
  if (options.name.empty()) options.name = default_name();
  if (options.queues.empty()) throw ClientError(Errc::invalid_argument, "a worker needs at least one queue");
}

RetryPolicy to_policy(const sdk::TaskRetry& retry) {
  return {retry.max_retries, retry.base, retry.factor, retry.max, retry.jitter};
}

}  // namespace

class Worker::Impl {
 public:
  Impl(sdk::AppSettings app, WorkerOptions its_options) : settings(std::move(app)), options(std::move(its_options)) {
    fill_in(options);
    if (settings.broker_url.empty()) return;
    auto parsed = sdk::parse_endpoints(settings.broker_url);
    if (!parsed) {
      const std::string place = settings.broker_place.empty() ? "" : settings.broker_place + ": ";
      throw ClientError(Errc::invalid_argument, place + parsed.error().message);
    }
    endpoints = std::move(*parsed);
  }

  int run();
  void stop_soon();

  sdk::AppSettings settings;
  WorkerOptions options;
  std::vector<sdk::Endpoint> endpoints{sdk::Endpoint{}};
  Registry registry;
  net::EventLoop loop;
  std::unique_ptr<worker::Runtime> runtime;
  int exit_code = 0;
  bool has_run = false;
};

void Worker::Impl::stop_soon() {
  if (!runtime) return loop.stop();
  runtime->stop([this](bool clean) {
    if (!clean && exit_code == 0) exit_code = 1;
    loop.stop();
  });
}

int Worker::Impl::run() {
  if (std::exchange(has_run, true)) throw std::logic_error("a worker runs once");
  const auto names = registry.names();
  log::info("worker", "tasks: {}", names.empty() ? "none" : fmt::format("{}", fmt::join(names, ", ")));
  worker::RuntimeConfig config;
  config.link.endpoints = endpoints;
  config.link.name = options.name;
  config.link.log_connection = false;  // The runtime says it in its own words.
  config.topology = sdk::configured_topology(settings);
  for (const std::string& queue : options.queues) {
    auto configured = [&](const amqp::QueueSettings& each) { return each.name == queue; };
    if (std::any_of(settings.queues.begin(), settings.queues.end(), configured)) continue;
    for (sdk::Declaration& each : sdk::queue_topology(queue)) config.if_missing.push_back(std::move(each));
  }
  config.if_missing.push_back(sdk::QueueSpec{.name = options.dead_letter_queue});
  config.options = options;
  config.policy = [this](std::string_view task) {
    const sdk::TaskRetry* retry = sdk::find_retry(settings, task);
    return retry ? to_policy(*retry) : options.retry;
  };

  runtime = std::make_unique<worker::Runtime>(
      loop, registry, std::move(config),
      [this] {
        log::info("worker", "{} takes tasks from {}", options.name, fmt::join(options.queues, ", "));
        if (options.on_ready) options.on_ready();
      },
      [this](const std::string& reason) {
        log::error("worker", "stopping: {}", reason);
        exit_code = 2;
        stop_soon();
      });
  std::unique_ptr<net::SignalWatch> signals;
  if (options.handle_signals) {
    signals = std::make_unique<net::SignalWatch>(loop, std::initializer_list<int>{SIGTERM, SIGINT}, [this](int number) {
      log::info("worker", "{}", number == SIGINT ? "SIGINT" : "SIGTERM");
      stop_soon();
    });
  }
  runtime->start();
  loop.run();
  signals.reset();
  runtime.reset();
  return exit_code;
}

Worker::Worker(const std::string& url, WorkerOptions options) {
  sdk::AppSettings settings;
  settings.broker_url = url;
  settings.dead_letter_queue = options.dead_letter_queue;
  impl_ = std::make_unique<Impl>(std::move(settings), std::move(options));
}

WorkerOptions worker_options(const WorkerSettings& settings) {
  WorkerOptions options;
  options.queues = settings.queues.empty() ? std::vector{settings.app.default_queue} : settings.queues;
  options.concurrency = settings.concurrency;
  options.prefetch = settings.prefetch;
  options.dead_letter_queue = settings.app.dead_letter_queue;
  options.graceful_timeout = settings.graceful_timeout;
  options.soft_time_limit = settings.soft_time_limit;
  return options;
}

Worker Worker::from_file(const std::string& path, const std::function<void(WorkerOptions&)>& adjust) {
  auto settings = load_worker_settings(path);
  if (!settings) throw ClientError(Errc::invalid_argument, settings.error().message);
  WorkerOptions options = worker_options(*settings);
  if (adjust) adjust(options);
  return Worker(std::move(*settings), std::move(options));
}

Worker::Worker(WorkerSettings settings, WorkerOptions options)
    : impl_(std::make_unique<Impl>(std::move(settings.app), std::move(options))) {}
Worker::Worker(Worker&&) noexcept = default;
Worker::~Worker() = default;

Registry& Worker::registry() {
  return impl_->registry;
}
const WorkerOptions& Worker::options() const {
  return impl_->options;
}
int Worker::run() {
  return impl_->run();
}
void Worker::stop() {
  impl_->loop.post([this] { impl_->stop_soon(); });
}

}  // namespace wherry
