// Maps in maps, lists of them, and values of any shape.
#include <charconv>

#include <fmt/format.h>

#include "base/yaml_node.h"

namespace wherry::yaml {

using detail::kind_of;
using detail::Node;

namespace {

// YAML's core schema: what a text without quotes means.
Value::Variant plain_value(const std::string& text) {
  if (text == "true" || text == "True" || text == "TRUE") return true;
  if (text == "false" || text == "False" || text == "FALSE") return false;
  const char* begin = text.data() + (text.starts_with('+') ? 1 : 0);
  const char* end = text.data() + text.size();
  std::int64_t whole = 0;
  if (auto [stop, error] = std::from_chars(begin, end, whole); error == std::errc{} && stop == end) return whole;
  // from_chars would also take "inf" and "nan", which are words here.
  const bool numeric = begin != end && text.find_first_not_of("+-.0123456789eE") == text.npos;
  double real = 0;
  if (auto [stop, error] = std::from_chars(begin, end, real); numeric && error == std::errc{} && stop == end)
    return real;
  return text;
}

bool convert(detail::State& state, const Node& node, Value& into) {
  switch (node.kind) {
    case Node::Kind::null:
      into.data = nullptr;
      return true;
    case Node::Kind::text: {
      auto text = detail::substitute(node.text, state.environment);
      if (!text) {
        state.mistake(node.at, text.error().message);
        return false;
      }
      into.data = node.plain ? plain_value(*text) : Value::Variant(std::move(*text));
      return true;
    }
    case Node::Kind::list: {
      Value::List list(node.items.size());
      for (std::size_t i = 0; i < list.size(); ++i)
        if (!convert(state, *node.items[i], list[i])) return false;
      into.data = std::move(list);
      return true;
    }
    case Node::Kind::map: {
      Entries entries;
      for (const Node::Entry& each : node.entries) {
        Value value;
        if (!convert(state, *each.value, value)) return false;
        entries.emplace_back(each.key, std::move(value));
      }
      into.data = std::move(entries);
      return true;
    }
  }
  return false;
}

}  // namespace

Map Map::map(std::string_view key) {
  ask(key);
  const Node* node = child(key);
  if (node != nullptr && node->kind != Node::Kind::map) {
    state_->mistake(node->at, fmt::format("'{}' wants a map of keys, got {}", key, kind_of(*node)));
    node = nullptr;
  }
  detail::Shown& shown = shown_->at(key);
  shown.kind = detail::Shown::Kind::map;
  return Map(state_, node, path_to(key), named_, &shown);
}

Map Map::element(const Node* node, std::string path, std::string_view shorthand, std::string_view called,
                 detail::Shown& list, std::string name) {
  if (node->kind == Node::Kind::text && !shorthand.empty()) {
    auto made = std::make_shared<Node>(Node{.kind = Node::Kind::map, .at = node->at});
    made->entries.push_back({std::string(shorthand), node->at, std::make_shared<Node>(*node)});
    node = made.get();
    state_->made.push_back(std::move(made));
  } else if (node->kind != Node::Kind::map && !(node->kind == Node::Kind::null && shorthand.empty())) {
    state_->mistake(node->at, fmt::format("'{}' wants a map of keys, got {}", called, kind_of(*node)));
    node = nullptr;
  }
  return Map(state_, node, std::move(path), false, &list.add(std::move(name), detail::Shown::Kind::map));
}

std::vector<Map> Map::maps(std::string_view key, std::string_view shorthand) {
  ask(key);
  std::vector<Map> out;
  detail::Shown& shown = shown_->at(key);
  shown.kind = detail::Shown::Kind::list;
  const Node* node = child(key);
  if (node == nullptr) return out;
  if (node->kind != Node::Kind::list) {
    state_->mistake(node->at, fmt::format("'{}' wants a list, got {}", key, kind_of(*node)));
    return out;
  }
  for (std::size_t i = 0; i < node->items.size(); ++i) {
    Map each = element(node->items[i].get(), path_to(key) + "[]", shorthand, fmt::format("{}[{}]", key, i), shown, {});
    if (each.node_ != nullptr) out.push_back(std::move(each));
  }
  return out;
}

std::vector<std::pair<std::string, Map>> Map::entries(std::string_view key, std::string_view shorthand) {
  ask(key);
  std::vector<std::pair<std::string, Map>> out;
  detail::Shown& shown = shown_->at(key);
  shown.kind = detail::Shown::Kind::map;
  const Node* node = child(key);
  if (node == nullptr) return out;
  if (node->kind != Node::Kind::map) {
    state_->mistake(node->at, fmt::format("'{}' wants a map of keys, got {}", key, kind_of(*node)));
    return out;
  }
  for (const Node::Entry& entry : node->entries) {
    Map each = element(entry.value.get(), path_to(key) + ".*", shorthand, entry.key, shown, entry.key);
    if (each.node_ != nullptr) out.emplace_back(entry.key, std::move(each));
  }
  return out;
}

bool Map::tree(std::string_view key, Entries& into) {
  const bool found = get_tree(key, into);
  show(key, into.empty() ? "" : detail::written(into));
  return found;
}

bool Map::get_tree(std::string_view key, Entries& into) {
  ask(key);
  const Node* node = child(key);
  if (node == nullptr) return false;
  if (node->kind != Node::Kind::map) {
    state_->mistake(node->at, fmt::format("'{}' wants a map of keys, got {}", key, kind_of(*node)));
    return false;
  }
  Value value;
  if (!convert(*state_, *node, value)) return false;
  into = std::get<Entries>(std::move(value.data));
  return true;
}

bool Map::list(std::string_view key, Value::List& into) {
  const bool found = get_list(key, into);
  show(key, into.empty() ? "" : detail::written(into));
  return found;
}

bool Map::get_list(std::string_view key, Value::List& into) {
  ask(key);
  const Node* node = child(key);
  if (node == nullptr) return false;
  if (node->kind != Node::Kind::list) {
    state_->mistake(node->at, fmt::format("'{}' wants a list, got {}", key, kind_of(*node)));
    return false;
  }
  Value value;
  if (!convert(*state_, *node, value)) return false;
  into = std::get<Value::List>(std::move(value.data));
  return true;
}

}  // namespace wherry::yaml
