// Client: enqueues tasks and hands back their results.
//
//   wherry::Client client("amqp://guest:guest@127.0.0.1:5672/");      // or
//   wherry::Client::from_file("config/app.yaml") auto job = client.enqueue(SendEmail{.to = "a@b.c", ...}, {.countdown =
//   30s, .queue = "email"}); EmailReceipt receipt = job.get(10s);
//
//   auto sent = client.async_enqueue(SendEmail{...});                  // the same in a coroutine
//   auto job = co_await sent;
//   EmailReceipt receipt = co_await job.async_get(10s);
//
// enqueue returns when the broker has confirmed the message, and throws ClientError otherwise; it never returns without
// knowing. Messages are Celery protocol 2 (Python workers can run them), persistent, mandatory.
// Connection: made in the background from the constructor on, and made again with backoff when it breaks; an enqueue
// waits for it until its own deadline. An enqueue that is unconfirmed when the connection breaks is sent again with the
// same task id until its deadline: a task may run twice, but is not lost without a word.
// Routing: options, then ClientOptions::task_routes, then the routes of app.yaml, then the client's default queue. A
// queue that is named and does not exist is created durable, as Celery does.
//
// Threads: every function from any thread, at the same time. A client has one thread of its own; callbacks and resumed
// coroutines run there unless ClientOptions::resume_on says otherwise, and blocking calls there throw std::logic_error.
// Lifetime: destroying the client closes it as close(0s) does; not on its own thread. Make one per process and keep it.
#pragma once

#include <chrono>
#include <concepts>
#include <functional>
#include <memory>
#include <ranges>
#include <string>
#include <utility>
#include <vector>

#include "protocol/task/signature.h"
#include "wherry/error.h"
#include "wherry/group.h"
#include "wherry/options.h"
#include "wherry/pending.h"
#include "wherry/result.h"
#include "wherry/task.h"

namespace wherry {

// What canvas.h makes: a chain, a group, a chord and so on, with all it needs.
template <class W>
concept Workflow = requires(const W& workflow) {
  typename W::Handle;
  typename W::Input;
  { workflow.signature() } -> std::same_as<task::Signature>;
};

class Client {
 public:
  // url: see sdk/endpoint/endpoint.h; several separated by ';'. Throws Errc::invalid_argument, also when a broker that
  // is to be in this process (embedded:) cannot start. Does not wait for a connection.
  explicit Client(const std::string& url, ClientOptions options = {});
  // Broker address, routes, queues and defaults from a file such as config/app.yaml; what options sets explicitly to
  // something else than its default beats the file. Throws Errc::invalid_argument with file, line and column.
  static Client from_file(const std::string& path, ClientOptions options = {});
  Client(Client&&) noexcept;
  Client& operator=(Client&&) noexcept;
  ~Client();

  // Waits until the connection stands. For a program that wants to know at its start: throws Errc::denied as soon as
  // the broker says so, disconnected or timed_out after timeout with the reason of the last attempt.
  void wait_connected(std::chrono::milliseconds timeout);
  bool connected() const;

  // --- typed -------------------------------------------------------------------------------------------------------
  template <TaskStruct T>
  Job<ResultOf<T>> enqueue(const T& task, EnqueueOptions options = {}) {
    return confirmed(async_enqueue(task, std::move(options)));
  }
  template <TaskStruct T>
  Sending<ResultOf<T>> async_enqueue(const T& task, EnqueueOptions options = {}) {
    return start<ResultOf<T>>(detail::call_of(task), std::move(options));
  }

  template <class R>
  Job<R> enqueue(Call<R> call, EnqueueOptions options = {}) {
    return confirmed(async_enqueue(std::move(call), std::move(options)));
  }
  template <class R>
  Sending<R> async_enqueue(Call<R> call, EnqueueOptions options = {}) {
    return start<R>({std::move(call.name), std::move(call.args), std::move(call.kwargs)}, std::move(options));
  }

  // --- many at once ------------------------------------------------------------------------------------------------
  // A range of tasks (structs, or calls of a function), each with these options, or with those that options_of(task)
  // returns. Some thousands are under way at a time; returns when all are confirmed, with their jobs in order. Each has
  // its own deadline. Throws EnqueueManyFailed when any is not enqueued, and whatever the range or options_of throws;
  // what was begun by then goes on.
  template <std::ranges::input_range Tasks, class OptionsOf>
  requires std::invocable < OptionsOf&, const std::ranges::range_value_t<Tasks>
  & > auto enqueue_many(const Tasks& tasks, OptionsOf options_of) {
    using R = detail::ResultOfTask<std::ranges::range_value_t<Tasks>>;
    auto at = std::ranges::begin(tasks);
    const auto next = [&](Call<void>& call, EnqueueOptions& options) {
      if (at == std::ranges::end(tasks)) return false;
      call = detail::call_of(*at);
      options = options_of(*at);
      ++at;
      return true;
    };
    std::vector<Job<R>> jobs;
    for (auto& each : enqueue_all(next)) jobs.emplace_back(std::move(each));
    enqueued();
    return jobs;
  }
  template <std::ranges::input_range Tasks>
  auto enqueue_many(const Tasks& tasks, const EnqueueOptions& options = {}) {
    return enqueue_many(tasks, [&](const auto&) { return options; });
  }

