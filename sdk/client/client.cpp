#include "wherry/client.h"

#include <algorithm>
#include <atomic>
#include <condition_variable>
#include <limits>
#include <map>
#include <mutex>
#include <optional>
#include <set>
#include <thread>

#include <errno.h>
#include <fmt/format.h>
#include <unistd.h>

#include "base/assert.h"
#include "base/log.h"
#include "base/uuid.h"
#include "base/wall_clock.h"
#include "net/event_loop.h"
#include "sdk/client/configure.h"
#include "sdk/client/encode.h"
#include "sdk/client/errors.h"
#include "sdk/client/event.h"
#include "sdk/client/job.h"
#include "sdk/client/spooler.h"
#include "sdk/client/stored_results.h"
#include "sdk/client/unique.h"
#include "sdk/client/workflow.h"
#include "sdk/endpoint/local_broker.h"
#include "sdk/link/link.h"
#include "sdk/results/chords.h"

namespace wherry {

using namespace std::chrono_literals;

namespace {

thread_local bool on_client_thread = false;

const sdk::Report closed_report{sdk::Outcome::closed, 0, "the client is closed"};

ClientOptions with_results_said_once(ClientOptions options) {
  if (options.result_backend == "none") options.results = false;
  return options;
}

// So long a client may be away from a cluster and still find its results.
constexpr std::chrono::milliseconds quorum_reply_queue_expires{600'000};

std::string default_name() {
  return fmt::format("{} ({})", program_invocation_short_name, ::getpid());
}

sdk::LocalBrokers open_brokers(const std::vector<sdk::Endpoint>& endpoints) {
  auto opened = sdk::open_local_brokers(endpoints);
  if (!opened) throw ClientError(Errc::invalid_argument, opened.error().message);
  return *std::move(opened);
}

}  // namespace

void detail::check_may_block() {
  if (on_client_thread) {
    throw std::logic_error(
        "a blocking call on a client's own thread would wait for itself: co_await there, or set resume_on");
  }
}

class Client::Impl {
 public:
  Impl(std::vector<sdk::Endpoint> endpoints, sdk::Router router, ClientOptions options)
      : options_(with_results_said_once(std::move(options))),
        brokers_(open_brokers(endpoints)),
        router_(std::move(router)),
        board_(std::make_shared<sdk::ResultBoard>(loop_)) {
    sdk::LinkConfig config;
    config.endpoints = std::move(endpoints);
    config.name = options_.name.empty() ? default_name() : options_.name;
    config.backoff_first = options_.backoff_first;
    config.backoff_max = options_.backoff_max;
    config.quorum_queues = options_.queue_type == QueueType::quorum;
    sdk::LinkEvents events;
    events.on_up = [this](std::uint64_t) {
      note({Link::up, {}});
      if (spooler_) spooler_->up();
    };
    events.on_down = [this](std::string_view reason, std::uint16_t denied) {
      if (spooler_) spooler_->down();
      note({denied != 0 ? Link::denied : Link::down, std::string(reason), denied});
    };
    link_ = std::make_unique<sdk::Link>(loop_, std::move(config), std::move(events));
    sender_ = {{}, options_.serializer, options_.results, options_.compression};
    if (options_.spool) open_spool(*options_.spool);
    if (options_.results) open_results();
    if (options_.task_sent_event) link_->declare(sdk::event_topology());
    link_->start();
    thread_ = std::thread([this] {
      on_client_thread = true;
      loop_.run();
    });
  }

  ~Impl() {
    WHERRY_ASSERT(std::this_thread::get_id() != thread_.get_id());
    close(0ms);
  }

  const ClientOptions& options() const { return options_; }
  void enqueued() const {
    for (const auto& each : brokers_) each->enqueued();
  }

