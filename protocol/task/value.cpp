#include "protocol/task/value.h"

#include <algorithm>
#include <numeric>

#include "protocol/task/repr.h"

namespace wherry::task {

namespace {

// Looks at each pair, which for the few keys that maps have is less than sorting.
bool small_without_repeats(const Value::Map& map) {
  constexpr std::size_t few = 16;
  if (map.size() > few) return false;
  for (std::size_t i = 1; i < map.size(); ++i) {
    for (std::size_t j = 0; j < i; ++j) {
      if (map[i].first == map[j].first) return false;
    }
  }
  return true;
}

}  // namespace

const Value* find(const Value::Map& map, std::string_view key) {
  for (const auto& [name, value] : map) {
    if (name == key) return &value;
  }
  return nullptr;
}

void set(Value::Map& map, std::string_view key, Value value) {
  if (const Value* there = find(map, key)) {
    const_cast<Value&>(*there) = std::move(value);
  } else {
    map.emplace_back(std::string(key), std::move(value));
  }
}

const Value* Value::find(std::string_view key) const {
  const Map* map = get<Map>();
  return map == nullptr ? nullptr : task::find(*map, key);
}

bool operator==(const Value& a, const Value& b) {
  return a.held_ == b.held_;
}

void drop_repeated_keys(Value::Map& map) {
  if (small_without_repeats(map)) return;
  // Sorted, because a hostile map of many keys must not cost the square of its size.
  std::vector<std::size_t> order(map.size());
  std::iota(order.begin(), order.end(), std::size_t{0});
  std::stable_sort(order.begin(), order.end(),
                   [&](std::size_t a, std::size_t b) { return map[a].first < map[b].first; });
  std::vector<bool> dropped(map.size(), false);
  bool any = false;
  for (std::size_t i = 0; i < order.size();) {
    std::size_t last = i;
    while (last + 1 < order.size() && map[order[last + 1]].first == map[order[i]].first) ++last;
    if (last > i) {
      map[order[i]].second = std::move(map[order[last]].second);
      for (std::size_t j = i + 1; j <= last; ++j) dropped[order[j]] = true;
      any = true;
    }
    i = last + 1;
  }
  if (!any) return;
  std::size_t to = 0;
  for (std::size_t from = 0; from < map.size(); ++from) {
    if (dropped[from]) continue;
    if (to != from) map[to] = std::move(map[from]);
    ++to;
  }
  map.resize(to);
}

namespace {

struct Describe {
  std::string operator()(std::monostate) const { return "null"; }
  std::string operator()(bool is) const { return is ? "true" : "false"; }
  std::string operator()(std::int64_t is) const { return "integer " + std::to_string(is); }
  std::string operator()(std::uint64_t is) const { return "integer " + std::to_string(is); }
  std::string operator()(double is) const { return "number " + repr(Value(is)); }
  std::string operator()(const std::string& is) const {
    constexpr std::size_t most = 60;
    std::string out = "string \"";
    for (char c : cut_utf8(is, most)) {
      if (c == '"' || c == '\\') out += '\\';
      out += static_cast<unsigned char>(c) < 0x20 ? ' ' : c;
    }
    return out + (is.size() > most ? "...\"" : "\"");
  }
  std::string operator()(const Bytes& is) const { return std::to_string(is.data.size()) + " bytes"; }
  std::string operator()(const Value::Array& is) const { return "an array of " + std::to_string(is.size()); }
  std::string operator()(const Value::Map& is) const {
    return is.empty() ? "an empty map" : "a map with '" + std::string(cut_utf8(is.front().first, 60)) + "'";
  }
};

}  // namespace

std::string describe(const Value& value) {
  return std::visit(Describe{}, value.variant());
}

}  // namespace wherry::task
