// Value: what a task's arguments and results are made of, whatever serializer carried them.
//
// null, bool, integer, number, string (UTF-8), bytes, array, map. A map is a vector of pairs in the order they were
// written, each key once; a key of another type than string was turned to text when it was decoded (1 -> "1").
// Integers: as int64 whenever they fit, as uint64 only above that, so that equal integers are equal Values. An integer
// and a number are never equal (1 != 1.0), as they are different on the wire.
//
//   Value order = Value::Map{{"id", 7}, {"items", Value::Array{"tea", "milk"}}};
//   if (const Value* id = order.find("id")) ...
//
// Threads: plain data. Serializers: json.h, msgpack.h. To and from C++ types: convert.h.
#pragma once

#include <concepts>
#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <type_traits>
#include <utility>
#include <variant>
#include <vector>

namespace wherry::task {

// Raw bytes, where a std::string is text.
struct Bytes {
  std::string data;
  friend bool operator==(const Bytes&, const Bytes&) = default;
};

class Value {
 public:
  using Array = std::vector<Value>;
  using Map = std::vector<std::pair<std::string, Value>>;
  using Variant =
      std::variant<std::monostate, bool, std::int64_t, std::uint64_t, double, std::string, Bytes, Array, Map>;

  Value() = default;
  Value(std::nullptr_t) {}
  Value(std::monostate) {}
  template <std::same_as<bool> T>
  Value(T from) : held_(from) {}
  template <std::integral T>
  requires(!std::same_as<T, bool>) Value(T from) {
    if (std::in_range<std::int64_t>(from)) {
      held_ = static_cast<std::int64_t>(from);
    } else {
      held_ = static_cast<std::uint64_t>(from);
    }
  }
  template <std::floating_point T>
  Value(T from) : held_(static_cast<double>(from)) {}
  Value(std::string from) : held_(std::move(from)) {}
  Value(std::string_view from) : held_(std::string(from)) {}
  Value(const char* from) : held_(std::string(from)) {}
  Value(Bytes from) : held_(std::move(from)) {}
  Value(Array from) : held_(std::move(from)) {}
  Value(Map from) : held_(std::move(from)) {}

  bool is_null() const { return std::holds_alternative<std::monostate>(held_); }

  // A pointer to what is held, null when it is something else: get<bool>(), get<std::int64_t>(), get<std::uint64_t>()
  // (above int64 only), get<double>(), get<std::string>(), get<Bytes>(), get<Value::Array>(), get<Value::Map>().
  template <class T>
  const T* get() const {
    return std::get_if<T>(&held_);
  }
  template <class T>
  T* get() {
    return std::get_if<T>(&held_);
  }
  const Variant& variant() const { return held_; }

  // In a map: the value of that key; null when this is no map or the key is not there.
  const Value* find(std::string_view key) const;

  friend bool operator==(const Value&, const Value&);

 private:
  Variant held_;
};

const Value* find(const Value::Map& map, std::string_view key);
void set(Value::Map& map, std::string_view key, Value value);  // Replaces, or appends.

// Of keys that are there twice the last value stays, in the first one's place, as Python reads them. For decoders.
void drop_repeated_keys(Value::Map& map);

// What it is, for errors: 'string "abc"', 'integer 7', 'null', 'an array of 3', long text cut.
std::string describe(const Value& value);

// How deep arrays and maps may be nested, in both serializers: no input can exhaust the stack.
inline constexpr std::size_t max_depth = 64;

}  // namespace wherry::task
