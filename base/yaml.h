// Settings from a YAML file, typed and with every mistake at its place: "worker.yaml:12:3: unknown key 'quue'; did you
// mean 'queue'?". The environment may override the file, and the file may be missing altogether.
//
//   yaml::Document file = yaml::Document::load("worker.yaml", process_environment());   // or parse(), or empty()
//   yaml::Map root = file.root();
//   root.get("concurrency", settings.concurrency, 1, 1024);
//   root.map("broker").get("url", settings.url);
//   for (yaml::Map user : root.maps("users")) ...
//   Result<void> read = file.finish();     // All mistakes at once, one a line, in the order of the file.
//
// Reading leaves the target as it is when the key is absent, null or wrong, so targets start with their defaults.
// finish() also reports every key that nobody asked for: there is no list of keys beside the code that reads them.
//
// Text: in every value ${VAR} stands for the environment variable VAR, ${VAR:-text} for text when it is not set or
// empty, and $${ for ${ itself. Anchors and aliases work; a duplicate key is an error. Environment: the value at path
// a.b_c is overridden by WHERRY_A__B_C, or by the contents of the file that WHERRY_A__B_C_FILE names, without a
// trailing newline. A list of texts is given with commas. An empty variable is the same as none. Whatever stands in a
// list or below a key that the user names (a task, a queue) has no variable. Limits: a file of 1 MiB, 100,000 values
// after aliases are resolved, one YAML document. Threads: one at a time. Lifetime: a Map is a light view; its Document
// outlives it.
#pragma once

#include <chrono>
#include <cstdint>
#include <functional>
#include <initializer_list>
#include <limits>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <type_traits>
#include <utility>
#include <variant>
#include <vector>

#include "base/result.h"
#include "base/units.h"

namespace wherry {

// Gives the value of an environment variable.
using Environment = std::function<std::optional<std::string>(const std::string& name)>;
Environment process_environment();
Environment no_environment();

}  // namespace wherry

namespace wherry::yaml {

// A value of any shape, for what a broker understands and we only pass on: the arguments of queues and exchanges.
struct Value {
  using List = std::vector<Value>;
  using Entries = std::vector<std::pair<std::string, Value>>;  // In the order of the file.
  using Variant = std::variant<std::nullptr_t, bool, std::int64_t, double, std::string, List, Entries>;
  Variant data = nullptr;
  friend bool operator==(const Value&, const Value&) = default;
};
using Entries = Value::Entries;

// What a program's command line puts in place of a file's value: at a path such as "listen.amqp".
struct Override {
  std::string path;
  std::variant<std::string, std::vector<std::string>> value;
  std::string option;  // "--amqp"
};

namespace detail {
struct Node;
struct State;
struct Shown;
// How a value is written in YAML, for Document::effective().
std::string written(const std::string& value);
std::string written(const std::vector<std::string>& value);
std::string written(const Entries& value);
std::string written(const Value::List& value);
std::string written(double value);
}  // namespace detail

template <class T>
concept Integer = std::integral<T> && !std::same_as<T, bool>;

class Map {
 public:
  // Whether a value stands there, in the file or in the environment. Does not count as asking for the key.
  bool has(std::string_view key) const;

  // Each reads one value and returns whether it was there and right.
  bool get(std::string_view key, std::string& into);
  bool get(std::string_view key, bool& into);
  bool get(std::string_view key, double& into, double least = 0, double most = std::numeric_limits<double>::infinity());
  // A list of texts, or one text alone.
  bool get(std::string_view key, std::vector<std::string>& into);
  template <Integer T>
  bool get(std::string_view key, T& into, std::type_identity_t<T> least = std::numeric_limits<T>::min(),
           std::type_identity_t<T> most = std::numeric_limits<T>::max()) {
    std::int64_t value = 0;
    constexpr std::uint64_t top = std::numeric_limits<std::int64_t>::max();
    const auto bound = std::cmp_greater(most, top) ? static_cast<std::int64_t>(top) : static_cast<std::int64_t>(most);
    const bool found = get_integer(key, value, static_cast<std::int64_t>(least), bound);
    if (found) into = static_cast<T>(value);
    show(key, std::to_string(into));
    return found;
  }
  // base/units.h. Units of the target finer than what was written are an error: no silent rounding.
  template <class Rep, class Period>
  bool get(std::string_view key, std::chrono::duration<Rep, Period>& into,
           std::chrono::milliseconds least = std::chrono::milliseconds(0),
           std::chrono::milliseconds most = std::chrono::hours(24 * 365)) {
    using Unit = std::chrono::duration<Rep, Period>;
    std::chrono::milliseconds value{};
    const bool found = get_duration(key, value, least, most, std::chrono::milliseconds(Unit(1)));
    if (found) into = std::chrono::duration_cast<Unit>(value);
    show(key, format_duration(std::chrono::duration_cast<std::chrono::milliseconds>(into)));
    return found;
  }
  template <class T, class... Limits>
  bool get(std::string_view key, std::optional<T>& into, Limits... limits) {
    T value = into.value_or(T{});
    if (!get(key, value, limits...)) {
      if (!into) show(key, {});
      return false;
    }
    into = std::move(value);
    return true;
  }
  // Bytes, as base/units.h reads them.
  bool size(std::string_view key, std::uint64_t& into, std::uint64_t least, std::uint64_t most);
  // One of named values.
  template <class T>
  bool choice(std::string_view key, T& into, std::initializer_list<std::pair<std::string_view, T>> allowed) {
    std::vector<std::string> names;
    for (const auto& each : allowed) names.emplace_back(each.first);
    std::size_t index = 0;
    const bool found = get_choice(key, index, names);
    if (found) into = (allowed.begin() + index)->second;
    show(key, {});
    for (const auto& [name, value] : allowed) {
      if (value == into) show(key, std::string(name));
    }
    return found;
  }
  // A text that is better not in the file: key, or key_file with the path of a file that holds it (without its trailing
  // newline; a relative path starts at this file's folder). Both at once are an error.
  bool secret(std::string_view key, std::optional<std::string>& into);
  // As get, and an error when there is nothing.
  template <class T, class... Limits>
  bool required(std::string_view key, T& into, Limits... limits) {
    if (!has(key)) return missing(key);
    return get(key, into, limits...);
  }

