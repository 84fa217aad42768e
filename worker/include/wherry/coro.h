// Coro<T>: the return type of a task that is a coroutine. While it waits it holds no thread.
//
//   worker.on("crawl", [](std::string url, wherry::Context& context) -> wherry::Coro<int> {
//     auto sent = client.async_enqueue(Fetch{url});
//     auto job = co_await sent;
//     co_return (co_await job.async_get(30s)).size;
//   });
//
// It may co_await whatever is awaitable in any coroutine: the client's Pending<T>, another Coro<T>, context.sleep(1s).
// It starts on a thread of the pool, goes on there after context.sleep(), else wherever what it awaited resumes it.
// Lifetime: a task's arguments, also those taken by reference, the Context and what the lambda captured live until the
// coroutine has ended. For a Coro that you call yourself the language's rules hold: take parameters by value.
#pragma once

#include <chrono>
#include <coroutine>
#include <exception>
#include <functional>
#include <optional>
#include <type_traits>
#include <utility>

namespace wherry {

template <class T>
class Coro;

namespace detail {

template <class T>
struct CoroResult {
  std::optional<T> value;
  template <class U>
  void return_value(U&& from) {
    value.emplace(std::forward<U>(from));
  }
  T take() { return std::move(*value); }
};
template <>
struct CoroResult<void> {
  void return_void() {}
  void take() {}
};

template <class T>
struct CoroPromise : CoroResult<T> {
  std::exception_ptr error;
  std::coroutine_handle<> awaiting;  // Who co_awaits this one.
  std::function<void()> done;        // Or who started it.

  Coro<T> get_return_object();
  std::suspend_always initial_suspend() noexcept { return {}; }
  auto final_suspend() noexcept {
    struct Final {
      bool await_ready() noexcept { return false; }
      std::coroutine_handle<> await_suspend(std::coroutine_handle<CoroPromise> self) noexcept {
        if (self.promise().awaiting) return self.promise().awaiting;
        // done() may destroy the coroutine, and with it the function object it is.
        if (auto tell = std::move(self.promise().done)) tell();
        return std::noop_coroutine();
      }
      void await_resume() noexcept {}
    };
    return Final{};
  }
  void unhandled_exception() { error = std::current_exception(); }
  T result() {
    if (error) std::rethrow_exception(error);
    return this->take();
  }
};

}  // namespace detail

template <class T = void>
class [[nodiscard]] Coro {
 public:
  using promise_type = detail::CoroPromise<T>;
  using value_type = T;

  explicit Coro(std::coroutine_handle<promise_type> handle) : handle_(handle) {}
  Coro(Coro&& other) noexcept : handle_(std::exchange(other.handle_, {})) {}
  Coro& operator=(Coro&& other) noexcept {
    std::swap(handle_, other.handle_);
    return *this;
  }
  ~Coro() {
    if (handle_) handle_.destroy();
  }

  // Starts it; done is called once, where it ends, and may destroy this. Then result() gives or throws.
  void start(std::function<void()> done) {
    handle_.promise().done = std::move(done);
    handle_.resume();
  }
  T result() { return handle_.promise().result(); }

  bool await_ready() const noexcept { return false; }
  std::coroutine_handle<> await_suspend(std::coroutine_handle<> awaiting) {
    handle_.promise().awaiting = awaiting;
    return handle_;
  }
  T await_resume() { return result(); }

 private:
  std::coroutine_handle<promise_type> handle_;
};

template <class T>
Coro<T> detail::CoroPromise<T>::get_return_object() {
  return Coro<T>(std::coroutine_handle<CoroPromise>::from_promise(*this));
}

namespace detail {
template <class T>
struct IsCoro : std::false_type {};
template <class T>
struct IsCoro<Coro<T>> : std::true_type {};
}  // namespace detail

}  // namespace wherry
