// Inside base/yaml: the tree that a file becomes, with the place of each value, and the state of one reading.
#pragma once

#include <map>
#include <memory>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "base/yaml.h"

namespace wherry::yaml::detail {

struct Position {
  int line = 0;  // From 1; 0: nowhere in the file.
  int column = 0;
  friend auto operator<=>(const Position&, const Position&) = default;
};

using NodeRef = std::shared_ptr<const Node>;

struct NodeEntry {
  std::string key;
  Position at;
  NodeRef value;
};

struct Node {
  enum class Kind { null, text, list, map };
  using Entry = NodeEntry;

  Kind kind = Kind::null;
  bool plain = true;  // A text without quotes: may be a number, a truth value or null.
  std::string text = {};
  Position at = {};
  std::vector<NodeRef> items = {};
  std::vector<Entry> entries = {};
  std::size_t weight = 1;  // Values in it with aliases resolved.
};
// "a text", "a list": for errors.
inline std::string_view kind_of(const Node& node) {
  switch (node.kind) {
    case Node::Kind::null:
      return "nothing";
    case Node::Kind::text:
      return "a text";
    case Node::Kind::list:
      return "a list";
    case Node::Kind::map:
      return "a map";
  }
  return "";
}

struct Mistake {
  Position at;       // Nowhere for one in the environment.
  std::string text;  // With its place in front.
};

// What was asked for and came out, in the order of asking: a value, a map, or a list of maps.
struct Shown {
  std::string key = {};
  std::string value = {};   // As YAML.
  std::string origin = {};  // Its place in the file, a variable, "default".
  enum class Kind { value, map, list } kind = Kind::value;
  std::vector<std::unique_ptr<Shown>> below = {};

  // The one of this key, made when there is none.
  Shown& at(std::string_view key);
  // A new one, whatever is there.
  Shown& add(std::string key, Kind kind);
};

struct State {
  std::string name;
  std::string folder = ".";
  Environment environment;
  NodeRef root = nullptr;
  std::vector<NodeRef> made = {};  // Nodes that stand for a shorthand.
  std::vector<Mistake> mistakes = {};
  bool broken = false;                                           // No tree: what else is found wrong means nothing.
  std::map<const Node*, std::vector<std::string>> allowed = {};  // Keys asked for, in order, of each map that was read.
  std::set<std::string> asked = {};
  Shown shown = {.kind = Shown::Kind::map};

  void mistake(Position at, std::string_view text);
  // The error without a place in the file: of a variable, of the file itself.
  void mistake(std::string_view where, std::string_view text);
  std::string place(Position at) const;
};

// The tree of one YAML document; null for an empty one. Mistakes go to the state, which is then broken.
NodeRef parse(std::string_view text, State& state);

// Puts environment variables in place of ${VAR}. Errors name the variable.
Result<std::string> substitute(std::string_view text, const Environment& environment);

inline constexpr std::size_t most_bytes = 1 << 20;
inline constexpr std::size_t most_values = 100'000;

}  // namespace wherry::yaml::detail