  void wait_connected(std::chrono::milliseconds timeout) {
    detail::check_may_block();
    std::unique_lock lock(mutex_);
    const auto settled = [&] { return status_.link == Link::up || status_.link == Link::denied; };
    const auto seen = [&] { return settled() || closed_; };
    if (changed_.wait_for(lock, timeout, seen) && status_.link == Link::up) return;
    if (closed_) throw ClientError(Errc::closed, "the client is closed");
    if (status_.link == Link::denied) throw ClientError(Errc::denied, status_.reason, status_.code);
    if (status_.reason.empty()) {
      throw ClientError(Errc::timed_out, fmt::format("no connection to the broker within {} ms", timeout.count()));
    }
    throw ClientError(Errc::disconnected, status_.reason);
  }

  bool connected() const {
    std::lock_guard lock(mutex_);
    return status_.link == Link::up && !closed_;
  }

  void enqueue(Call<void> call, const EnqueueOptions& options, const Enqueued& done) {
    Begun begun = begin(std::move(call), options);
    auto told = [name = begun.name, job = begun.job, done](const sdk::Report& report) {
      if (report.ok()) {
        done(nullptr, job);
      } else {
        done(sdk::error_of(name, report), nullptr);
      }
    };
    send(std::move(begun), std::move(told));
  }

  std::shared_ptr<detail::JobCore> job(const std::string& task_id) {
    if (!stored_) {
      throw std::logic_error(
          "results come over a reply queue: a job by its id needs a result backend that stores them");
    }
    return board_->find_or_add(task_id, options_.resume_on);
  }

  void enqueue_workflow(task::Signature workflow, const EnqueueOptions& options, EnqueuedAll done) {
    const auto deadline = std::chrono::steady_clock::now() + options.timeout.value_or(options_.enqueue_timeout);
    const std::string name = workflow.task;
    auto out = std::make_shared<sdk::OutgoingWorkflow>(
        sdk::encode_workflow(std::move(workflow), options, router_, sender_, wall_now()));
    if (!out->chords.empty() && !stored_) {
      throw ClientError(Errc::invalid_argument, "a chord needs a result backend that stores results");
    }
    std::vector<std::shared_ptr<detail::JobCore>> jobs;
    for (const std::string& id : out->job_ids) {
      jobs.push_back(board_->add(id, options_.results && !options.ignore_result, options_.resume_on));
    }
    auto finished = [this, name, jobs = std::move(jobs), id = out->id, done](const sdk::Report& report) {
      if (report.ok()) {
        done(nullptr, id, jobs);
      } else {
        done(sdk::error_of(name, report), id, {});
      }
      one_ended();
    };
    std::unique_lock lock(mutex_);
    if (closed_) {
      lock.unlock();
      return done(sdk::error_of(name, closed_report), {}, {});
    }
    ++under_way_;
    loop_.post([this, out, deadline, finished = std::move(finished)] { count_parts(out, deadline, finished); });
  }

