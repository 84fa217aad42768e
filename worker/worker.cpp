#include "wherry/worker.h"

#include <algorithm>
#include <csignal>
#include <future>
#include <optional>
#include <stdexcept>
#include <thread>
#include <utility>

#include <fmt/format.h>
#include <unistd.h>

#include "base/log.h"
#include "base/notify.h"
#include "net/address.h"
#include "net/watchdog.h"
#include "sdk/client/configure.h"
#include "sdk/endpoint/local_broker.h"
#include "sdk/results/backend.h"
#include "wherry/error.h"
#include "worker/metrics/endpoint.h"
#include "worker/pool/child.h"
#include "worker/pool/fork_server.h"
#include "worker/reload.h"
#include "worker/runtime/runtime.h"
#include "worker/runtime/setup.h"
#include "worker/settings/worker_settings.h"

namespace wherry {

namespace {

// None: the program has said nothing, and the signal does what it does to any program.
std::vector<int> signals_of(const WorkerOptions& options) {
  if (!options.handle_signals) return {};
  std::vector<int> signals{SIGTERM, SIGINT, SIGQUIT};
  if (options.on_reload) signals.push_back(SIGHUP);
  return signals;
}

}  // namespace

class Worker::Impl {
 public:
  Impl(WorkerSettings files, WorkerOptions its_options) : settings(std::move(files)), options(std::move(its_options)) {
    read_ahead = options.prefetch == 0;
    worker::fill_in(options);
    if (auto usable = results::check(options.result_backend); !usable) {
      const bool from_file =
          options.result_backend == settings.app.result_backend && !settings.app.result_backend_place.empty();
      throw ClientError(Errc::invalid_argument,
                        (from_file ? settings.app.result_backend_place + ": " : "") + usable.error().message);
    }
    if (settings.app.broker_url.empty()) return;
    auto parsed = sdk::parse_endpoints(settings.app.broker_url);
    if (!parsed) {
      const std::string place = settings.app.broker_place.empty() ? "" : settings.app.broker_place + ": ";
      throw ClientError(Errc::invalid_argument, place + parsed.error().message);
    }
    endpoints = std::move(*parsed);
  }

  int run();
  void stop_soon();
  void stop_at_once();
  void on_signal(int number);
  void apply(WorkerSettings new_settings, const WorkerOptions& new_options);

  WorkerSettings settings;
  WorkerOptions options;
  bool read_ahead = false;
  std::vector<sdk::Endpoint> endpoints{sdk::Endpoint{}};
  Registry registry;
  net::EventLoop loop;
  void prefork();
  bool needs_processes() const;
  sdk::Router router() const {
    return sdk::configured_router(std::make_shared<const sdk::AppSettings>(settings.app), settings.app.default_queue);
  }

  std::unique_ptr<worker::ForkServer> fork_server;
  // Whatever is asked of the runtime by another thread; none when the loop does not answer.
  template <class Answer>
  std::optional<Answer> ask(std::function<Answer(worker::Runtime&)> question);
  void serve_metrics();

