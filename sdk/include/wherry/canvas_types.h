// What fits what in a workflow, decided when it is compiled. Included by canvas.h.
//
// canvas::fits<From, To>: whether every From, written by one task, is read as a To by the next
// (protocol/task/convert.h).
//   the same type                                                                         always
//   integers to integers (checked for range when read), any number to double or float     yes; a number to an integer
//   no task::Value either way                                                                yes: known at run time
//   only T to std::optional<T>; nothing (void) to std::optional or std::monostate              yes lists, tuples,
//   pairs, arrays, maps                                                    when their elements do
#pragma once

#include <array>
#include <concepts>
#include <cstddef>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <tuple>
#include <type_traits>
#include <utility>
#include <variant>
#include <vector>

#include "base/reflect.h"
#include "protocol/task/convert.h"
#include "protocol/task/signature.h"
#include "wherry/options.h"

namespace wherry {

template <class R, class In>
class Sig;
template <class Results, class In>
class Group;

namespace canvas {

struct Nothing {};
struct Ignored {};

// What a result of type R is as an element of a list: nothing is null.
template <class R>
using Element = std::conditional_t<std::is_void_v<R>, std::monostate, R>;

namespace detail {

template <class T>
inline constexpr bool is_number = std::is_arithmetic_v<T> && !std::same_as<T, bool>;

template <class From, class To>
consteval bool fits();

template <class From, class To, std::size_t... I>
consteval bool elements_fit(std::index_sequence<I...>) {
  return (fits<std::tuple_element_t<I, From>, std::tuple_element_t<I, To>>() && ...);
}
template <class From, class T, std::size_t... I>
consteval bool all_fit(std::index_sequence<I...>) {
  return (fits<std::tuple_element_t<I, From>, T>() && ...);
}

template <class From, class To>
consteval bool fits() {
  using namespace task::detail;
  constexpr bool from_fixed = is_tuple<From> || is_array<From>;  // Lists of a length that is known.
  constexpr bool to_fixed = is_tuple<To> || is_array<To>;
  if constexpr (std::same_as<From, To> || std::same_as<From, task::Value> || std::same_as<To, task::Value>) {
    return true;
  } else if constexpr (std::is_void_v<From> || std::same_as<From, std::monostate>) {
    return is_a<To, std::optional> || std::same_as<To, std::monostate>;
  } else if constexpr (is_a<To, std::optional>) {
    if constexpr (is_a<From, std::optional>) {
      return fits<typename From::value_type, typename To::value_type>();
    } else {
      return fits<From, typename To::value_type>();
    }
  } else if constexpr (is_number<From> && is_number<To>) {
    return std::floating_point<To> || std::integral<From>;
  } else if constexpr (is_a<To, std::vector>) {
    if constexpr (is_a<From, std::vector>) {
      return fits<typename From::value_type, typename To::value_type>();
    } else if constexpr (from_fixed) {
      return all_fit<From, typename To::value_type>(std::make_index_sequence<std::tuple_size_v<From>>{});
    } else {
      return false;
    }
  } else if constexpr (from_fixed && to_fixed) {
    if constexpr (std::tuple_size_v<From> == std::tuple_size_v<To>) {
      return elements_fit<From, To>(std::make_index_sequence<std::tuple_size_v<From>>{});
    } else {
      return false;
    }
  } else if constexpr (is_dictionary<From> && is_dictionary<To>) {
    return fits<typename From::mapped_type, typename To::mapped_type>();
  } else {
    return false;
  }
}

}  // namespace detail

template <class From, class To>
inline constexpr bool fits = detail::fits<From, To>();

// Whether a task that wants In may come after one that returns R.
template <class In, class R>
inline constexpr bool takes = fits<R, In>;
template <class R>
inline constexpr bool takes<Ignored, R> = true;
template <class R>
inline constexpr bool takes<Nothing, R> = std::is_void_v<R>;

template <class In, class R>
concept Takes = takes<In, R>;

namespace detail {

// --- without templates: sdk/client/canvas.cpp ---
void make_immutable(task::Signature& signature);  // Of a group: all its members.
void set_options(task::Signature& signature, const EnqueueOptions& options);
void add_link(task::Signature& signature, std::string_view which, const task::Signature& callback);
std::vector<task::Signature> joined(std::vector<task::Signature> first, const std::vector<task::Signature>& then);
task::Signature mapping(std::string_view which, std::string_view task, task::Value items);
task::Signature chunked(std::string_view task, const task::Value::Array& items, std::size_t size);

// A task that returns nothing returns null, which the next would get: one that has all its arguments must not.
template <class R, class Next>
auto after(const Next& next) {
  if constexpr (std::is_void_v<R> && std::same_as<typename Next::Input, Nothing>) {
    return next.ignoring();
  } else {
    return next;
  }
}

template <class All, bool whole>
struct InputOf {
  using type = Nothing;
};
template <class First, class... Rest>
struct InputOf<std::tuple<First, Rest...>, false> {
  using type = First;
};

// Of the parts of a group: what all of them take that take anything.
template <class... In>
struct CommonInput {
  using type = Nothing;
  static constexpr bool fits = true;
};
template <class First, class... Rest>
struct CommonInput<First, Rest...> {
  using Others = CommonInput<Rest...>;
  static constexpr bool is_last = sizeof...(Rest) == 0;
  using type =
      std::conditional_t<is_last || std::same_as<typename Others::type, Ignored>, First, typename Others::type>;
  static constexpr bool fits =
      Others::fits && (is_last || std::same_as<First, typename Others::type> || std::same_as<First, Ignored> ||
                       std::same_as<typename Others::type, Ignored>);
};

// The arguments from the parameter `skipped` on, converted to the parameters' types.
template <class All, std::size_t skipped, class... A>
task::Signature positional(std::string_view name, const A&... arguments) {
  task::Signature out{.task = std::string(name)};
  out.args.reserve(sizeof...(A));
  [&]<std::size_t... I>(std::index_sequence<I...>) {
    [[maybe_unused]] const auto given = std::tie(arguments...);
    (out.args.push_back(task::to_value<std::tuple_element_t<I + skipped, All>>(std::get<I>(given))), ...);
  }
  (std::index_sequence_for<A...>{});
  return out;
}

template <class T>
task::Value::Array field_values(const T& task) {
  return std::apply([](const auto&... field) { return task::Value::Array{task::to_value(field)...}; },
                    reflect::tie(task));
}

// A struct's fields from the one at `first` on, by their names.
template <class T>
task::Signature named_fields(const T& task, std::size_t first) {
  task::Signature out{.task = std::string(T::task_name)};
  constexpr auto names = reflect::field_names<T>();
  task::Value::Array values = field_values(task);
  for (std::size_t i = first; i < names.size(); ++i)
    out.kwargs.emplace_back(std::string(names[i]), std::move(values[i]));
  return out;
}

}  // namespace detail
}  // namespace canvas
}  // namespace wherry
