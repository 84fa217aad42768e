// Registry: which function runs which task name. What a task library fills and a worker runs.
//
//   registry.on<SendEmail>([](const SendEmail& mail, wherry::Context& context) { ...; return EmailReceipt{...}; });
//   registry.on("math.add", [](int a, int b) { return a + b; });
//   registry.on<Crawl>([](Crawl crawl) -> wherry::Coro<int> { ...; co_return n; }, {.retry = RetryPolicy{.max_retries =
//   9}});
//
// A task struct's fields are the keyword arguments (positional ones fill them in order, as in Python); a function's
// parameters are positional. Either may take a wherry::Context& last. Arguments are checked when the message is
// decoded: a wrong or missing one is named, and the message goes to the dead-letter queue with that reason. A function
// may be called from several threads at once.
//
// A library loaded by wherry-worker --load defines its tasks so, once:
//
//   WHERRY_TASKS(registry) { registry.on<SendEmail>(send_email); }
//
// Threads: registering before the worker runs; reading any. Errors: registering a name twice throws std::logic_error.
#pragma once

#include <functional>
#include <map>
#include <memory>
#include <string>
#include <string_view>
#include <tuple>
#include <type_traits>
#include <utility>
#include <vector>

#include "protocol/task/bind.h"
#include "protocol/task/convert.h"
#include "protocol/task/value.h"
#include "wherry/context.h"
#include "wherry/coro.h"
#include "wherry/outcome.h"
#include "wherry/task.h"

namespace wherry {

class Registry {
 public:
  // What the message carried, for the function's decoder.
  struct Arguments {
    const task::Value::Array& args;
    const task::Value::Map& kwargs;
  };
  // Runs an attempt. The result says what is wrong with the arguments, if anything; then finish is not called.
  using Run = std::function<Result<void>(const Arguments&, Context&, detail::Finish)>;
  struct Entry {
    Run run;
    TaskOptions options;
  };

  template <TaskStruct T, class F>
  void on(F function, TaskOptions options = {});
  template <class F>
  void on(std::string name, F function, TaskOptions options = {});

  // Shared, so that a function that still runs outlives its registry. Null: not registered.
  using EntryRef = std::shared_ptr<const Entry>;
  EntryRef find(std::string_view name) const;
  std::vector<std::string> names() const;