  std::unique_ptr<worker::Runtime> runtime;
  std::unique_ptr<metrics::Endpoint> endpoint;
  ServiceManager manager;
  int exit_code = 0;
  bool has_run = false;
  bool ready = false;
  bool stopping = false;
};

void Worker::Impl::stop_soon() {
  if (!runtime) return loop.stop();
  stopping = true;
  manager.stopping("finishing what runs");
  runtime->stop([this](bool clean) {
    if (!clean && exit_code == 0) exit_code = 1;
    loop.stop();
  });
}

void Worker::Impl::stop_at_once() {
  if (!runtime) return loop.stop();
  stopping = true;
  manager.stopping("giving up what runs");
  runtime->abandon([this](bool clean) {
    if (!clean && exit_code == 0) exit_code = 1;
    loop.stop();
  });
}

void Worker::Impl::on_signal(int number) {
  switch (number) {
    case SIGHUP:
      if (stopping) break;
      log::info("worker", "SIGHUP: reading the settings again");
      // What is not ready yet does not become so by reading.
      if (ready) manager.reloading();
      options.on_reload();
      if (ready) manager.ready("takes tasks, with the settings as they were read last");
      break;
    case SIGQUIT:
      log::info("worker", "SIGQUIT");
      stop_at_once();
      break;
    default:
      log::info("worker", "{}", number == SIGINT ? "SIGINT" : "SIGTERM");
      stop_soon();
  }
}

template <class Answer>
std::optional<Answer> Worker::Impl::ask(std::function<Answer(worker::Runtime&)> question) {
  constexpr std::chrono::seconds patience{2};
  // Shared: an answer may come after its time.
  auto promised = std::make_shared<std::promise<Answer>>();
  auto answer = promised->get_future();
  loop.post([this, promised, question = std::move(question)] { promised->set_value(question(*runtime)); });
  if (answer.wait_for(patience) != std::future_status::ready) return std::nullopt;
  return answer.get();
}

void Worker::Impl::serve_metrics() {
  if (options.metrics.empty()) return;
  auto address = net::parse_address(options.metrics, 0);
  if (!address) throw ClientError(Errc::invalid_argument, "metrics: " + address.error().message);
  metrics::Endpoint::Probes probes;
  probes.metrics = [this](metrics::Exposition::Format format) {
    return ask<metrics::Exposition>([format](worker::Runtime& its) {
      metrics::Exposition text(format);
      its.write_metrics(text);
      return text;
    });
  };
  probes.lives = [this] { return ask<bool>([](worker::Runtime&) { return true; }).has_value(); };
  probes.not_ready = [this]() -> std::optional<std::string> {
    auto answer = ask<std::optional<std::string>>([](worker::Runtime& its) { return its.not_ready(); });
    return answer ? *answer : "the worker does not answer";
  };
  auto listening = metrics::Endpoint::listen(address->host, address->port, std::move(probes),
                                             {options.metrics_certificate, options.metrics_key, options.metrics_ca});
  if (!listening) throw ClientError(Errc::invalid_argument, listening.error().message);
  endpoint = *std::move(listening);
}

void Worker::Impl::apply(WorkerSettings new_settings, const WorkerOptions& new_options) {
  if (!runtime) return;
  for (const std::string& key : worker::wants_restart(settings, options, new_settings, new_options)) {
    log::warning("worker", "'{}' has changed, which takes a restart: it stays as it was", key);
  }
  settings.app.exchanges = std::move(new_settings.app.exchanges);
  settings.app.queues = std::move(new_settings.app.queues);
  settings.app.bindings = std::move(new_settings.app.bindings);
  settings.app.task_routes = std::move(new_settings.app.task_routes);
  settings.app.task_retries = std::move(new_settings.app.task_retries);
  settings.app.default_queue = std::move(new_settings.app.default_queue);
  worker::take_reloadable(options, new_options);
  runtime->reload(sdk::configured_topology(settings.app), router(), options);
  if (auto read = endpoint ? endpoint->renew() : Result<void>(); !read) {
    log::error("worker", "metrics_tls cannot be used, and stays as it was: {}", read.error().message);
  }
  log::info("worker", "the settings that were read again are in use");
}

bool Worker::Impl::needs_processes() const {
  if (options.pool == Isolate::process) return true;
  const auto names = registry.names();
  return std::any_of(names.begin(), names.end(),
                     [&](const std::string& name) { return registry.find(name)->options.isolate == Isolate::process; });
}

void Worker::Impl::prefork() {
  if (fork_server || !needs_processes()) return;
#if !defined(__SANITIZE_THREAD__)  // Which has a thread of its own.
  if (const unsigned threads = worker::ForkServer::own_threads(); threads > 1) {
    throw std::logic_error(
        fmt::format("tasks run in processes, which must be forked while this one has a single thread, "
                    "and it has {}: call prefork() before they begin",
                    threads));
  }
#endif
  auto serve = [this](int socket, int crash_file) {
    worker::serve_tasks(socket, crash_file, registry, {options.memory_limit});
  };
  auto started = worker::ForkServer::start(serve);
  if (!started) throw ClientError(Errc::invalid_argument, "no process for the pool: " + started.error().message);
  fork_server = std::move(*started);
}

int Worker::Impl::run() {
  if (std::exchange(has_run, true)) throw std::logic_error("a worker runs once");
  if (options.notify) manager = ServiceManager::from_environment();
  prefork();
  // Not before: a broker in this process has threads.
  const auto brokers = sdk::open_local_brokers(endpoints);
  if (!brokers) throw ClientError(Errc::invalid_argument, brokers.error().message);
  const auto names = registry.names();
  log::info("worker", "tasks: {}", names.empty() ? "none" : fmt::format("{}", fmt::join(names, ", ")));
  worker::RuntimeConfig config = worker::runtime_config(settings.app, options, endpoints);
  config.read_ahead = read_ahead;
  config.fork_server = fork_server.get();
  // As they are by then: they may be read again.
  config.policy = [this](std::string_view task) { return worker::policy_of(settings.app, options.retry, task); };

  runtime = std::make_unique<worker::Runtime>(
      loop, registry, std::move(config),
      [this] {
        log::info("worker", "{} takes tasks from {}", options.name, fmt::join(options.queues, ", "));
        ready = true;
        manager.ready(fmt::format("takes tasks from {}", fmt::join(options.queues, ", ")));
        if (options.on_ready) options.on_ready();
      },
      [this](const std::string& reason) {
        log::error("worker", "stopping: {}", reason);
        exit_code = 2;
        stop_soon();
      },
      [this] { stop_soon(); }, [this](std::string_view line) { manager.status(line); });
  auto signals =
      std::make_unique<net::SignalWatch>(loop, signals_of(options), [this](int number) { on_signal(number); });
  const auto patience = manager.watchdog().value_or(std::chrono::microseconds(0));
  auto watchdog =
      std::make_unique<net::Watchdog>(loop, manager, [this, patience] { return runtime->takes_tasks(patience); });
  serve_metrics();
  runtime->start();
  loop.run();
  endpoint.reset();
  watchdog.reset();
  signals.reset();
  runtime.reset();
  return exit_code;
}

Worker::Worker(const std::string& url, WorkerOptions options) {
  WorkerSettings settings;
  settings.app.broker_url = url;
  settings.app.dead_letter_queue = options.dead_letter_queue;
  impl_ = std::make_unique<Impl>(std::move(settings), std::move(options));
}

WorkerOptions worker_options(const WorkerSettings& settings) {
  WorkerOptions options;
  options.queues = settings.queues.empty() ? std::vector{settings.app.default_queue} : settings.queues;
  options.concurrency = settings.concurrency;
  options.prefetch = settings.prefetch;
  options.queue_type = settings.app.quorum_queues ? QueueType::quorum : QueueType::classic;
  options.dead_letter_queue = settings.app.dead_letter_queue;
  options.result_backend = settings.app.result_backend;
  options.result_expires = settings.app.result_expires;
  options.graceful_timeout = settings.graceful_timeout;
  options.soft_time_limit = settings.soft_time_limit;
  options.time_limit = settings.time_limit;
  options.pool = settings.processes ? Isolate::process : Isolate::thread;
  options.max_tasks_per_child = settings.max_tasks_per_child;
  options.max_memory_per_child = settings.max_memory_per_child;
  options.memory_limit = settings.memory_limit;
  options.crash_budget = settings.crash_budget;
  options.autoscale_max = settings.autoscale_max;
  options.autoscale_min = settings.autoscale_min;
  options.remote_control = settings.remote_control;
  options.task_events = settings.task_events;
  if (settings.statedb) options.statedb = *settings.statedb;
  options.metrics = settings.metrics;
  options.metrics_certificate = settings.metrics_certificate;
  options.metrics_key = settings.metrics_key;
  options.metrics_ca = settings.metrics_ca;
  for (const TaskLimitSettings& each : settings.task_limits) {
    options.task_limits.push_back({each.pattern, each.rate_limit, each.soft_time_limit, each.time_limit});
  }
  return options;
}

Worker Worker::from_file(const std::string& path, const std::function<void(WorkerOptions&)>& adjust) {
  const auto read = [path, adjust]() -> std::pair<WorkerSettings, WorkerOptions> {
    auto settings = load_worker_settings(path);
    if (!settings) throw ClientError(Errc::invalid_argument, settings.error().message);
    WorkerOptions options = worker_options(*settings);
    if (adjust) adjust(options);
    return {*std::move(settings), std::move(options)};
  };
  auto [settings, options] = read();
  const bool has_own = options.on_reload != nullptr;
  Worker worker(std::move(settings), std::move(options));
  if (!has_own) {
    // The worker may be moved, what it is made of is not.
    worker.impl_->options.on_reload = [impl = worker.impl_.get(), read] {
      try {
        auto [again, wanted] = read();
        worker::fill_in(wanted);
        impl->apply(std::move(again), wanted);
      } catch (const ClientError& mistake) {
        worker::log_mistakes("the settings are wrong, nothing is changed", mistake.what());
      }
    };
  }
  return worker;
}

Worker::Worker(WorkerSettings settings, WorkerOptions options)
    : impl_(std::make_unique<Impl>(std::move(settings), std::move(options))) {}
Worker::Worker(Worker&&) noexcept = default;
Worker::~Worker() = default;

Registry& Worker::registry() {
  return impl_->registry;
}
const WorkerOptions& Worker::options() const {
  return impl_->options;
}
std::string Worker::metrics_address() const {
  if (!impl_->endpoint) return {};
  auto address = *net::parse_address(impl_->options.metrics, 0);
  address.port = impl_->endpoint->port();
  return address.text();
}
void Worker::prefork() {
  impl_->prefork();
}
int Worker::run() {
  return impl_->run();
}
void Worker::stop() {
  impl_->loop.post([impl = impl_.get()] { impl->stop_soon(); });
}
void Worker::stop_at_once() {
  impl_->loop.post([impl = impl_.get()] { impl->stop_at_once(); });
}
void Worker::reload(WorkerSettings settings, WorkerOptions options) {
  worker::fill_in(options);
  if (impl_->loop.on_loop_thread()) return impl_->apply(std::move(settings), options);
  // Shared: std::function copies what it holds.
  auto both = std::make_shared<std::pair<WorkerSettings, WorkerOptions>>(std::move(settings), std::move(options));
  impl_->loop.post([impl = impl_.get(), both] { impl->apply(std::move(both->first), both->second); });
}

}  // namespace wherry
