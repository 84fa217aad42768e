// A message's args and kwargs to what a task takes: a tuple of a function's parameters, or a task struct.
//
// bind_parameters<int, std::string>(args, kwargs)   by position only; trailing std::optional ones may be missing
// bind_struct<SendSms>(args, kwargs)                args fill the fields in their order, kwargs by name, as Python does
//
// Errors: one sentence, beside those of convert.h:
//   argument 2: expected an integer, got string "x"
//   argument 2, field 'price': missing
//   takes 2 arguments, got 3
//   takes no keyword arguments, got 'x'
//   argument 'to' given twice
#pragma once

#include "protocol/task/convert.h"

namespace wherry::task {

namespace detail {

std::string in_argument(std::size_t number, const std::string& error);  // number counts from 1.
Error wrong_count(std::size_t least, std::size_t most, std::size_t got);
Error no_keywords(std::string_view first);
Error given_twice(std::string_view name);

}  // namespace detail

template <class... P>
Result<std::tuple<P...>> bind_parameters(const Value::Array& args, const Value::Map& kwargs) {
  constexpr std::size_t most = sizeof...(P);
  constexpr std::size_t least = [] {
    constexpr std::array<bool, most> optional{detail::is_a<P, std::optional>...};
    std::size_t needed = most;
    while (needed > 0 && optional[needed - 1]) --needed;
    return needed;
  }();
  if (!kwargs.empty()) return tl::unexpected(detail::no_keywords(kwargs.front().first));
  if (args.size() < least || args.size() > most) {
    return tl::unexpected(detail::wrong_count(least, most, args.size()));
  }
  std::tuple<P...> into{};
  detail::Reader reader;
  std::size_t number = 0;
  auto one = [&](auto& parameter) {
    const std::size_t i = number++;
    return i >= args.size() || reader.read(args[i], parameter, detail::Path{});
  };
  const bool all = std::apply([&](auto&... parameter) { return (one(parameter) && ...); }, into);
  if (!all) return fail(detail::in_argument(number, reader.error));
  return into;
}

// For function signatures written as a tuple.
template <class Tuple>
struct BindTuple;
template <class... P>
struct BindTuple<std::tuple<P...>> {
  static Result<std::tuple<P...>> bind(const Value::Array& args, const Value::Map& kwargs) {
    return bind_parameters<P...>(args, kwargs);
  }
};

template <detail::Struct T>
Result<T> bind_struct(const Value::Array& args, const Value::Map& kwargs) {
  static constexpr auto names = reflect::field_names<T>();
  if (args.size() > names.size()) return tl::unexpected(detail::wrong_count(0, names.size(), args.size()));
  T into{};
  std::array<bool, names.size()> given{};
  detail::Reader reader;
  std::size_t number = 0;
  std::string_view twice;
  auto one = [&](auto& field) {
    const std::size_t i = number++;
    if (i >= args.size()) return true;
    if (find(kwargs, names[i]) != nullptr) {
      twice = names[i];
      return false;
    }
    given[i] = true;
    return reader.read(args[i], field, detail::Path{});
  };
  const bool all = std::apply([&](auto&... field) { return (one(field) && ...); }, reflect::tie(into));
  if (!twice.empty()) return tl::unexpected(detail::given_twice(twice));
  if (!all) return fail(detail::in_argument(number, reader.error));
  if (!reader.read_fields(kwargs, into, detail::Path{}, given)) return fail(std::move(reader.error));
  return into;
}

}  // namespace wherry::task
