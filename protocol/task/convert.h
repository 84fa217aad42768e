// C++ types to Values and back: to_value(x) and from_value<T>(value).
//
//   bool, integers           range checked; an integer never becomes a bool, nor a number with a fraction an integer
//   float, double            integers are accepted
//   std::string              UTF-8 text; string_view, const char* and literals: to_value only
//   task::Bytes, std::vector<std::byte>
//   enums                    by their underlying integer
//   std::chrono::duration    seconds, as integer when they are whole (timedelta.total_seconds())
//   system_clock time points ISO 8601 with offset (iso8601.h)
//   std::optional<T>         null for nothing
//   std::monostate           null
//   std::vector, std::array, std::pair, std::tuple                 arrays; the latter three of exactly their length
//   std::map, std::unordered_map with std::string keys             maps
//   task::Value              as it is; Value::Array and Value::Map too
//   types with to_value() and a static from_value()                as they say: those of types.h, and your own
//   plain structs            a map keyed by the fields' names (base/reflect.h: up to 24 fields, default constructible)
//
// Fields that may be missing: std::optional ones, and those that the struct names itself, which keep the default of
// their declaration (C++ does not tell which fields have one):
//
//   struct SendSms {
//     static constexpr std::array optional_fields{"priority"};   // Each must be a field: checked when compiled.
//     std::string to;
//     std::optional<std::string> sender;
//     int priority = 5;
//   };
//
// All other fields must be there, and nothing else may be.
//
// Errors: one sentence with the way to the trouble and the trouble:
//   field 'to': missing
//   field 'items[3].price': expected a number, got string "abc"
//   field 'age': 300 does not fit (0 to 255)
//   field 'subjct': unknown; did you mean 'subject'?
// Threads: no state.
#pragma once

#include <algorithm>
#include <array>
#include <chrono>
#include <concepts>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <map>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <tuple>
#include <type_traits>
#include <unordered_map>
#include <utility>
#include <variant>
#include <vector>

#include "base/clock.h"
#include "base/reflect.h"
#include "base/result.h"
#include "protocol/task/value.h"

namespace wherry::task {

template <class T>
Value to_value(const T& from);

template <class T>
Result<T> from_value(const Value& value);

namespace detail {

template <class T, template <class...> class Template>
inline constexpr bool is_a = false;
template <template <class...> class Template, class... T>
inline constexpr bool is_a<Template<T...>, Template> = true;

template <class T>
inline constexpr bool is_array = false;
template <class T, std::size_t N>
inline constexpr bool is_array<std::array<T, N>> = true;

template <class T>
inline constexpr bool is_duration = false;
template <class Rep, class Period>
inline constexpr bool is_duration<std::chrono::duration<Rep, Period>> = true;

template <class T>
inline constexpr bool is_wall_time = false;
template <class D>
inline constexpr bool is_wall_time<std::chrono::time_point<std::chrono::system_clock, D>> = true;

template <class T>
inline constexpr bool is_dictionary = is_a<T, std::map> || is_a<T, std::unordered_map>;

template <class T>
inline constexpr bool is_tuple = is_a<T, std::tuple> || is_a<T, std::pair>;

template <class T>
inline constexpr bool is_value_part =
    std::same_as<T, std::monostate> || std::same_as<T, Value::Array> || std::same_as<T, Value::Map> ||
    std::same_as<T, Bytes> || std::same_as<T, std::string> || std::same_as<T, bool>;

template <class T>
inline constexpr bool not_convertible = false;

// Has its own way: Value to_value() const, and static Result<T> from_value(const Value&).
template <class T>
concept ConvertsItself = requires(const T& it, const Value& value) {
  { it.to_value() } -> std::same_as<Value>;
  { T::from_value(value) } -> std::same_as<Result<T>>;
};

template <class T>
concept Struct = reflect::Aggregate<T> && !is_array<T> && !std::same_as<T, Bytes> && !ConvertsItself<T>;

template <class T>
concept NamesOptionalFields = requires {
  T::optional_fields.begin();
};

// Which fields may be missing, by their place.
template <class T>
consteval auto may_be_missing() {
  constexpr auto names = reflect::field_names<T>();
  std::array<bool, names.size()> may{};
  [&]<std::size_t... I>(std::index_sequence<I...>) {
    ((may[I] = is_a<std::remove_cvref_t<std::tuple_element_t<I, decltype(reflect::tie(std::declval<T&>()))>>,
                    std::optional>),
     ...);
  }
  (std::make_index_sequence<names.size()>{});
  if constexpr (NamesOptionalFields<T>) {
    for (std::string_view name : T::optional_fields) {
      auto at = std::find(names.begin(), names.end(), name);
      if (at == names.end()) throw "optional_fields names a field that the struct does not have";
      may[static_cast<std::size_t>(at - names.begin())] = true;
    }
  }
  return may;
}

// The way from the outermost value to the one being read: on the stack, spelled out only for an error.
struct Path {
  const Path* parent = nullptr;
  std::string_view field = {};  // Or, when there is none (data() is null):
  std::size_t index = 0;
  std::string spell() const;  // "items[3].price"; empty for the outermost.
};

// Each returns false, after setting error.
class Reader {
 public:
  std::string error;

