#include <algorithm>
#include <cstdlib>
#include <filesystem>
#include <mutex>
#include <thread>
#include <utility>

#include <fmt/format.h>

#include "base/log.h"
#include "base/wall_clock.h"
#include "embedded/brokers.h"
#include "embedded/snapshot.h"
#include "protocol/task/envelope.h"
#include "protocol/task/repr.h"
#include "testing/mishaps.h"
#include "wherry/embedded.h"
#include "wherry/testing.h"
#include "worker/runtime/setup.h"

namespace wherry::testing {

namespace {

constexpr std::size_t most_shown = 50;
constexpr std::size_t most_looked_at = 1'000'000;

// A folder of its own, gone with it.
class Folder {
 public:
  Folder() {
    std::string pattern = (std::filesystem::temp_directory_path() / "wherry-testing-XXXXXX").string();
    if (::mkdtemp(pattern.data()) == nullptr) throw std::runtime_error("no temporary folder can be made: " + pattern);
    path_ = pattern;
  }
  ~Folder() {
    std::error_code ignored;
    std::filesystem::remove_all(path_, ignored);
  }
  Folder(const Folder&) = delete;
  Folder& operator=(const Folder&) = delete;
  const std::string& path() const { return path_; }

 private:
  std::string path_;
};

class QuietLog {
 public:
  QuietLog() { log::set_level(std::max(before_, log::Level::error)); }
  ~QuietLog() { log::set_level(before_); }

 private:
  const log::Level before_ = log::level();
};

worker::Mishap to_mishap(std::string_view kind, const Mishap& asked, std::chrono::milliseconds delay) {
  using Kind = worker::Mishap::Kind;
  worker::Mishap mishap;
  mishap.kind = kind == "crash"        ? Kind::crash
                : kind == "disconnect" ? Kind::disconnect
                : kind == "duplicate"  ? Kind::duplicate
                                       : Kind::delay;
  mishap.moment = asked.step == Step::before_run  ? worker::Moment::before_run
                  : asked.step == Step::after_run ? worker::Moment::after_run
                                                  : worker::Moment::before_ack;
  if (mishap.kind == Kind::duplicate && mishap.moment != worker::Moment::before_ack) {
    throw std::logic_error("a task is duplicated in place of its acknowledgement: the step is before_ack");
  }
  mishap.delay = delay;
  return mishap;
}

std::string text_of(const embedded::QueueCounts& queue) {
  return fmt::format("queue '{}': {} to be taken, {} not acknowledged", queue.name, queue.ready, queue.unacked);
}

sdk::AppSettings settings_of(const HarnessOptions& options) {
  sdk::AppSettings settings;
  settings.dead_letter_queue = options.worker.dead_letter_queue;
  if (options.app.empty()) return settings;
  auto loaded = sdk::load_app_settings(options.app);
  if (!loaded) throw ClientError(Errc::invalid_argument, loaded.error().message);
  return std::move(*loaded);
}

}  // namespace

class Harness::Impl final : public worker::Drill {
 public:
  explicit Impl(HarnessOptions with)
      : options(std::move(with)),
        settings(settings_of(options)),
        entry(std::static_pointer_cast<embedded::Entry>(*sdk::open_local_broker(broker.url()))) {
    if (options.store_results) {
      folder.emplace();
      result_backend = "sqlite:///" + folder->path() + "/results.sqlite";
      options.worker.result_backend = options.client.result_backend = result_backend;
    } else {
      result_backend = options.worker.result_backend;
    }
    WorkerOptions& own = options.worker;
    takes_all = own.queues == WorkerOptions{}.queues;
    if (own.concurrency == 0) own.concurrency = 1;
    own.dead_letter_queue = settings.dead_letter_queue;
    own.remote_control = false;
    own.handle_signals = false;
    worker::fill_in(own);
    client.emplace(broker.url(), options.client);
    if (options.mode == Mode::inlined) {
      entry->on_enqueued([this] {
        // What a task enqueues runs when the task has ended.
        if (!worker::Pool::on_pool_thread()) drain();
      });
    }
  }
  ~Impl() { entry->on_enqueued({}); }

  void drain();
  void pass(std::chrono::milliseconds time);
  embedded::Snapshot look() const;
  std::vector<embedded::WaitingMessage> messages(const std::string& queue) const;

  // --- worker::Drill ---
  std::optional<worker::Mishap> received(const task::Task& task) override { return mishaps.next(task.name); }
  void ran(const task::Task& task, const sdk::Delivery& delivery, const detail::Outcome& outcome) override;
  void died() override { stop_shift(); }

  // In this order: the clock is set before anything reads it, and the client goes before its broker.
  HarnessOptions options;
  const QuietLog quiet;
  SetWallClock clock{std::chrono::floor<std::chrono::milliseconds>(wall_now())};
  sdk::AppSettings settings;
  std::optional<Folder> folder;
  std::string result_backend;
  EmbeddedBroker broker;
  const std::shared_ptr<embedded::Entry> entry;
  bool takes_all = true;
  Registry registry;
  std::optional<Client> client;
  Mishaps mishaps;
  mutable std::mutex mutex;
  std::vector<Run> runs;

