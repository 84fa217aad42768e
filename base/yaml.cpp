#include "base/yaml.h"

#include <algorithm>
#include <cerrno>
#include <charconv>
#include <cstring>
#include <fstream>

#include <fmt/format.h>

#include "base/assert.h"
#include "base/nearest.h"
#include "base/units.h"
#include "base/yaml_node.h"

namespace wherry::yaml {

using detail::kind_of;
using detail::Node;

namespace {

std::string variable_of(std::string_view path) {
  std::string out = "WHERRY_";
  for (char c : path) {
    if (c == '.')
      out += "__";
    else
      out += c >= 'a' && c <= 'z' ? static_cast<char>(c - 'a' + 'A') : c;
  }
  return out;
}

std::string lower(std::string_view text) {
  std::string out(text);
  for (char& c : out)
    if (c >= 'A' && c <= 'Z') c = static_cast<char>(c - 'A' + 'a');
  return out;
}

std::string quoted(std::string_view text) {
  constexpr std::size_t most = 60;
  return text.size() <= most ? fmt::format("'{}'", text) : fmt::format("'{}...'", text.substr(0, most));
}

Result<std::string> read_secret_file(const std::string& path) {
  errno = 0;
  std::ifstream file(path, std::ios::binary);
  std::string text(detail::most_bytes + 1, '\0');
  file.read(text.data(), static_cast<std::streamsize>(text.size()));
  if (file.bad() || (!file.eof() && file.gcount() == 0))
    return fail(fmt::format("cannot read the file '{}': {}", path, std::strerror(errno)));
  if (static_cast<std::size_t>(file.gcount()) > detail::most_bytes)
    return fail(fmt::format("the file '{}' is larger than 1 MiB", path));
  text.resize(static_cast<std::size_t>(file.gcount()));
  if (text.ends_with('\n')) text.pop_back();
  if (text.ends_with('\r')) text.pop_back();
  return text;
}

std::optional<bool> truth(std::string_view text) {
  const std::string word = lower(text);
  if (word == "true" || word == "yes" || word == "on") return true;
  if (word == "false" || word == "no" || word == "off") return false;
  return std::nullopt;
}

template <class T>
std::optional<T> number(std::string_view text) {
  if (text.starts_with('+')) text.remove_prefix(1);
  T value{};
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (error != std::errc{} || end != text.data() + text.size()) return std::nullopt;
  return value;
}

}  // namespace

// A text on its way into a setting, and where it came from.
struct Map::Found {
  std::string text;
  detail::Position at = {};
  std::string variable = {};  // Empty: from the file.