  bool expected(const Path& path, std::string_view what, const Value& got);
  bool trouble(const Path& path, std::string_view what);
  bool missing(const Path& path);
  bool does_not_fit(const Path& path, const Value& got, const std::string& least, const std::string& most);
  bool unknown(const Path& path, std::string_view key, std::span<const std::string_view> known);

  bool read_time(const Value& value, WallTime& into, const Path& path);

  template <class T>
  bool read(const Value& value, T& into, const Path& path);
  // A struct from its fields by name. given: those that were set already, by position.
  template <Struct T>
  bool read_fields(const Value::Map& map, T& into, const Path& path, std::span<const bool> given = {});

 private:
  template <class T>
  bool read_number(const Value& value, T& into, const Path& path);
  template <class Rep, class Period>
  bool read_duration(const Value& value, std::chrono::duration<Rep, Period>& into, const Path& path);
  template <class T>
  bool read_tuple(const Value::Array& array, T& into, const Path& path);
};

Value time_value(WallTime from);

template <class Rep, class Period>
Value duration_value(std::chrono::duration<Rep, Period> from) {
  using namespace std::chrono;
  if constexpr (std::integral<Rep>) {
    const auto whole = duration_cast<duration<std::int64_t>>(from);
    if (whole == from) return whole.count();
  }
  return duration_cast<duration<double>>(from).count();
}

}  // namespace detail

template <class T>
Value to_value(const T& from) {
  if constexpr (std::same_as<T, Value>) {
    return from;
  } else if constexpr (detail::ConvertsItself<T>) {
    return from.to_value();
  } else if constexpr (detail::is_value_part<T> || std::is_arithmetic_v<T>) {
    return Value(from);
  } else if constexpr (std::convertible_to<const T&, std::string_view>) {
    return Value(std::string_view(from));
  } else if constexpr (std::same_as<T, std::nullptr_t> || std::same_as<T, std::nullopt_t>) {
    return Value();
  } else if constexpr (std::is_enum_v<T>) {
    return Value(static_cast<std::underlying_type_t<T>>(from));
  } else if constexpr (detail::is_duration<T>) {
    return detail::duration_value(from);
  } else if constexpr (detail::is_wall_time<T>) {
    return detail::time_value(std::chrono::time_point_cast<WallTime::duration>(from));
  } else if constexpr (detail::is_a<T, std::optional>) {
    return from ? to_value(*from) : Value();
  } else if constexpr (std::same_as<T, std::vector<std::byte>>) {
    return Bytes{std::string(reinterpret_cast<const char*>(from.data()), from.size())};
  } else if constexpr (detail::is_a<T, std::vector> || detail::is_array<T>) {
    Value::Array array;
    array.reserve(from.size());
    for (const auto& element : from) array.push_back(to_value<std::remove_cvref_t<decltype(element)>>(element));
    return array;
  } else if constexpr (detail::is_dictionary<T>) {
    static_assert(std::same_as<typename T::key_type, std::string>, "maps have std::string keys");
    Value::Map map;
    map.reserve(from.size());
    for (const auto& [key, value] : from) map.emplace_back(key, to_value(value));
    return map;
  } else if constexpr (detail::is_tuple<T>) {
    return std::apply([](const auto&... part) { return Value::Array{to_value(part)...}; }, from);
  } else if constexpr (detail::Struct<T>) {
    Value::Map map;
    static constexpr auto names = reflect::field_names<T>();
    map.reserve(names.size());
    std::size_t i = 0;
    std::apply([&](const auto&... field) { (map.emplace_back(std::string(names[i++]), to_value(field)), ...); },
               reflect::tie(from));
    return map;
  } else {
    static_assert(detail::not_convertible<T>, "protocol/task/convert.h lists the types that a Value can be made of");
  }
}

template <class T>
Result<T> from_value(const Value& value) {
  T into{};
  detail::Reader reader;
  if (!reader.read(value, into, detail::Path{})) return fail(std::move(reader.error));
  return into;
}

namespace detail {

template <class T>
bool Reader::read(const Value& value, T& into, const Path& path) {
  if constexpr (std::same_as<T, Value>) {
    into = value;
  } else if constexpr (ConvertsItself<T>) {
    auto own = T::from_value(value);
    if (!own) return trouble(path, own.error().message);
    into = std::move(*own);
  } else if constexpr (std::same_as<T, std::monostate>) {
    if (!value.is_null()) return expected(path, "null", value);
  } else if constexpr (is_value_part<T>) {
    const T* held = value.get<T>();
    if (held == nullptr) {
      return expected(path,
                      std::same_as<T, bool>          ? "a boolean"
                      : std::same_as<T, std::string> ? "a string"
                      : std::same_as<T, Bytes>       ? "bytes"
                      : std::same_as<T, Value::Map>  ? "a map"
                                                     : "an array",
                      value);
    }
    into = *held;
  } else if constexpr (std::is_arithmetic_v<T>) {
    return read_number(value, into, path);
  } else if constexpr (std::is_enum_v<T>) {
    std::underlying_type_t<T> number{};
    if (!read(value, number, path)) return false;
    into = static_cast<T>(number);
  } else if constexpr (is_duration<T>) {
    return read_duration(value, into, path);
  } else if constexpr (is_wall_time<T>) {
    WallTime time;
    if (!read_time(value, time, path)) return false;
    into = std::chrono::floor<typename T::duration>(time);
  } else if constexpr (is_a<T, std::optional>) {
    if (value.is_null()) {
      into.reset();
      return true;
    }
    return read(value, into.emplace(), path);
  } else if constexpr (std::same_as<T, std::vector<std::byte>>) {
    const Bytes* bytes = value.get<Bytes>();
    if (bytes == nullptr) return expected(path, "bytes", value);
    const auto* data = reinterpret_cast<const std::byte*>(bytes->data.data());
    into.assign(data, data + bytes->data.size());
  } else if constexpr (is_a<T, std::vector>) {
    const auto* array = value.get<Value::Array>();
    if (array == nullptr) return expected(path, "an array", value);
    into.clear();
    into.reserve(array->size());
    for (std::size_t i = 0; i < array->size(); ++i) {
      typename T::value_type element{};
      if (!read((*array)[i], element, Path{&path, {}, i})) return false;
      into.push_back(std::move(element));
    }
  } else if constexpr (is_array<T> || is_tuple<T>) {
    const auto* array = value.get<Value::Array>();
    constexpr std::size_t size = std::tuple_size_v<T>;
    if (array == nullptr || array->size() != size) {
      return expected(path, "an array of " + std::to_string(size), value);
    }
    return read_tuple(*array, into, path);
  } else if constexpr (is_dictionary<T>) {
    static_assert(std::same_as<typename T::key_type, std::string>, "maps have std::string keys");
    const auto* map = value.get<Value::Map>();
    if (map == nullptr) return expected(path, "a map", value);
    into.clear();
    for (const auto& [key, element] : *map) {
      if (!read(element, into[key], Path{&path, key})) return false;
    }
  } else if constexpr (Struct<T>) {
    const auto* map = value.get<Value::Map>();
    if (map == nullptr) return expected(path, "a map", value);
    return read_fields(*map, into, path);
  } else {
    static_assert(not_convertible<T>, "protocol/task/convert.h lists the types that a Value can become");
  }
  return true;
}

template <class T>
bool Reader::read_number(const Value& value, T& into, const Path& path) {
  const auto* small = value.get<std::int64_t>();
  const auto* large = value.get<std::uint64_t>();
  if constexpr (std::floating_point<T>) {
    const auto* number = value.get<double>();
    if (number == nullptr && small == nullptr && large == nullptr) return expected(path, "a number", value);
    into = static_cast<T>(number != nullptr  ? *number
                          : small != nullptr ? static_cast<double>(*small)
                                             : static_cast<double>(*large));
  } else {
    if (small == nullptr && large == nullptr) return expected(path, "an integer", value);
    const bool fits = small != nullptr ? std::in_range<T>(*small) : std::in_range<T>(*large);
    if (!fits) {
      using Limits = std::numeric_limits<T>;
      return does_not_fit(path, value, std::to_string(Limits::min()), std::to_string(Limits::max()));
    }
    into = small != nullptr ? static_cast<T>(*small) : static_cast<T>(*large);
  }
  return true;
}

template <class Rep, class Period>
bool Reader::read_duration(const Value& value, std::chrono::duration<Rep, Period>& into, const Path& path) {
  using namespace std::chrono;
  using Target = std::chrono::duration<Rep, Period>;
  double number = 0;
  if (!read(value, number, path)) return false;
  const duration<double, Period> exact = duration<double>(number);
  if constexpr (std::floating_point<Rep>) {
    into = Target(static_cast<Rep>(exact.count()));
  } else {
    constexpr auto least = duration<double, Period>(Target::min()), most = duration<double, Period>(Target::max());
    if (!(exact > least && exact < most)) return trouble(path, "a duration out of range: " + describe(value));
    const auto* whole = value.get<std::int64_t>();
    // By way of double only where there is a fraction: whole seconds stay exact.
    into = whole != nullptr ? duration_cast<Target>(seconds(*whole)) : round<Target>(exact);
  }
  return true;
}

template <class T>
bool Reader::read_tuple(const Value::Array& array, T& into, const Path& path) {
  return [&]<std::size_t... I>(std::index_sequence<I...>) {
    return (read(array[I], std::get<I>(into), Path{&path, {}, I}) && ...);
  }
  (std::make_index_sequence<std::tuple_size_v<T>>{});
}

template <Struct T>
bool Reader::read_fields(const Value::Map& map, T& into, const Path& path, std::span<const bool> given) {
  static constexpr auto names = reflect::field_names<T>();
  [[maybe_unused]] static constexpr auto optional = may_be_missing<T>();
  auto fields = reflect::tie(into);
  // The commonest mistake is a misspelled name: told before the field that is missing because of it.
  for (const auto& [key, value] : map) {
    if (std::find(names.begin(), names.end(), key) == names.end()) return unknown(path, key, names);
  }
  auto one = [&](std::size_t i, auto& field) {
    const Path at{&path, names[i]};
    const Value* value = find(map, names[i]);
    if (value == nullptr) return optional[i] || (i < given.size() && given[i]) || missing(at);
    return read(*value, field, at);
  };
  return [&]<std::size_t... I>(std::index_sequence<I...>) {
    return (one(I, std::get<I>(fields)) && ...);
  }
  (std::make_index_sequence<names.size()>{});
}

}  // namespace detail

}  // namespace wherry::task