 private:
  std::vector<std::string> queues_of(const embedded::Snapshot& snapshot) const;
  static bool busy(const embedded::Snapshot& snapshot, const std::vector<std::string>& queues);
  void shift(const std::vector<std::string>& queues, Monotonic deadline);
  [[noreturn]] void give_up(const embedded::Snapshot& left) const;

  std::mutex draining_;
  std::function<void()> stop_shift;
};

// --- running ---------------------------------------------------------------------------------------------------------

embedded::Snapshot Harness::Impl::look() const {
  embedded::Snapshot snapshot;
  entry->with([&](embedded::Running& running) { snapshot = embedded::look(running); });
  return snapshot;
}

// Those that tasks are taken from.
std::vector<std::string> Harness::Impl::queues_of(const embedded::Snapshot& snapshot) const {
  if (!takes_all) return options.worker.queues;
  std::vector<std::string> names;
  for (const auto& each : snapshot.queues) {
    if (!each.temporary && each.name != settings.dead_letter_queue) names.push_back(each.name);
  }
  return names;
}

// What follows a task is in its queue before the task is acknowledged: with nothing ready, unacknowledged or due, there
// is nothing to come.
bool Harness::Impl::busy(const embedded::Snapshot& snapshot, const std::vector<std::string>& queues) {
  if (snapshot.next_due_ms && *snapshot.next_due_ms <= snapshot.now_ms) return true;
  for (const auto& each : snapshot.queues) {
    if (each.ready + each.unacked == 0) continue;
    if (std::find(queues.begin(), queues.end(), each.name) != queues.end()) return true;
  }
  return false;
}

void Harness::Impl::drain() {
  const auto deadline = std::chrono::steady_clock::now() + options.patience;
  std::lock_guard serial(draining_);
  while (true) {
    const embedded::Snapshot snapshot = look();
    const std::vector<std::string> queues = queues_of(snapshot);
    if (!busy(snapshot, queues)) return;
    if (std::chrono::steady_clock::now() >= deadline) give_up(snapshot);
    if (queues.empty()) {
      std::this_thread::yield();
    } else {
      shift(queues, deadline);
    }
  }
}

// One worker, from its start until there is nothing for it to do, or it dies.
void Harness::Impl::shift(const std::vector<std::string>& queues, Monotonic deadline) {
  net::EventLoop loop;
  WorkerOptions own = options.worker;
  own.queues = queues;
  worker::RuntimeConfig config = worker::runtime_config(settings, own, *sdk::parse_endpoints(broker.url()));
  config.link.backoff_first = std::chrono::milliseconds(1);
  config.link.backoff_max = std::chrono::milliseconds(10);
  config.drill = this;
  stop_shift = [&loop] { loop.stop(); };
  std::string refusal;
  auto runtime = std::make_unique<worker::Runtime>(
      loop, registry, std::move(config), [] {},
      [&](std::string why) {
        refusal = std::move(why);
        loop.stop();
      });
  net::Timer again(loop);
  std::function<void()> watch = [&] {
    // Late or not: what runs comes to its end, for it may use what the test has.
    const bool late = std::chrono::steady_clock::now() >= deadline;
    if (late || !busy(look(), queues)) return runtime->stop([&](bool) { loop.stop(); });
    again.set(std::chrono::milliseconds(1), watch);
  };
  runtime->start();
  again.set(std::chrono::milliseconds(0), watch);
  loop.run();
  runtime.reset();
  if (!refusal.empty()) throw CheckFailed("the worker cannot run tasks: " + refusal);
}

void Harness::Impl::give_up(const embedded::Snapshot& left) const {
  std::string text = fmt::format("after {} ms there are still tasks that are due:", options.patience.count());
  for (const auto& each : left.queues) {
    if (!each.temporary && each.ready + each.unacked > 0) text += "\n  " + text_of(each);
  }
  throw CheckFailed(text);
}

void Harness::Impl::pass(std::chrono::milliseconds time) {
  const WallTime end = clock.now() + time;
  drain();
  while (const auto next = look().next_due_ms) {
    const WallTime at{std::chrono::milliseconds(*next)};
    if (at > end) break;
    if (at > clock.now()) clock.advance(at - clock.now());
    drain();
  }
  clock.advance(end - clock.now());
  drain();
}

void Harness::Impl::ran(const task::Task& task, const sdk::Delivery& delivery, const detail::Outcome& outcome) {
  using Kind = detail::Outcome::Kind;
  Run run;
  run.what = {task.name, task.id, delivery.queue, task.args, task.kwargs, {}, task.priority, task.retries};
  run.redelivered = delivery.redelivered;
  run.done = outcome.kind == Kind::done;
  if (!run.done) {
    const std::string type = outcome.kind == Kind::retry ? "Retry" : outcome.kind == Kind::dead ? "Dead" : "";
    run.error = fmt::format("{}: {}", outcome.error_type.empty() ? type : outcome.error_type, outcome.reason);
  }
  std::lock_guard lock(mutex);
  runs.push_back(std::move(run));
}

std::vector<embedded::WaitingMessage> Harness::Impl::messages(const std::string& queue) const {
  std::vector<embedded::WaitingMessage> found;
  entry->with([&](embedded::Running& running) { found = embedded::waiting(running, queue, most_looked_at); });
  return found;
}

// --- the face --------------------------------------------------------------------------------------------------------

Harness::Harness(HarnessOptions options) : impl_(std::make_unique<Impl>(std::move(options))) {}
Harness::~Harness() = default;

Registry& Harness::registry() {
  return impl_->registry;
}
Client& Harness::client() {
  return *impl_->client;
}
const std::string& Harness::url() const {
  return impl_->broker.url();
}
const std::string& Harness::result_backend() const {
  return impl_->result_backend;
}

void Harness::drain() {
  impl_->drain();
}
std::chrono::system_clock::time_point Harness::now() const {
  return impl_->clock.now();
}
void Harness::advance(std::chrono::milliseconds by) {
  impl_->clock.advance(by);
  if (impl_->options.mode == Mode::inlined) impl_->drain();
}
void Harness::pass(std::chrono::milliseconds time) {
  impl_->pass(time);
}

std::vector<Harness::Waiting> Harness::waiting() const {
  std::vector<Waiting> tasks;
  for (const auto& each : impl_->messages({})) {
    if (each.queue == impl_->settings.dead_letter_queue) continue;
    auto task = task::decode(each.properties, each.body);
    if (!task) continue;  // A result, an event: no task.
    tasks.push_back({std::move(task->name), std::move(task->id), each.queue, std::move(task->args),
                     std::move(task->kwargs), each.due, task->priority, task->retries});
  }
  return tasks;
}

std::vector<Harness::Run> Harness::runs() const {
  std::lock_guard lock(impl_->mutex);
  return impl_->runs;
}

std::vector<DeadLetter> Harness::dead_letters() const {
  std::vector<DeadLetter> letters;
  for (const auto& each : impl_->messages(impl_->settings.dead_letter_queue)) {
    DeadLetter letter;
    if (auto task = task::decode(each.properties, each.body)) {
      letter.task = std::move(task->name);
      letter.id = std::move(task->id);
      letter.retries = task->retries;
    }
    if (each.properties.headers) {
      const auto text = [&](std::string_view name) {
        const std::string* found = each.properties.headers->string(name);
        return found ? *found : std::string();
      };
      letter.queue = text("x-wherry-queue");
      letter.reason = text("x-wherry-reason");
    }
    letters.push_back(std::move(letter));
  }
  return letters;
}

void Harness::add_mishap(std::string task, std::string_view kind, const Mishap& mishap,
                         std::chrono::milliseconds delay) {
  if (mishap.attempt == 0 || mishap.times == 0) throw std::logic_error("the first attempt is 1, and so is one time");
  impl_->mishaps.add(std::move(task), to_mishap(kind, mishap, delay), std::string(kind), mishap.attempt, mishap.times);
}

void Harness::require_mishaps_happened() const {
  const auto outstanding = impl_->mishaps.outstanding();
  if (!outstanding.empty()) throw CheckFailed(fmt::format("did not happen: {}", fmt::join(outstanding, "; ")));
}

namespace {

template <class Tasks>
std::string listing(const Tasks& tasks) {
  std::string text;
  std::size_t shown = 0;
  for (const auto& each : tasks) {
    if (++shown > most_shown) return text + fmt::format("\n  and {} more", tasks.size() - most_shown);
    text += fmt::format("\n  queue '{}': {}", each.queue, each.name);
    if (!each.args.empty()) text += " " + task::args_repr(each.args);
    text += " " + task::kwargs_repr(each.kwargs);
    if (each.eta) text += " (delayed)";
  }
  return text;
}

std::string where(const std::string& queue) {
  return queue.empty() ? std::string() : fmt::format(" in queue '{}'", queue);
}

}  // namespace

void Harness::fail_without(std::string_view task, const std::string& queue, std::size_t others) const {
  const auto tasks = waiting();
  std::string text = others > 0
                         ? fmt::format("{} of task '{}' wait{}, and none is as asked.", others, task, where(queue))
                         : fmt::format("no task '{}' waits{}.", task, where(queue));
  text += tasks.empty() ? " Nothing waits." : " What waits:" + listing(tasks);
  throw CheckFailed(text);
}

void Harness::fail_with(std::string_view task, const std::string& queue) const {
  throw CheckFailed(fmt::format("no task '{}' should wait{}. What waits:{}", task, where(queue), listing(waiting())));
}

}  // namespace wherry::testing