  // Encoding, sending and confirming go on at the same time, and what waits in memory is bounded.
  std::vector<std::shared_ptr<detail::JobCore>> enqueue_all(
      const std::function<bool(Call<void>&, EnqueueOptions&)>& next) {
    constexpr std::size_t most_under_way = 10'000;
    constexpr std::size_t sent_at_once = 64;
    detail::check_may_block();
    struct State {
      std::atomic<std::size_t> under_way = 0;
      std::mutex mutex;
      std::condition_variable changed;
      std::map<std::size_t, ClientError> failures;
    };
    const auto state = std::make_shared<State>();
    Bundle bundle;
    // Also when the range throws: what was begun goes on.
    struct AtEnd {
      Impl& client;
      Bundle& bundle;
      ~AtEnd() { client.flush(bundle); }
    } at_end{*this, bundle};
    // Woken when half of them are done: not once for each.
    const auto wait_for_room = [&](std::size_t room) {
      flush(bundle);
      std::unique_lock lock(state->mutex);
      state->changed.wait(lock, [&] { return state->under_way <= room; });
    };
    std::vector<std::shared_ptr<detail::JobCore>> jobs;
    Call<void> call;
    EnqueueOptions options;
    while (next(call, options)) {
      if (state->under_way >= most_under_way) wait_for_room(most_under_way / 2);
      const std::size_t index = jobs.size();
      jobs.emplace_back();
      try {
        Begun begun = begin(std::move(call), options);
        jobs.back() = begun.job;
        ++state->under_way;
        auto told = [state, index, name = begun.name](const sdk::Report& report) {
          if (!report.ok()) {
            std::lock_guard lock(state->mutex);
            state->failures.emplace(index, sdk::client_error(name, report));
          }
          const std::size_t left = --state->under_way;
          if (left != most_under_way / 2 && left != 0) return;
          std::lock_guard lock(state->mutex);
          state->changed.notify_one();
        };
        send(std::move(begun), std::move(told), &bundle);
      } catch (const ClientError& failure) {
        std::lock_guard lock(state->mutex);
        state->failures.emplace(index, failure);
      }
      if (bundle.size() >= sent_at_once) flush(bundle);
    }
    wait_for_room(0);
    if (state->failures.empty()) return jobs;
    std::vector<EnqueueFailure> failures;
    for (auto& [index, error] : state->failures) failures.push_back({index, std::move(error)});
    const auto& first = failures.front();
    throw EnqueueManyFailed(fmt::format("{} of {} tasks are not enqueued; the first, number {}: {}", failures.size(),
                                        jobs.size(), first.index, first.error.what()),
                            failures);
  }

  void close(std::chrono::milliseconds timeout) {
    detail::check_may_block();
    {
      std::unique_lock lock(mutex_);
      if (std::exchange(closed_, true)) return;
      changed_.notify_all();
      changed_.wait_for(lock, timeout, [&] { return under_way_ == 0; });
      ended_ = true;
    }
    loop_.post([this] { link_->close([this] { loop_.stop(); }); });
    thread_.join();
    // Nothing runs beside us now. What was posted while the loop ended is told that the link is closed.
    if (stored_) stored_->seal();
    loop_.post([this] { loop_.stop(); });
    loop_.run();
    link_.reset();
    if (stored_) stored_->close();
    board_->close();
  }

 private:
  // A task that can be sent, and its job.
  struct Begun {
    std::string name;
    sdk::Outgoing out;
    std::shared_ptr<sdk::JobState> job;
  };
  using Bundle = std::vector<sdk::PreparedRef>;

  Begun begin(Call<void> call, const EnqueueOptions& options) {
    const auto started = std::chrono::steady_clock::now();
    std::string name = call.name;
    const sdk::Route route = router_.route(name, options);
    Begun begun{.name = std::move(name),
                .out = sdk::encode_call(std::move(call), options, route, sender_, wall_now()),
                .job = {}};
    begun.out.message.deadline = started + options.timeout.value_or(options_.enqueue_timeout);
    // On the board before it is published: the result may come before the confirm.
    begun.job = board_->add(begun.out.task_id, options_.results && !options.ignore_result, options_.resume_on);
    return begun;
  }

  // told: once; with what is done beside it in one function, so that one is made for each task. bundle: where it may
  // wait for others, until flush(); null: it is sent at once.
  template <class Told>
  void send(Begun&& begun, Told told, Bundle* bundle = nullptr) {
    auto& [name, out, job] = begun;
    std::unique_lock lock(mutex_);
    if (closed_) {
      lock.unlock();
      return told(closed_report);
    }
    if (spooler_ && !out.unique && spooler_->wants(status_.link == Link::up)) {
      lock.unlock();
      return told(spooler_->put(name, out));
    }
    sdk::Done finished = [this, told = std::move(told)](const sdk::Report& report) {
      told(report);
      one_ended();
    };
    if (spooler_ && !out.unique) {
      // If the connection breaks and does not come back in time, the spool takes it after all.
      finished = [this, name = name, copy = std::make_shared<const sdk::Outgoing>(out),
                  finished = std::move(finished)](const sdk::Report& report) {
        finished(report.outcome == sdk::Outcome::disconnected ? spooler_->put(name, *copy) : report);
      };
    }
    ++under_way_;
    // Posted under the lock: so it stands in the loop's queue before close() can be.
    if (!out.topology || prepared_.contains(topology_key(out))) {
      return publish(std::move(out), std::move(finished), bundle);
    }
    loop_.post([this, out = std::move(out), finished = std::move(finished)]() mutable {
      prepare(std::move(out), std::move(finished));
    });
  }

