// Pending<T>: an operation of the client that is under way. Block for it, or co_await it; once.
//
//   auto sent = client.async_enqueue(SendEmail{...});   // has begun already
//   auto job = sent.get();                              // blocks; or:
//   auto job = co_await sent;
//
// Two lines, not one: GCC 12 destroys aggregates that are made inside of a co_await expression twice, and both a task
// and its options are aggregates. So with GCC co_await client.async_enqueue(...) does not compile.
//
// Every operation has a deadline of its own, so neither form waits for ever; both throw ClientError. A Pending that is
// dropped does not cancel its operation.
// Coroutines: works in any coroutine type. The coroutine is resumed on the client's own thread, or where
// ClientOptions::resume_on says. Awaiting there is fine; blocking there is not: get() throws std::logic_error.
// Threads: a Pending belongs to one thread at a time.
#pragma once

#include <condition_variable>
#include <coroutine>
#include <exception>
#include <functional>
#include <memory>
#include <mutex>
#include <optional>
#include <type_traits>
#include <utility>
#include <variant>

namespace wherry {

namespace detail {

// Throws std::logic_error on a client's own thread.
void check_may_block();

// What the operation and its Pending share. settle() and fail(): once, any thread.
template <class T>
class Shared {
 public:
  using Stored = std::conditional_t<std::is_void_v<T>, std::monostate, T>;
  using ResumeOn = std::function<void(std::function<void()>)>;

  explicit Shared(ResumeOn resume_on = {}) : resume_on_(std::move(resume_on)) {}

  void settle(Stored value) {
    finish([&] { value_.emplace(std::move(value)); });
  }
  void fail(std::exception_ptr error) {
    finish([&] { error_ = std::move(error); });
  }

  bool ready() const {
    std::lock_guard lock(mutex_);
    return ready_;
  }
  void wait() {
    std::unique_lock lock(mutex_);
    changed_.wait(lock, [&] { return ready_; });
  }
  // false: it is ready already and will not be resumed.
  bool suspend(std::coroutine_handle<> waiting) {
    std::lock_guard lock(mutex_);
    if (ready_) return false;
    waiting_ = waiting;
    return true;
  }
  T take() {
    if (error_) std::rethrow_exception(error_);
    if constexpr (!std::is_void_v<T>) return std::move(*value_);
  }

 private:
  template <class Put>
  void finish(Put put) {
    std::coroutine_handle<> waiting;
    {
      std::lock_guard lock(mutex_);
      put();
      ready_ = true;
      waiting = std::exchange(waiting_, {});
      changed_.notify_all();
    }
    if (!waiting) return;
    if (resume_on_) {
      resume_on_([waiting] { waiting.resume(); });
    } else {
      waiting.resume();
    }
  }

  mutable std::mutex mutex_;
  std::condition_variable changed_;
  bool ready_ = false;
  std::optional<Stored> value_;
  std::exception_ptr error_;
  std::coroutine_handle<> waiting_;
  ResumeOn resume_on_;
};

}  // namespace detail

template <class T = void>
class [[nodiscard]] Pending {
 public:
  explicit Pending(std::shared_ptr<detail::Shared<T>> shared) : shared_(std::move(shared)) {}
  Pending(Pending&&) noexcept = default;
  Pending& operator=(Pending&&) noexcept = default;

  bool ready() const { return shared_->ready(); }

  // Blocks until the operation ends, at the latest at its deadline.
  T get() {
    if (!shared_->ready()) {
      detail::check_may_block();
      shared_->wait();
    }
    return shared_->take();
  }

  bool await_ready() const { return shared_->ready(); }
  bool await_suspend(std::coroutine_handle<> waiting) {
    // Whoever resumes the coroutine may destroy this Pending before suspend() has returned.
    const auto keep = shared_;
    return keep->suspend(waiting);
  }
  T await_resume() { return shared_->take(); }

 private:
  std::shared_ptr<detail::Shared<T>> shared_;
};

}  // namespace wherry
