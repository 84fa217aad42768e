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
// Routing: options, then the routes of app.yaml, then the client's default queue. A queue that is named and does not
// exist is created durable, as Celery does.
//
// Threads: every function from any thread, at the same time. A client has one thread of its own; callbacks and resumed
// coroutines run there unless ClientOptions::resume_on says otherwise, and blocking calls there throw std::logic_error.
// Lifetime: destroying the client closes it as close(0s) does; not on its own thread. Make one per process and keep it.
#pragma once

#include <chrono>
#include <memory>
#include <string>
#include <utility>

#include "wherry/error.h"
#include "wherry/options.h"
#include "wherry/pending.h"
#include "wherry/result.h"
#include "wherry/task.h"

namespace wherry {

class Client {
 public:
  // url: see sdk/link/endpoint.h; several separated by ';'. Throws Errc::invalid_argument. Does not wait for a
  // connection.
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
    return async_enqueue(task, std::move(options)).get();
  }
  template <TaskStruct T>
  Sending<ResultOf<T>> async_enqueue(const T& task, EnqueueOptions options = {}) {
    return start<ResultOf<T>>(detail_call(task), std::move(options));
  }

  template <class R>
  Job<R> enqueue(Call<R> call, EnqueueOptions options = {}) {
    return async_enqueue(std::move(call), std::move(options)).get();
  }
  template <class R>
  Sending<R> async_enqueue(Call<R> call, EnqueueOptions options = {}) {
    return start<R>({std::move(call.name), std::move(call.args), std::move(call.kwargs)}, std::move(options));
  }

  // --- by name -----------------------------------------------------------------------------------------------------
  Job<task::Value> send(std::string name, Args args = {}, Kwargs kwargs = {}, EnqueueOptions options = {}) {
    return async_send(std::move(name), std::move(args), std::move(kwargs), std::move(options)).get();
  }
  Sending<task::Value> async_send(std::string name, Args args = {}, Kwargs kwargs = {}, EnqueueOptions options = {}) {
    return start<task::Value>({std::move(name), std::move(args), std::move(kwargs)}, std::move(options));
  }

  // Waits for enqueues under way, at most timeout, then closes the connection (at most 5 s more, when the broker does
  // not answer). What still waits ends as Errc::closed.
  void close(std::chrono::milliseconds timeout);

 private:
  class Impl;
  using Enqueued = std::function<void(std::exception_ptr error, std::shared_ptr<detail::JobCore> job)>;

  Client(std::unique_ptr<Impl> impl);
  void enqueue_call(Call<void> call, EnqueueOptions options, Enqueued done);
  std::function<void(std::function<void()>)> resume_on() const;

  template <class T>
  static Call<void> detail_call(const T& task);
  template <class R>
  Sending<R> start(Call<void> call, EnqueueOptions options);

  std::unique_ptr<Impl> impl_;
};

template <class T>
Call<void> Client::detail_call(const T& task) {
  Call<void> call{std::string(T::task_name), {}, {}};
  constexpr auto names = reflect::field_names<T>();
  std::apply(
      [&](const auto&... fields) {
        [[maybe_unused]] std::size_t i = 0;
        (call.kwargs.emplace_back(std::string(names[i++]), task::to_value(fields)), ...);
      },
      reflect::tie(task));
  return call;
}

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

}  // namespace wherry