  void flush(Bundle& bundle) {
    std::unique_lock lock(mutex_);
    if (!ended_) return link_->publish(std::exchange(bundle, {}));
    lock.unlock();
    for (sdk::PreparedRef& each : std::exchange(bundle, {})) {
      if (each->done) each->done(closed_report);
    }
  }

  void one_ended() {
    if (--under_way_ > 0) return;
    std::lock_guard lock(mutex_);
    changed_.notify_all();
  }

  enum class Link { connecting, up, down, denied };
  struct Status {
    Link link = Link::connecting;
    std::string reason = {};
    std::uint16_t code = 0;  // The broker's, when it did not let us in.
  };

  void note(Status status) {
    std::lock_guard lock(mutex_);
    status_ = std::move(status);
    changed_.notify_all();
  }

  void open_results() {
    if (!results::is_stored(options_.result_backend)) return open_reply_queue();
    auto backend = results::open(
        loop_, options_.result_backend,
        {.expires = options_.result_expires, .name = options_.name.empty() ? default_name() : options_.name});
    if (!backend) throw ClientError(Errc::invalid_argument, backend.error().message);
    stored_ = std::make_shared<sdk::StoredResults>(loop_, *std::move(backend), [this](const task::ResultMeta& meta) {
      if (auto news = sdk::news_of(meta)) {
        board_->hear(*news);
      } else {
        log::warning("sdk", "the result of task [{}]: {}", meta.task_id, news.error().message);
      }
    });
    board_->read_from(stored_);
  }

  void open_spool(const SpoolOptions& where) {
    auto spool = sdk::Spool::open({.folder = where.folder, .max_bytes = where.max_bytes});
    if (!spool) throw ClientError(Errc::invalid_argument, spool.error().message);
    spooler_ = std::make_unique<sdk::Spooler>(loop_, *std::move(spool), router_, [this](auto out, auto finished) {
      if (!out.topology || is_prepared(out)) return publish(std::move(out), std::move(finished));
      prepare(std::move(out), std::move(finished));
    });
  }

  // Celery's rpc result backend: a queue of our own, whose name stays the same over reconnects.
  void open_reply_queue() {
    sender_.reply_to = make_uuid();
    // A quorum queue is not deleted when its consumer goes: it goes soon after by its expiry.
    const bool quorum = options_.queue_type == QueueType::quorum;
    sdk::QueueSpec queue{.name = sender_.reply_to, .auto_delete = !quorum};
    // Of 32 bits, and above zero, as brokers take it.
    auto expires = std::min<std::int64_t>(options_.result_expires.count(), std::numeric_limits<std::int32_t>::max());
    if (quorum) expires = std::min<std::int64_t>(expires, quorum_reply_queue_expires.count());
    if (expires > 0) queue.arguments.set("x-expires", static_cast<std::int32_t>(expires));
    link_->declare({std::move(queue)}, [](const sdk::Report& report) {
      if (report.outcome == sdk::Outcome::refused) log::warning("sdk", "no results will come: {}", report.text);
    });
    // In a cluster a node may die between the queue, to which a result without acknowledgement is gone, and us.
    const sdk::Subscription replies{.queues = {sender_.reply_to}, .prefetch = 0, .no_ack = !quorum};
    link_->subscribe(replies, [this, quorum](sdk::Delivery delivery) {
      if (quorum) link_->ack(delivery.ref);
      if (auto news = sdk::decode_result(delivery)) {
        board_->hear(*news);
      } else {
        log::warning("sdk", "a message on the reply queue is not a result: {}", news.error().message);
      }
    });
  }

