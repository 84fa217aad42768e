// What a task is, for those who send it and for those who run it.
//
// A struct with a fixed wire name; its fields are the keyword arguments:
//
//   struct SendEmail {
//     static constexpr auto task_name = "email.send";
//     using Result = EmailReceipt;   // optional: without it the task returns nothing
//     std::string to;
//     std::string subject;
//     std::string body;
//   };
//
// or a function, whose parameters are positional:
//
//   inline constexpr wherry::Function<int(int, int)> add{"math.add"};
//   client.enqueue(add(2, 3))
//
// or a name known at run time, with values of any type:
//
//   client.send("proj.tasks.add", wherry::args(2, 3), wherry::kwargs({{"verbose", true}}))
//
// Which C++ types fields and parameters may have is said in protocol/task/convert.h.
#pragma once

#include <concepts>
#include <initializer_list>
#include <string>
#include <string_view>
#include <type_traits>
#include <utility>
#include <vector>

#include "base/reflect.h"
#include "protocol/task/convert.h"
#include "protocol/task/value.h"

namespace wherry {

template <class T>
concept TaskStruct = reflect::Aggregate<T> && requires {
  { T::task_name } -> std::convertible_to<std::string_view>;
};

namespace detail {
template <class T>
struct ResultOf {
  using type = void;
};
template <class T>
requires requires {
  typename T::Result;
}
struct ResultOf<T> {
  using type = typename T::Result;
};
}  // namespace detail

// What a task struct returns: its Result, or void.
template <class T>
using ResultOf = typename detail::ResultOf<T>::type;

using Args = std::vector<task::Value>;
using Kwargs = std::vector<std::pair<std::string, task::Value>>;

template <class... T>
Args args(const T&... values) {
  Args out;
  out.reserve(sizeof...(values));
  (out.push_back(task::to_value(values)), ...);
  return out;
}

// A keyword argument of any convertible type.
struct Kwarg {
  template <class T>
  Kwarg(std::string_view key, const T& from) : name(key), value(task::to_value(from)) {}
  std::string name;
  task::Value value;
};
inline Kwargs kwargs(std::initializer_list<Kwarg> named) {
  Kwargs out;
  for (const Kwarg& each : named) out.emplace_back(each.name, each.value);
  return out;
}

// A task with its arguments, ready to be sent. R: what comes back.
template <class R = void>
struct Call {
  std::string name;
  Args args = {};
  Kwargs kwargs = {};
};

namespace detail {
template <class T>
struct ResultOfTask_ {
  using type = wherry::ResultOf<T>;
};
template <class R>
struct ResultOfTask_<Call<R>> {
  using type = R;
};
// What comes back of a task struct, or of a call.
template <class T>
using ResultOfTask = typename ResultOfTask_<T>::type;
}  // namespace detail

namespace detail {
// The call that a task struct, or a call, stands for.
template <TaskStruct T>
Call<void> call_of(const T& task) {
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
Call<void> call_of(const Call<R>& call) {
  return {call.name, call.args, call.kwargs};
}
}  // namespace detail

template <class Signature>
struct Function;

// The sender's view of a task that takes its parameters by position. Arguments are converted to the parameters' types.
template <class R, class... P>
struct Function<R(P...)> {
  std::string_view name;

  Call<R> operator()(const std::remove_cvref_t<P>&... parameters) const {
    return Call<R>{std::string(name), wherry::args(parameters...), {}};
  }
};

}  // namespace wherry