  // --- by name -----------------------------------------------------------------------------------------------------
  Job<task::Value> send(std::string name, Args args = {}, Kwargs kwargs = {}, EnqueueOptions options = {}) {
    return confirmed(async_send(std::move(name), std::move(args), std::move(kwargs), std::move(options)));
  }
  Sending<task::Value> async_send(std::string name, Args args = {}, Kwargs kwargs = {}, EnqueueOptions options = {}) {
    return start<task::Value>({std::move(name), std::move(args), std::move(kwargs)}, std::move(options));
  }

  // --- by id -------------------------------------------------------------------------------------------------------
  // The job of a task that somebody enqueued, here or elsewhere. An id that nobody knows is PENDING, as a task that has
  // not begun. Throws std::logic_error unless there is a result backend that stores results.
  template <class R = task::Value>
  Job<R> job(const std::string& task_id) {
    return Job<R>(job_core(task_id));
  }

  // --- workflows (canvas.h) ----------------------------------------------------------------------------------------
  // A Job of the result that a chain or chord ends with, or a GroupJob. options: queue, exchange, routing_key,
  // priority, limits and so on hold for every task in it that does not say its own; countdown and eta for when it
  // begins; task_id for its end. deduplication_key is refused. Confirmed when all that begins it is.
  template <Workflow W>
  typename W::Handle enqueue(const W& workflow, EnqueueOptions options = {}) {
    return confirmed(async_enqueue(workflow, std::move(options)));
  }
  template <Workflow W>
  SendingWorkflow<typename W::Handle> async_enqueue(const W& workflow, EnqueueOptions options = {});

  // Waits for enqueues under way, at most timeout, then closes the connection (at most 5 s more, when the broker does
  // not answer). What still waits ends as Errc::closed.
  void close(std::chrono::milliseconds timeout);

 private:
  class Impl;
  using Enqueued = std::function<void(std::exception_ptr error, std::shared_ptr<detail::JobCore> job)>;

  using EnqueuedAll =
      std::function<void(std::exception_ptr error, std::string id, std::vector<std::shared_ptr<detail::JobCore>> jobs)>;

  Client(std::unique_ptr<Impl> impl);
  void enqueue_workflow(task::Signature workflow, EnqueueOptions options, EnqueuedAll done);
  void enqueue_call(Call<void> call, EnqueueOptions options, Enqueued done);
  std::shared_ptr<detail::JobCore> job_core(const std::string& task_id);
  std::function<void(std::function<void()>)> resume_on() const;
  // next: puts the next call and its options there, or returns false.
  std::vector<std::shared_ptr<detail::JobCore>> enqueue_all(
      const std::function<bool(Call<void>& call, EnqueueOptions& options)>& next);

  template <class R>
  Sending<R> start(Call<void> call, EnqueueOptions options);
  template <class P>
  decltype(std::declval<P&>().get()) confirmed(P pending) {
    auto made = pending.get();
    enqueued();
    return made;
  }
  // A blocking enqueue is done: a broker in this process may run the task before it returns (wherry/testing.h).
  void enqueued() const;

  std::unique_ptr<Impl> impl_;
};

template <class R>
Sending<R> Client::start(Call<void> call, EnqueueOptions options) {
  auto shared = std::make_shared<detail::Shared<Job<R>>>(resume_on());
  enqueue_call(std::move(call), std::move(options),
               [shared](std::exception_ptr error, std::shared_ptr<detail::JobCore> job) {
                 if (error) return shared->fail(error);
                 shared->settle(Job<R>(std::move(job)));
               });
  return Sending<R>(std::move(shared));
}

template <Workflow W>
SendingWorkflow<typename W::Handle> Client::async_enqueue(const W& workflow, EnqueueOptions options) {
  using Handle = typename W::Handle;
  static_assert(std::is_empty_v<typename W::Input>,
                "the first task of the workflow still wants an argument: give it all of them, or .ignoring()");
  auto shared = std::make_shared<detail::Shared<Handle>>(resume_on());
  enqueue_workflow(
      workflow.signature(), std::move(options),
      [shared](std::exception_ptr error, std::string id, std::vector<std::shared_ptr<detail::JobCore>> jobs) {
        if (error) return shared->fail(error);
        if constexpr (requires { Handle(std::move(id), std::move(jobs)); }) {
          shared->settle(Handle(std::move(id), std::move(jobs)));
        } else {
          shared->settle(Handle(std::move(jobs.front())));
        }
      });
  return SendingWorkflow<Handle>(std::move(shared));
}

}  // namespace wherry