  // What was declared for one task is not declared again for the next.
  static std::string topology_key(const sdk::Outgoing& out) {
    const std::string key = out.queue.empty() ? "exchange " + out.message.exchange : "queue " + out.queue;
    return out.unique ? "unique " + out.message.exchange + " " + key : key;
  }

  // The loop's thread. Declares what the queue needs, which is there, then publishes. The link remembers it for
  // reconnects.
  void prepare(sdk::Outgoing out, sdk::Done finished) {
    auto shared = std::make_shared<sdk::Outgoing>(std::move(out));
    link_->declare(
        *shared->topology,
        [this, shared, finished = std::move(finished)](const sdk::Report& report) {
          if (shared->unique && shared->unique_topology.empty()) return prepared_unique(*shared, report, finished);
          // A queue that is there with other arguments, or that we may not declare, may well take the message:
          // mandatory tells.
          if (report.outcome == sdk::Outcome::refused) {
            log::warning("sdk", "{} is used as it is: {}", topology_key(*shared), report.text);
          } else if (!report.ok()) {
            return finished(report);
          }
          if (!shared->unique) return prepared(std::move(*shared), finished);
          link_->declare(
              shared->unique_topology,
              [this, shared, finished](const sdk::Report& own) { prepared_unique(*shared, own, finished); },
              shared->message.deadline);
        },
        shared->message.deadline);
  }

  // The loop's thread. How many parts its chords have is known before the first of them can come back.
  void count_parts(const std::shared_ptr<sdk::OutgoingWorkflow>& workflow, Monotonic deadline,
                   const sdk::Done& finished) {
    if (workflow->chords.empty()) return send_all(*workflow, deadline, finished);
    auto told = [this, workflow, deadline, finished](const results::Outcome<void>& outcome) {
      if (outcome) return send_all(*workflow, deadline, finished);
      const bool late = outcome.error().kind == results::Failure::Kind::timed_out;
      finished({late ? sdk::Outcome::timed_out : sdk::Outcome::disconnected, 0,
                "the size of a chord is not stored: " + outcome.error().message});
    };
    results::announce_chords(stored_->backend(), workflow->chords, {}, deadline, told);
  }

  // finished hears the first failure, once all reports are in.
  void send_all(sdk::OutgoingWorkflow& workflow, Monotonic deadline, const sdk::Done& finished) {
    struct Batch {
      std::size_t open = 0;
      sdk::Report report = {};
    };
    auto batch = std::make_shared<Batch>();
    batch->open = workflow.messages.size();
    auto reported = [batch, finished](const sdk::Report& report) {
      if (batch->report.ok() && !report.ok()) batch->report = report;
      if (--batch->open == 0) finished(batch->report);
    };
    if (workflow.messages.empty()) return finished({});  // An empty group.
    for (sdk::Outgoing& each : workflow.messages) {
      each.message.deadline = deadline;
      if (!each.topology || is_prepared(each)) {
        publish(std::move(each), reported);
      } else {
        prepare(std::move(each), reported);
      }
    }
  }

  bool is_prepared(const sdk::Outgoing& out) const {
    std::lock_guard lock(mutex_);
    return prepared_.contains(topology_key(out));
  }

  void prepared_unique(sdk::Outgoing& out, const sdk::Report& declared, const sdk::Done& finished) {
    const sdk::Report report = sdk::refuse_unique(out, declared, link_->server_properties());
    if (!report.ok()) return finished(report);
    prepared(std::move(out), finished);
  }