  void wrong(detail::State& state, std::string_view what) const {
    variable.empty() ? state.mistake(at, what) : state.mistake(variable, what);
  }
};

const Node* Map::child(std::string_view key) const {
  if (node_ == nullptr) return nullptr;
  for (const Node::Entry& each : node_->entries)
    if (each.key == key) return each.value->kind == Node::Kind::null ? nullptr : each.value.get();
  return nullptr;
}

std::string Map::path_to(std::string_view key) const {
  return path_.empty() ? std::string(key) : fmt::format("{}.{}", path_, key);
}

void Map::ask(std::string_view key) {
  state_->asked.insert(path_to(key));
  std::vector<std::string>& allowed = state_->allowed[node_];
  if (std::find(allowed.begin(), allowed.end(), key) == allowed.end()) allowed.emplace_back(key);
}

bool Map::has(std::string_view key) const {
  if (child(key) != nullptr) return true;
  if (!named_) return false;
  const std::string variable = variable_of(path_to(key));
  for (const std::string& name : {variable, variable + "_FILE"})
    if (auto value = state_->environment(name); value && !value->empty()) return true;
  return false;
}

std::string Map::place(std::string_view key) const {
  if (named_) {
    const std::string variable = variable_of(path_to(key));
    for (const std::string& name : {variable, variable + "_FILE"})
      if (auto value = state_->environment(name); value && !value->empty()) return name;
  }
  const Node* node = child(key);
  return node == nullptr ? std::string() : state_->place(node->at);
}

std::string Map::beside(std::string_view key, const std::string& path) const {
  const Node* node = child(key);
  const bool in_file = node != nullptr && place(key) == state_->place(node->at);
  if (!in_file || path.starts_with('/') || state_->folder == ".") return path;
  return state_->folder + '/' + path;
}

std::optional<Map::Found> Map::from_environment(std::string_view key) const {
  if (!named_) return std::nullopt;
  const std::string variable = variable_of(path_to(key));
  if (auto value = state_->environment(variable); value && !value->empty())
    return Found{.text = std::move(*value), .variable = variable};
  const std::string file_variable = variable + "_FILE";
  if (auto path = state_->environment(file_variable); path && !path->empty()) {
    auto text = read_secret_file(*path);
    if (text) return Found{.text = std::move(*text), .variable = file_variable};
    state_->mistake(file_variable, text.error().message);
  }
  return std::nullopt;
}

std::optional<Map::Found> Map::scalar(std::string_view key, std::string_view wanted) {
  ask(key);
  if (auto found = from_environment(key)) return found;
  const Node* node = child(key);
  if (node == nullptr) return std::nullopt;
  if (node->kind != Node::Kind::text) {
    state_->mistake(node->at, fmt::format("'{}' wants {}, got {}", key, wanted, kind_of(*node)));
    return std::nullopt;
  }
  auto text = detail::substitute(node->text, state_->environment);
  if (!text) {
    state_->mistake(node->at, text.error().message);
    return std::nullopt;
  }
  return Found{.text = std::move(*text), .at = node->at};
}

bool Map::get(std::string_view key, std::string& into) {
  auto found = scalar(key, "a text");
  if (found) into = std::move(found->text);
  show(key, detail::written(into));
  return found.has_value();
}

bool Map::get(std::string_view key, bool& into) {
  auto found = scalar(key, "true or false");
  show(key, into ? "true" : "false");
  if (!found) return false;
  const auto value = truth(found->text);
  if (!value) {
    found->wrong(*state_, fmt::format("'{}' wants true or false, got {}", key, quoted(found->text)));
    return false;
  }
  into = *value;
  show(key, into ? "true" : "false");
  return true;
}

bool Map::get(std::string_view key, double& into, double least, double most) {
  auto found = scalar(key, "a number");
  show(key, detail::written(into));
  if (!found) return false;
  const auto value = number<double>(found->text);
  if (!value || *value != *value) {
    found->wrong(*state_, fmt::format("'{}' wants a number, got {}", key, quoted(found->text)));
    return false;
  }
  if (*value < least || *value > most) {
    found->wrong(*state_, most == std::numeric_limits<double>::infinity()
                              ? fmt::format("'{}' must be at least {}, got {}", key, least, found->text)
                              : fmt::format("'{}' must be between {} and {}, got {}", key, least, most, found->text));
    return false;
  }
  into = *value;
  show(key, detail::written(into));
  return true;
}

bool Map::get_integer(std::string_view key, std::int64_t& into, std::int64_t least, std::int64_t most) {
  auto found = scalar(key, "a whole number");
  if (!found) return false;
  const auto value = number<std::int64_t>(found->text);
  if (!value) {
    found->wrong(*state_, fmt::format("'{}' wants a whole number, got {}", key, quoted(found->text)));
    return false;
  }
  if (*value < least || *value > most) {
    found->wrong(*state_, fmt::format("'{}' must be between {} and {}, got {}", key, least, most, *value));
    return false;
  }
  into = *value;
  return true;
}

bool Map::get_duration(std::string_view key, std::chrono::milliseconds& into, std::chrono::milliseconds least,
                       std::chrono::milliseconds most, std::chrono::milliseconds unit) {
  auto found = scalar(key, "a duration such as 30s, 1m30s or 250ms");
  if (!found) return false;
  const auto value = parse_duration(found->text);
  if (!value) {
    found->wrong(*state_,
                 fmt::format("'{}' wants a duration such as 30s, 1m30s or 250ms, got {}", key, quoted(found->text)));
    return false;
  }
  if (*value < least || *value > most) {
    found->wrong(*state_, fmt::format("'{}' must be between {} and {}, got {}", key, format_duration(least),
                                      format_duration(most), found->text));
    return false;
  }
  if (unit.count() > 0 && value->count() % unit.count() != 0) {
    found->wrong(*state_, fmt::format("'{}' counts in steps of {}, got {}", key, format_duration(unit), found->text));
    return false;
  }
  into = *value;
  return true;
}

bool Map::size(std::string_view key, std::uint64_t& into, std::uint64_t least, std::uint64_t most) {
  auto found = scalar(key, "a size such as 128KiB or 16MiB");
  show(key, std::to_string(into));
  if (!found) return false;
  const auto value = parse_size(found->text);
  if (!value) {
    found->wrong(*state_, fmt::format("'{}' wants a size such as 128KiB or 16MiB, got {}", key, quoted(found->text)));
    return false;
  }
  if (*value < least || *value > most) {
    found->wrong(*state_, fmt::format("'{}' must be between {} and {} bytes, got {}", key, least, most, found->text));
    return false;
  }
  into = *value;
  show(key, std::to_string(into));
  return true;
}

bool Map::get_choice(std::string_view key, std::size_t& index, const std::vector<std::string>& allowed) {
  const std::string names = fmt::format("one of {}", fmt::join(allowed, ", "));
  auto found = scalar(key, names);
  if (!found) return false;
  const auto at = std::find(allowed.begin(), allowed.end(), found->text);
  if (at == allowed.end()) {
    std::string text = fmt::format("'{}' wants {}; got {}", key, names, quoted(found->text));
    if (auto near = nearest(found->text, allowed)) text += fmt::format("; did you mean '{}'?", *near);
    found->wrong(*state_, text);
    return false;
  }
  index = static_cast<std::size_t>(at - allowed.begin());
  return true;
}

bool Map::get(std::string_view key, std::vector<std::string>& into) {
  const bool found = get_texts(key, into);
  show(key, detail::written(into));
  return found;
}

bool Map::get_texts(std::string_view key, std::vector<std::string>& into) {
  const Node* node = child(key);
  if (node != nullptr && node->kind == Node::Kind::list && !(named_ && place(key) != state_->place(node->at))) {
    ask(key);
    std::vector<std::string> texts;
    for (std::size_t i = 0; i < node->items.size(); ++i) {
      const Node& item = *node->items[i];
      if (item.kind != Node::Kind::text) {
        state_->mistake(item.at, fmt::format("'{}[{}]' wants a text, got {}", key, i, kind_of(item)));
        return false;
      }
      auto text = detail::substitute(item.text, state_->environment);
      if (!text) {
        state_->mistake(item.at, text.error().message);
        return false;
      }
      texts.push_back(std::move(*text));
    }
    into = std::move(texts);
    return true;
  }
  auto found = scalar(key, "a list of texts");
  if (!found) return false;
  if (found->variable.empty()) {
    into = {std::move(found->text)};
    return true;
  }
  std::vector<std::string> texts;
  std::string_view rest = found->text;
  while (!rest.empty()) {
    const std::size_t comma = std::min(rest.find(','), rest.size());
    std::string_view word = rest.substr(0, comma);
    rest.remove_prefix(std::min(comma + 1, rest.size()));
    while (word.starts_with(' ')) word.remove_prefix(1);
    while (word.ends_with(' ')) word.remove_suffix(1);
    if (!word.empty()) texts.emplace_back(word);
  }
  into = std::move(texts);
  return true;
}

bool Map::secret(std::string_view key, std::optional<std::string>& into) {
  const bool found = get_secret(key, into);
  show(key, into ? detail::written(std::string("********")) : "");
  return found;
}

bool Map::get_secret(std::string_view key, std::optional<std::string>& into) {
  const std::string file_key = fmt::format("{}_file", key);
  ask(key);
  ask(file_key);
  if (auto found = from_environment(key)) {
    into = std::move(found->text);
    return true;
  }
  detail::Shown nowhere;
  Map only_file(state_, node_, path_, false, &nowhere);
  if (child(key) != nullptr && child(file_key) != nullptr) {
    error(file_key, fmt::format("'{}' and '{}' exclude each other", key, file_key));
    return false;
  }
  if (child(key) != nullptr) return only_file.get(key, into);
  std::string path;
  if (!only_file.get(file_key, path)) return false;
  auto text = read_secret_file(only_file.beside(file_key, path));
  if (!text) {
    error(file_key, text.error().message);
    return false;
  }
  into = std::move(*text);
  return true;
}

bool Map::missing(std::string_view key) {
  ask(key);
  // A value of null is said to be missing at its own place.
  detail::Position at = node_ == nullptr ? detail::Position{} : node_->at;
  if (node_ != nullptr)
    for (const Node::Entry& each : node_->entries)
      if (each.key == key) at = each.at;
  state_->mistake(at, fmt::format("'{}' is missing", path_.empty() ? std::string(key) : path_to(key)));
  return false;
}

void Map::error(std::string_view key, std::string text) {
  const std::string where = place(key);
  const Node* node = child(key);
  if (node != nullptr && where == state_->place(node->at))
    state_->mistake(node->at, text);
  else if (!where.empty())
    state_->mistake(where, text);
  else
    error(std::move(text));
}

void Map::error(std::string text) {
  state_->mistake(node_ == nullptr ? detail::Position{} : node_->at, text);
}

}  // namespace wherry::yaml
