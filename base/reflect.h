// The fields of a plain aggregate without listing them again: how many there are, references to each, and their names.
//
//   struct SendSms { std::string to; std::string text; };
//   reflect::field_count<SendSms>      == 2
//   reflect::field_names<SendSms>()    == {"to", "text"}
//   reflect::tie(sms)                  -> std::tuple<std::string&, std::string&>
//
// Limits: aggregates without base classes, C arrays or references as fields, up to 24 fields. Names need GCC 12 or
// Clang 16: they are read from the compiler's own spelling of a pointer to each field.
#pragma once

#include <array>
#include <cstddef>
#include <string_view>
#include <tuple>
#include <type_traits>
#include <utility>

namespace wherry::reflect {

namespace detail {

struct Anything {
  template <class T>
  operator T() const noexcept;  // Never defined: only asked whether it would convert.
};

template <class T, std::size_t... I>
constexpr bool constructible_from(std::index_sequence<I...>) {
  return requires {
    T{(void(I), Anything{})...};
  };
}

template <class T, std::size_t N = 24>
constexpr std::size_t count() {
  if constexpr (constructible_from<T>(std::make_index_sequence<N>{})) {
    return N;
  } else {
    static_assert(N > 0, "not an aggregate that wherry::reflect can take apart");
    return count<T, N - 1>();
  }
}

}  // namespace detail

template <class T>
concept Aggregate = std::is_aggregate_v<T> && std::is_class_v<T>;

template <Aggregate T>
constexpr std::size_t field_count = std::is_empty_v<T> ? 0 : detail::count<T>();

// References to each field, in declaration order.
template <class T>
requires Aggregate<std::remove_cvref_t<T>>
constexpr auto tie(T& v) {
  constexpr std::size_t n = field_count<std::remove_cvref_t<T>>;
  static_assert(n <= 24, "wherry::reflect handles up to 24 fields");
  if constexpr (n == 0) {
    return std::tuple<>{};
  }
#define WHERRY_TIE(N, ...)        \
  else if constexpr (n == N) {    \
    auto& [__VA_ARGS__] = v;      \
    return std::tie(__VA_ARGS__); \
  }
  WHERRY_TIE(1, a)
  WHERRY_TIE(2, a, b)
  WHERRY_TIE(3, a, b, c)
  WHERRY_TIE(4, a, b, c, d)
  WHERRY_TIE(5, a, b, c, d, e)
  WHERRY_TIE(6, a, b, c, d, e, f)
  WHERRY_TIE(7, a, b, c, d, e, f, g)
  WHERRY_TIE(8, a, b, c, d, e, f, g, h)
  WHERRY_TIE(9, a, b, c, d, e, f, g, h, i)
  WHERRY_TIE(10, a, b, c, d, e, f, g, h, i, j)
  WHERRY_TIE(11, a, b, c, d, e, f, g, h, i, j, k)
  WHERRY_TIE(12, a, b, c, d, e, f, g, h, i, j, k, l)
  WHERRY_TIE(13, a, b, c, d, e, f, g, h, i, j, k, l, m)
  WHERRY_TIE(14, a, b, c, d, e, f, g, h, i, j, k, l, m, o)
  WHERRY_TIE(15, a, b, c, d, e, f, g, h, i, j, k, l, m, o, p)
  WHERRY_TIE(16, a, b, c, d, e, f, g, h, i, j, k, l, m, o, p, q)
  WHERRY_TIE(17, a, b, c, d, e, f, g, h, i, j, k, l, m, o, p, q, r)
  WHERRY_TIE(18, a, b, c, d, e, f, g, h, i, j, k, l, m, o, p, q, r, s)
  WHERRY_TIE(19, a, b, c, d, e, f, g, h, i, j, k, l, m, o, p, q, r, s, t)
  WHERRY_TIE(20, a, b, c, d, e, f, g, h, i, j, k, l, m, o, p, q, r, s, t, u)
  WHERRY_TIE(21, a, b, c, d, e, f, g, h, i, j, k, l, m, o, p, q, r, s, t, u, w)
  WHERRY_TIE(22, a, b, c, d, e, f, g, h, i, j, k, l, m, o, p, q, r, s, t, u, w, x)
  WHERRY_TIE(23, a, b, c, d, e, f, g, h, i, j, k, l, m, o, p, q, r, s, t, u, w, x, y)
  WHERRY_TIE(24, a, b, c, d, e, f, g, h, i, j, k, l, m, o, p, q, r, s, t, u, w, x, y, z)
#undef WHERRY_TIE
}

namespace detail {

template <class T>
struct Holder {
  T value;
};
#ifdef __clang__
#pragma clang diagnostic push
#pragma clang diagnostic ignored "-Wundefined-var-template"
#pragma clang diagnostic ignored "-Wundefined-internal"  // Of structs in anonymous namespaces.
#endif
template <class T>
extern const Holder<T> nowhere;  // Never defined: only its fields' addresses are named.

template <class P>
struct Name {
  P pointer;
};

template <auto P>
constexpr std::string_view spelled() {
  return __PRETTY_FUNCTION__;
}

// The identifier before the last closing brace: GCC spells {(& nowhere<T>.Holder<T>::value.T::field)}, Clang
// {&nowhere.value.field}.
constexpr std::string_view last_identifier(std::string_view text) {
  auto word = [](char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_';
  };
  std::size_t stop = text.rfind('}');
  while (!word(text[stop - 1])) --stop;
  std::size_t start = stop;
  while (word(text[start - 1])) --start;
  return text.substr(start, stop - start);
}

template <class T, std::size_t I>
consteval std::string_view name() {
  return last_identifier(
      spelled<Name<decltype(&std::get<I>(tie(nowhere<T>.value)))>{&std::get<I>(tie(nowhere<T>.value))}>());
}
#ifdef __clang__
#pragma clang diagnostic pop
#endif

template <class T, std::size_t... I>
consteval auto names(std::index_sequence<I...>) {
  return std::array<std::string_view, sizeof...(I)>{name<T, I>()...};
}

}  // namespace detail

// The names of the fields, in declaration order.
template <Aggregate T>
consteval auto field_names() {
  if constexpr (field_count<T> == 0) {
    return std::array<std::string_view, 0>{};
  } else {
    return detail::names<T>(std::make_index_sequence<field_count<T>>{});
  }
}

}  // namespace wherry::reflect