  // A map with fixed keys; an empty one when it is absent.
  Map map(std::string_view key);
  // A list of maps. With a shorthand, an element that is a text alone means a map with that one key.
  std::vector<Map> maps(std::string_view key, std::string_view shorthand = {});
  // A map whose keys the user chooses, in the order of the file.
  std::vector<std::pair<std::string, Map>> entries(std::string_view key, std::string_view shorthand = {});
  // A map of anything, in the order of the file.
  bool tree(std::string_view key, Entries& into);
  // A list of anything.
  bool list(std::string_view key, Value::List& into);

  // The key's value is not in use, because of another key's: effective() does not show it.
  void hide(std::string_view key) { show(key, {}); }

  // A mistake that only the caller can see, at the value of key, or at the map.
  void error(std::string_view key, std::string text);
  void error(std::string text);
  // Where the value of key stands: "FILE:LINE:COLUMN" or the variable's name; empty when it is absent.
  std::string place(std::string_view key) const;
  // A path that stands in the value of key: a relative one starts at the file's folder, and in a variable where the
  // program was started.
  std::string beside(std::string_view key, const std::string& path) const;

 private:
  friend class Document;
  struct Found;
  Map(detail::State* state, const detail::Node* node, std::string path, bool named, detail::Shown* shown)
      : state_(state), node_(node), path_(std::move(path)), named_(named), shown_(shown) {}

  bool get_integer(std::string_view key, std::int64_t& into, std::int64_t least, std::int64_t most);
  bool get_duration(std::string_view key, std::chrono::milliseconds& into, std::chrono::milliseconds least,
                    std::chrono::milliseconds most, std::chrono::milliseconds unit);
  bool get_texts(std::string_view key, std::vector<std::string>& into);
  bool get_secret(std::string_view key, std::optional<std::string>& into);
  bool get_tree(std::string_view key, Entries& into);
  bool get_list(std::string_view key, Value::List& into);
  bool get_choice(std::string_view key, std::size_t& index, const std::vector<std::string>& allowed);
  bool missing(std::string_view key);
  void ask(std::string_view key);
  // For Document::effective(): what the key's value is, as YAML; empty: none.
  void show(std::string_view key, std::string value);
  const detail::Node* child(std::string_view key) const;
  std::string path_to(std::string_view key) const;
  std::optional<Found> from_environment(std::string_view key) const;
  std::optional<Found> scalar(std::string_view key, std::string_view wanted);
  Map element(const detail::Node* node, std::string path, std::string_view shorthand, std::string_view called,
              detail::Shown& list, std::string name);

  detail::State* state_;
  const detail::Node* node_;  // Null: nothing in the file.
  std::string path_;          // "broker", "users[]", "task_routes.*"
  bool named_;                // Every step has a fixed name: the environment reaches it.
  detail::Shown* shown_;      // Where it is shown; its keys follow in the order in which they are asked for.
};

class Document {
 public:
  // A file that cannot be read, or is no YAML, becomes an error of finish().
  static Document load(const std::string& path, Environment environment);
  // name: what errors call it.
  static Document parse(std::string_view text, std::string name, Environment environment);
  // No file: defaults and the environment.
  static Document empty(Environment environment);
  Document(Document&&) noexcept;
  Document& operator=(Document&&) noexcept;
  ~Document();

  Map root();
  // Ends the reading: all mistakes, or success.
  Result<void> finish();
  // Every key that was asked for: "listen.amqp", "users[].name", "task_routes.*.queue". For tests of schemas.
  const std::set<std::string>& asked() const;
  // The keys at the top of the file, in its order.
  std::vector<std::string> keys() const;
  // All that was asked for with the values that came out, as YAML: the file's over the defaults, the environment's over
  // those, the overrides over all; behind each value where it is from. Passwords, also those in URLs, are shown as
  // ********. A value that is absent and has no default is a comment.
  std::string effective(const std::vector<Override>& overrides = {}) const;
  // The folder of the file, "." without one: where relative paths in it start.
  const std::string& folder() const;

 private:
  explicit Document(std::unique_ptr<detail::State> state);
  std::unique_ptr<detail::State> state_;
};

}  // namespace wherry::yaml
