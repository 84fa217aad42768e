#include "worker/runtime/runtime.h"

#include <algorithm>
#include <limits>
#include <utility>

#include <fmt/format.h>

#include "base/log.h"
#include "protocol/task/backoff.h"
#include "wherry/error.h"
#include "worker/runtime/task_scope.h"

namespace wherry::worker {

namespace {

std::unique_ptr<ResultKeeper> open_keeper(net::EventLoop& loop, const WorkerOptions& options) {
  if (!results::is_stored(options.result_backend)) return nullptr;
  auto backend = results::open(loop, options.result_backend, {.expires = options.result_expires, .name = options.name});
  if (!backend) throw ClientError(Errc::invalid_argument, backend.error().message);
  return std::make_unique<ResultKeeper>(loop, *std::move(backend));
}

}  // namespace

Runtime::Runtime(net::EventLoop& loop, const Registry& registry, RuntimeConfig config, std::function<void()> on_ready,
                 std::function<void(std::string)> on_refused, std::function<void()> on_shutdown,
                 std::function<void(std::string_view)> on_status)
    : loop_(loop),
      registry_(registry),
      config_(std::move(config)),
      on_ready_(std::move(on_ready)),
      on_refused_(std::move(on_refused)),
      on_shutdown_(std::move(on_shutdown)),
      on_status_(std::move(on_status)),
      gate_(std::make_shared<Gate>(loop)),
      keeper_(open_keeper(loop, config_.options)),
      prefetch_(config_.options.prefetch),
      stall_timer_(loop),
      throttle_(loop, [this](const AttemptRef& attempt) { released(attempt); }),
      scale_timer_(loop),
      builtins_(registry_),
      continuation_(loop_, link_, config_.router, keeper_ ? &keeper_->backend() : nullptr),
      join_(loop_, continuation_, keeper_ ? &keeper_->backend() : nullptr,
            [this](const task::Task& task, task::ResultMeta meta, std::function<void()> then) {
              send_result(task, std::move(meta), std::move(then));
            }),
      link_(loop, config_.link,
            {.on_up = [this](std::uint64_t) { on_up(); },
             .on_down = [this](std::string_view reason, std::uint16_t denied) { on_down(reason, denied != 0); },
             .on_declare_refused =
                 [](const sdk::Declaration&, const sdk::Report& report) {
                   log::error("worker", "a declaration was refused: {}", report.text);
                 }}),
      threads_(loop, config_.options.pool == Isolate::thread ? config_.options.concurrency : 1),
      ways_(make_ways()),
      tally_(config_.options.metrics.empty() ? nullptr : std::make_unique<metrics::Tally>(registry.names())) {
  start_processes();
  for (const std::string& queue : config_.options.queues) consumed_.push_back({queue, queue, "direct", queue});
  start_control();
}

Runtime::~Runtime() {
  over_ = true;
  keeper_.reset();
  gate_->close();
  for (const AttemptRef& attempt : running_) attempt->end();
  if (running_.empty()) {
    threads_.stop();
  } else {
    threads_.abandon();
  }
  if (processes_) processes_->stop();
}

void Runtime::start() {
  auto declare = [this](const sdk::Topology& topology, bool as_it_is) {
    link_.declare(topology, [this, as_it_is](const sdk::Report& report) {
      const bool other_arguments = report.code == static_cast<std::uint16_t>(amqp::ReplyCode::precondition_failed);
      if (report.ok() || (as_it_is && other_arguments)) return;
      refuse(fmt::format("the broker refused a declaration: {}", report.text));
    });
  };
  declare(config_.topology, false);
  for (const sdk::Declaration& each : config_.if_missing) declare({each}, true);
  if (control_) control_->start();
  link_.declare({}, [this](const sdk::Report& report) {
    if (report.ok() && !over_ && !stopping_) subscribe();
  });
  link_.start();
}

std::shared_ptr<const Attempt::Ways> Runtime::make_ways() {
  auto report = [this](const Attempt& from, task::Value meta) {
    task::ResultMeta news;
    news.task_id = from.id();
    news.status = "PROGRESS";
    news.result = std::move(meta);
    send_result(from.task(), std::move(news));
  };
  auto resume_on = [pool = std::weak_ptr(threads_.pool())](std::function<void()> resume) {
    if (auto there = pool.lock()) there->run(std::move(resume));
  };
  return std::make_shared<const Attempt::Ways>(loop_, gate_, std::move(report), std::move(resume_on));
}

// Once: the link consumes again by itself after each reconnect.
void Runtime::subscribe() {
  sdk::Subscription what;
  what.queues = config_.options.queues;
  what.prefetch = static_cast<std::uint16_t>(prefetch_);
  what.arguments.set("x-lost-count", true);
  subscription_ = link_.subscribe(
      std::move(what), [this](sdk::Delivery&& delivery) { on_delivery(std::move(delivery)); },
      [this](const std::string& queue, const sdk::Report& refusal) {
        const auto& own = config_.options.queues;
        if (std::find(own.begin(), own.end(), queue) == own.end()) return lost_queue(queue, refusal.text);
        refuse(fmt::format("queue '{}': {}", queue, refusal.text));
      });
  subscribed_ = true;
}

void Runtime::on_up() {
  if (!subscribed_ || stopping_) return;
  if (control_) control_->on_up();
  if (auto ready = std::exchange(on_ready_, nullptr)) {
    ready();
  } else {
    log::info("worker", "connected again");
    if (on_status_) on_status_("connected again, takes tasks");
  }
}

void Runtime::on_down(std::string_view reason, bool denied) {
  if (!stopping_) {
    const std::string line = fmt::format("no connection to the broker: {}", reason);
    log::warning("worker", "{}", line);
    if (on_status_) on_status_(line);
  }
  lose(std::numeric_limits<std::uint64_t>::max());
  if (denied) refuse(fmt::format("the broker does not let this worker in: {}", reason));
  end_when_idle();
}

void Runtime::refuse(std::string reason) {
  if (over_ || stopping_) return;
  if (auto refused = std::exchange(on_refused_, nullptr)) refused(std::move(reason));
}

void Runtime::lose(std::uint64_t generation) {
  auto gone = [&](const AttemptRef& attempt) { return attempt->delivery().ref.generation < generation; };
  if (std::erase_if(held_, [&](const auto& each) { return gone(each.first); }) > 0) set_prefetch();
  std::erase_if(returning_, [&](const auto& each) { return each.second.generation < generation; });
  std::erase_if(early_, [&](const sdk::Delivery& each) { return each.ref.generation < generation; });
  throttle_.forget(gone);
  std::erase_if(running_, [&](const AttemptRef& attempt) {
    if (!gone(attempt)) return false;
    attempt->lost = true;
    return attempt->executor->withdraw(*attempt);
  });
  look_after_trial();
}

// --- deliveries ------------------------------------------------------------------------------------------------------

void Runtime::on_delivery(sdk::Delivery&& delivery) {
  // A new channel without a new connection: the broker closed the one before, and what it had given out there is void.
  if (delivery.ref.generation > newest_generation_) lose(newest_generation_ = delivery.ref.generation);
  if (stopping_) return return_unbegun(delivery);
  if (control_ && !control_->mingled()) return early_.push_back(std::move(delivery));
  auto task = task::decode(delivery.properties, delivery.body);
  if (!task) {
    return bury(delivery, nullptr, {"DecodeError", task.error().message},
                fmt::format("not a task that can be read: {}", task.error().message));
  }
  auto attempt = std::make_shared<Attempt>(ways_, std::move(delivery), std::move(*task));
  if (befalls(attempt, Moment::before_run)) return;
  journal_->received(attempt->task());
  if (control_ && control_->is_revoked(attempt->task())) return revoke(attempt, false, 0);
  if (met_crashes(attempt)) return;
  if (attempt->task().eta && *attempt->task().eta > wall_now()) return hold(attempt);
  run(attempt);
}

void Runtime::set_prefetch() {
  const std::size_t ahead = config_.read_ahead ? std::size_t{read_ahead_.tasks_per_slot()} * pool().slots() : 0;
  const std::size_t wanted = trial_ ? 1 : prefetch_ + ahead + held_.size();
  link_.set_prefetch(subscription_, static_cast<std::uint16_t>(std::min<std::size_t>(wanted, 65'535)));
}

void Runtime::hold(AttemptRef attempt) {
  auto timer = std::make_unique<net::WallTimer>(loop_);
  timer->set(*attempt->task().eta, [this, held = attempt.get()] {
    auto node = held_.extract(held->shared_from_this());  // Keeps the timer until this function has ended.
    set_prefetch();
    run(node.key());
  });
  held_.emplace(std::move(attempt), std::move(timer));
  set_prefetch();
}

// Celery's own tasks are known without being registered, unless somebody registers one.
Registry::EntryRef Runtime::find(const task::Task& task) const {
  auto entry = registry_.find(task.name);
  return entry != nullptr ? entry : builtins_.find(task.name);
}

void Runtime::run(const AttemptRef& attempt) {
  const TaskScope about(*attempt);
  const task::Task& task = attempt->task();
  if (task.expires && *task.expires <= wall_now()) {
    log::info("worker", "task {} [{}] expired before it ran", task.name, task.id);
    journal_->revoked(task, false, 0, true);
    return join_.end(task, failed(task, task::state::revoked, {"TaskRevokedError", "expired"}, wall_now()),
                     safely(attempt->delivery().ref, [this, ref = attempt->delivery().ref] { link_.ack(ref); }));
  }
  const Registry::EntryRef entry = find(task);
  if (entry == nullptr) {
    return bury(attempt->delivery(), &task, {"NotRegistered", task.name},
                fmt::format("no task '{}' is registered in this worker", task.name));
  }
  if (!task.embed.chord.is_null() && !keeper_) {
    // Running it and dropping the rest without a word would leave somebody waiting for ever.
    return bury(attempt->delivery(), &task, {"NotImplementedError", "chord"},
                "it is part of a chord, which needs a store of results, and this worker has none");
  }
  if (attempt != trial_ && throttle_.add(attempt)) return;
  execute(attempt, entry);
}

// Its rate has let it through; it may have expired meanwhile.
void Runtime::released(const AttemptRef& attempt) {
  const auto& expires = attempt->task().expires;
  if (expires && *expires <= wall_now()) return run(attempt);
  execute(attempt, find(attempt->task()));
}

void Runtime::execute(const AttemptRef& attempt, const Registry::EntryRef& entry) {
  running_.insert(attempt);
  Executor::Job job{attempt, entry, limit(*attempt, entry->options, true), limit(*attempt, entry->options, false)};
  // What runs may outlive the runtime, which is used on the loop alone.
  if (journal_->wanted()) {
    job.began = [this, gate = gate_, attempt] { gate->post([this, attempt] { journal_->started(attempt->task()); }); };
  }
  job.finish = [this, gate = gate_, attempt](detail::Outcome outcome) {
    const ReadAhead::Duration run = wall_now() - attempt->started().value_or(wall_now());
    gate->post([this, attempt, run, outcome = std::move(outcome)]() mutable {
      ran(attempt, run);
      finished(attempt, std::move(outcome));
    });
  };
  executor_for(attempt->task(), entry->options).run(std::move(job));
  watch_read_ahead();
  scale();
}

// --- the end ---------------------------------------------------------------------------------------------------------

void Runtime::ended(const AttemptRef& attempt) {
  attempt->end();
  running_.erase(attempt);
  end_when_idle();
}

void Runtime::stop(std::function<void(bool)> done) {
  if (stopping_) {
    for (const AttemptRef& attempt : running_) attempt->executor->ask_to_stop(attempt);
    return grace_.set(std::chrono::milliseconds(0), [this] {
      if (auto stopped = std::exchange(on_stopped_, nullptr)) stopped(false);
    });
  }
  stopping_ = true;
  on_stopped_ = std::move(done);
  grace_.set(config_.options.graceful_timeout, [this] {
    log::error("worker", "{} task(s) still run after {} ms; the broker gives them to another worker", running_.size(),
               config_.options.graceful_timeout.count());
    for (const AttemptRef& attempt : running_) attempt->executor->ask_to_stop(attempt);
    if (auto stopped = std::exchange(on_stopped_, nullptr)) stopped(false);
  });
  if (subscribed_) link_.pause(subscription_);
  scale_timer_.cancel();
  stall_timer_.cancel();
  std::size_t returned = returning_.size() + early_.size();
  for (const sdk::Delivery& delivery : std::exchange(early_, {})) return_unbegun(delivery);
  trial_.reset();
  returned += return_all_unbegun();
  for (const auto& [when, delivery] : std::exchange(returning_, {})) link_.nack(delivery, true);
  log::info("worker", "stopping: {} task(s) to finish, {} returned to their queues", running_.size(), returned);
  end_when_idle();
}

void Runtime::end_when_idle() {
  look_after_trial();
  if (!stopping_ || closing_ || !running_.empty()) return;
  // Without a connection nothing can be settled: the broker has all of it again.
  if (settling_ > 0 && link_.is_up()) return;
  closing_ = true;
  if (control_) control_->stop();
  // The link posts what it publishes and acknowledges, but closes at once: posted behind that, the close comes after
  // the last task's result and ack. Closing then waits until all is written.
  gate_->post_behind([this] {
    link_.close([this] {
      grace_.cancel();
      if (auto stopped = std::exchange(on_stopped_, nullptr)) stopped(true);
    });
  });
}

}  // namespace wherry::worker
