// What came out of a reading, written as YAML again: Document::effective().
#include <algorithm>

#include <fmt/format.h>

#include "base/yaml_node.h"

namespace wherry::yaml {

namespace detail {

namespace {

constexpr std::string_view hidden = "********";

// "amqp://user:password@host": the password alone is nobody's business. Also of several, and in the middle of a text.
std::string without_passwords(std::string text) {
  for (std::size_t at = text.find("://"); at != text.npos; at = text.find("://", at + 3)) {
    const std::size_t begin = at + 3;
    const std::size_t end = std::min(text.find_first_of("/?;, \"'", begin), text.size());
    const std::size_t sign = text.rfind('@', end);
    if (sign == text.npos || sign < begin || sign >= end) continue;
    const std::size_t colon = text.find(':', begin);
    if (colon < sign) text.replace(colon + 1, sign - colon - 1, hidden);
  }
  return text;
}

bool is_secret(std::string_view key) {
  return key.find("password") != key.npos && !key.ends_with("_file");
}

// Whether a text may stand without quotes and still be read as what it is.
bool is_plain(std::string_view text) {
  constexpr std::string_view letters = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_./@$-+";
  if (text.empty() || text.find_first_not_of(letters) != text.npos) return false;
  constexpr std::string_view first_letters = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ_/.0123456789";
  if (first_letters.find(text.front()) == first_letters.npos) return false;
  std::string lower(text);
  std::transform(lower.begin(), lower.end(), lower.begin(),
                 [](char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c; });
  for (const char* word : {"true", "false", "yes", "no", "on", "off", "null"}) {
    if (lower == word) return false;
  }
  return true;
}

std::string any_written(const Value& value) {
  if (const auto* text = std::get_if<std::string>(&value.data)) {
    // Without quotes it would be a number.
    const bool like_a_number = !text->empty() && text->find_first_of("+-.0123456789") == 0;
    return like_a_number && is_plain(*text) ? fmt::format("\"{}\"", *text) : written(*text);
  }
  if (const auto* list = std::get_if<Value::List>(&value.data)) return written(*list);
  if (const auto* entries = std::get_if<Entries>(&value.data)) return written(*entries);
  if (const auto* truth = std::get_if<bool>(&value.data)) return *truth ? "true" : "false";
  if (const auto* whole = std::get_if<std::int64_t>(&value.data)) return std::to_string(*whole);
  if (const auto* real = std::get_if<double>(&value.data)) return written(*real);
  return "null";
}

}  // namespace

std::string written(const std::string& value) {
  if (is_plain(value)) return value;
  std::string out = "\"";
  for (const char c : value) {
    const auto byte = static_cast<unsigned char>(c);
    if (c == '"' || c == '\\') {
      out += '\\';
      out += c;
    } else if (c == '\n') {
      out += "\\n";
    } else if (byte < 0x20 || byte == 0x7f) {
      out += fmt::format("\\x{:02x}", byte);
    } else {
      out += c;
    }
  }
  // Read again it is to be this text, and not a variable's.
  for (std::size_t at = out.find("${"); at != out.npos; at = out.find("${", at + 3)) out.insert(at, 1, '$');
  return out + '"';
}

std::string written(const std::vector<std::string>& value) {
  std::string out;
  for (const std::string& each : value) out += (out.empty() ? "" : ", ") + written(each);
  return "[" + out + "]";
}

std::string written(const Entries& value) {
  std::string out;
  for (const auto& [key, each] : value) out += (out.empty() ? "" : ", ") + written(key) + ": " + any_written(each);
  return "{" + out + "}";
}

std::string written(const Value::List& value) {
  std::string out;
  for (const Value& each : value) out += (out.empty() ? "" : ", ") + any_written(each);
  return "[" + out + "]";
}

std::string written(double value) {
  return fmt::format("{}", value);
}

Shown& Shown::at(std::string_view name) {
  for (const auto& each : below) {
    if (each->key == name) return *each;
  }
  return add(std::string(name), Kind::value);
}

Shown& Shown::add(std::string name, Kind of_kind) {
  below.push_back(std::make_unique<Shown>(Shown{.key = std::move(name), .kind = of_kind}));
  return *below.back();
}

namespace {

void write(const Shown& map, std::size_t depth, std::string first, const std::string& path,
           const std::vector<Override>& overrides, std::string& out) {
  const std::string indent(2 * depth, ' ');
  for (const auto& each : map.below) {
    const std::string lead = first.empty() ? indent : std::exchange(first, {});
    const std::string own_path = path.empty() ? each->key : path + "." + each->key;
    const std::string key = written(each->key);
    if (each->kind == Shown::Kind::value) {
      std::string value = each->value;
      std::string origin = each->origin;
      for (const Override& over : overrides) {
        if (over.path != own_path) continue;
        value = std::visit([](const auto& given) { return written(given); }, over.value);
        origin = over.option;
      }
      if (!value.empty()) value = is_secret(each->key) ? written(std::string(hidden)) : without_passwords(value);
      const std::string line =
          value.empty() ? fmt::format("{}#{}:", lead, key) : fmt::format("{}{}: {}", lead, key, value);
      out += fmt::format("{:<50}  # {}\n", line, value.empty() ? "none" : origin);
    } else if (each->below.empty()) {
      out += fmt::format("{:<50}  # none\n", fmt::format("{}#{}:", lead, key));
    } else {
      out += fmt::format("{}{}:\n", lead, key);
      if (each->kind == Shown::Kind::map) {
        write(*each, depth + 1, {}, own_path, overrides, out);
        continue;
      }
      for (const auto& item : each->below) {
        write(*item, depth + 2, std::string(2 * depth + 2, ' ') + "- ", own_path + "[]", overrides, out);
      }
    }
  }
}

}  // namespace

}  // namespace detail

void Map::show(std::string_view key, std::string value) {
  detail::Shown& shown = shown_->at(key);
  shown.value = std::move(value);
  shown.origin = place(key);
  if (shown.origin.empty()) shown.origin = "default";
}

std::string Document::effective(const std::vector<Override>& overrides) const {
  std::string out;
  detail::write(state_->shown, 0, {}, {}, overrides, out);
  return out;
}

std::vector<std::string> Document::keys() const {
  std::vector<std::string> keys;
  if (state_->root == nullptr) return keys;
  for (const detail::NodeEntry& each : state_->root->entries) keys.push_back(each.key);
  return keys;
}

}  // namespace wherry::yaml