 private:
  void add(std::string name, Entry entry);
  std::map<std::string, EntryRef, std::less<>> entries_;
};

namespace detail {

// The parameters and result of a callable with one operator(), or of a function.
template <class F>
struct Signature : Signature<decltype(&F::operator())> {};
template <class R, class... P>
struct Signature<R (*)(P...)> {
  using Return = R;
  using Parameters = std::tuple<P...>;
};
template <class C, class R, class... P>
struct Signature<R (C::*)(P...) const> : Signature<R (*)(P...)> {};
template <class C, class R, class... P>
struct Signature<R (C::*)(P...)> : Signature<R (*)(P...)> {};
template <class R, class... P>
struct Signature<R (*)(P...) noexcept> : Signature<R (*)(P...)> {};
template <class C, class R, class... P>
struct Signature<R (C::*)(P...) const noexcept> : Signature<R (*)(P...)> {};
template <class C, class R, class... P>
struct Signature<R (C::*)(P...) noexcept> : Signature<R (*)(P...)> {};

// The parameters that come from the message: all but a Context& at the end, without references.
template <class... P>
struct FromMessage {
  using type = std::tuple<std::remove_cvref_t<P>...>;
  static constexpr bool wants_context = false;
};
template <>
struct FromMessage<Context&> {
  using type = std::tuple<>;
  static constexpr bool wants_context = true;
};
template <class P, class... Rest>
requires(sizeof...(Rest) > 0) struct FromMessage<P, Rest...> {
  using type = decltype(std::tuple_cat(std::declval<std::tuple<std::remove_cvref_t<P>>>(),
                                       std::declval<typename FromMessage<Rest...>::type>()));
  static constexpr bool wants_context = FromMessage<Rest...>::wants_context;
};
template <class Tuple>
struct FromMessageOf;
template <class... P>
struct FromMessageOf<std::tuple<P...>> : FromMessage<P...> {};

template <class R>
Outcome done_with(R&& result) {
  Outcome outcome;
  outcome.result = task::to_value(std::forward<R>(result));
  return outcome;
}

// Keeps a coroutine and its arguments (which it may have by reference) until it ends.
template <class T, class Arguments>
void run_coroutine(Coro<T> coroutine, std::shared_ptr<Arguments> arguments, Finish finish) {
  struct Running {
    std::shared_ptr<Arguments> arguments;
    Coro<T> coroutine;
    Finish finish;
  };
  auto running = std::make_shared<Running>(Running{std::move(arguments), std::move(coroutine), std::move(finish)});
  // From here on it may end on another thread at any time.
  Running& started = *running;
  started.coroutine.start([running = std::move(running)]() mutable {
    auto kept = std::move(running);
    Outcome outcome;
    try {
      if constexpr (std::is_void_v<T>) {
        kept->coroutine.result();
      } else {
        outcome = done_with(kept->coroutine.result());
      }
    } catch (...) {
      outcome = outcome_of_current_exception();
    }
    kept->finish(std::move(outcome));
  });
}

// Calls function with the arguments, whatever it returns, and finishes with what came of it.
template <class Arguments, class Call>
void run_and_finish(Arguments arguments, const Call& call, const Finish& finish) {
  using R = std::invoke_result_t<const Call&, Arguments&>;
  Outcome outcome;
  try {
    if constexpr (IsCoro<R>::value) {
      auto kept = std::make_shared<Arguments>(std::move(arguments));
      return run_coroutine(call(*kept), kept, finish);
    } else if constexpr (std::is_void_v<R>) {
      call(arguments);
    } else {
      outcome = done_with(call(arguments));
    }
  } catch (...) {
    outcome = outcome_of_current_exception();
  }
  finish(std::move(outcome));
}

}  // namespace detail

template <TaskStruct T, class F>
void Registry::on(F function, TaskOptions options) {
  auto run = [function = std::make_shared<F>(std::move(function))](const Arguments& arguments, Context& context,
                                                                   detail::Finish finish) -> Result<void> {
    auto decoded = task::bind_struct<T>(arguments.args, arguments.kwargs);
    if (!decoded) return tl::unexpected(decoded.error());
    auto call = [&](T& task) -> decltype(auto) {
      if constexpr (std::is_invocable_v<F&, T&&, Context&>) {
        return (*function)(std::move(task), context);
      } else {
        static_assert(std::is_invocable_v<F&, T&&>,
                      "the function must take the task struct, and may take a wherry::Context& after it");
        return (*function)(std::move(task));
      }
    };
    detail::run_and_finish(std::move(*decoded), call, finish);
    return {};
  };
  add(std::string(T::task_name), {std::move(run), std::move(options)});
}

template <class F>
void Registry::on(std::string name, F function, TaskOptions options) {
  using Traits = detail::FromMessageOf<typename detail::Signature<F>::Parameters>;
  using Parameters = typename Traits::type;
  auto run = [function = std::make_shared<F>(std::move(function))](const Arguments& arguments, Context& context,
                                                                   detail::Finish finish) -> Result<void> {
    auto decoded = task::BindTuple<Parameters>::bind(arguments.args, arguments.kwargs);
    if (!decoded) return tl::unexpected(decoded.error());
    auto call = [&](Parameters& all) -> decltype(auto) {
      auto with = [&](auto&... parameters) -> decltype(auto) {
        if constexpr (Traits::wants_context) {
          return (*function)(std::move(parameters)..., context);
        } else {
          return (*function)(std::move(parameters)...);
        }
      };
      return std::apply(with, all);
    };
    detail::run_and_finish(std::move(*decoded), call, finish);
    return {};
  };
  add(std::move(name), {std::move(run), std::move(options)});
}

}  // namespace wherry

// The entry point of a task library: see above. C linkage, so that the loader finds it by name; the tasks themselves
// are defined in a function without it, inside which GCC 12 cannot compile a lambda that is a coroutine.
#define WHERRY_TASKS(registry)                                                                                     \
  static void wherry_define_tasks(::wherry::Registry&);                                                            \
  extern "C" __attribute__((visibility("default"))) void wherry_tasks(::wherry::Registry& wherry_tasks_registry) { \
    wherry_define_tasks(wherry_tasks_registry);                                                                    \
  }                                                                                                                \
  static void wherry_define_tasks(::wherry::Registry& registry)