  void prepared(sdk::Outgoing out, sdk::Done finished) {
    {
      std::lock_guard lock(mutex_);
      prepared_.insert(topology_key(out));
    }
    publish(std::move(out), std::move(finished));
  }

  void publish(sdk::Outgoing&& out, sdk::Done finished, Bundle* bundle = nullptr) {
    const auto now = [&](sdk::Publication&& message, sdk::Done done) {
      if (bundle == nullptr) return link_->publish(std::move(message), std::move(done));
      bundle->push_back(std::make_unique<sdk::Prepared>(std::move(message), std::move(done)));
    };
    std::optional<Result<sdk::Publication>> event;
    if (options_.task_sent_event) event = sdk::sent_event(out.message, out.queue, ++event_clock_);
    if (out.delay.count() > 0 && !out.queue.empty()) {
      link_->publish_delayed(std::move(out.message), std::move(out.queue), out.delay, std::move(finished));
    } else {
      now(std::move(out.message), std::move(finished));
    }
    if (event && *event) now(std::move(**event), {});
  }

  std::atomic<std::int64_t> event_clock_ = 0;
  const ClientOptions options_;
  const sdk::LocalBrokers brokers_;
  const sdk::Router router_;
  sdk::Sender sender_;
  net::EventLoop loop_;
  std::shared_ptr<sdk::ResultBoard> board_;
  std::shared_ptr<sdk::StoredResults> stored_;  // Null: results come over the reply queue, or there are none.
  std::unique_ptr<sdk::Spooler> spooler_;
  std::unique_ptr<sdk::Link> link_;

  mutable std::mutex mutex_;
  std::condition_variable changed_;
  Status status_;
  bool closed_ = false;
  bool ended_ = false;  // What is given to the link now would find it closed.
  std::atomic<std::size_t> under_way_ = 0;
  std::set<std::string> prepared_;
  std::thread thread_;
};

Client::Client(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}
Client::Client(Client&&) noexcept = default;
Client& Client::operator=(Client&&) noexcept = default;
Client::~Client() = default;

Client::Client(const std::string& url, ClientOptions options) {
  auto endpoints = sdk::parse_endpoints(url);
  if (!endpoints) throw ClientError(Errc::invalid_argument, endpoints.error().message);
  sdk::Router router = sdk::coded_router(options.task_routes, options.default_queue);
  impl_ = std::make_unique<Impl>(*std::move(endpoints), std::move(router), std::move(options));
}

Client Client::from_file(const std::string& path, ClientOptions options) {
  auto configured = sdk::configure(path, std::move(options));
  return Client(std::make_unique<Impl>(std::move(configured.endpoints), std::move(configured.router),
                                       std::move(configured.options)));
}

void Client::wait_connected(std::chrono::milliseconds timeout) {
  impl_->wait_connected(timeout);
}
bool Client::connected() const {
  return impl_->connected();
}
void Client::enqueued() const {
  impl_->enqueued();
}
void Client::close(std::chrono::milliseconds timeout) {
  impl_->close(timeout);
}

void Client::enqueue_call(Call<void> call, EnqueueOptions options, Enqueued done) {
  try {
    impl_->enqueue(std::move(call), options, done);
  } catch (...) {
    done(std::current_exception(), nullptr);
  }
}

std::shared_ptr<detail::JobCore> Client::job_core(const std::string& task_id) {
  return impl_->job(task_id);
}

void Client::enqueue_workflow(task::Signature workflow, EnqueueOptions options, EnqueuedAll done) {
  try {
    impl_->enqueue_workflow(std::move(workflow), options, done);
  } catch (...) {
    done(std::current_exception(), {}, {});
  }
}

std::vector<std::shared_ptr<detail::JobCore>> Client::enqueue_all(
    const std::function<bool(Call<void>&, EnqueueOptions&)>& next) {
  return impl_->enqueue_all(next);
}

std::function<void(std::function<void()>)> Client::resume_on() const {
  return impl_->options().resume_on;
}

}  // namespace wherry
