// Builder: makes a Value from the events of a parser, without recursion. For this room's decoders.
//
// begin_*() refuses what would be nested deeper than max_depth. A map's entry is key() and then its value.
#pragma once

#include <algorithm>
#include <cstddef>
#include <string>
#include <utility>
#include <vector>

#include "protocol/task/value.h"

namespace wherry::task {

class Builder {
 public:
  bool begin(Value container) {
    if (open_.size() == max_depth) return false;
    open_.push_back({std::move(container), {}});
    return true;
  }
  // size: what the input says of it, if it does; believed as far as that costs nothing.
  bool begin_array(std::size_t size = 0) {
    Value::Array array;
    array.reserve(std::min(size, most_reserved));
    return begin(std::move(array));
  }
  bool begin_map(std::size_t size = 0) {
    Value::Map map;
    map.reserve(std::min(size, most_reserved));
    return begin(std::move(map));
  }

  void key(std::string name) { open_.back().key = std::move(name); }

  void put(Value value) {
    if (open_.empty()) {
      root_ = std::move(value);
    } else if (auto* array = open_.back().container.get<Value::Array>()) {
      array->push_back(std::move(value));
    } else {
      open_.back().container.get<Value::Map>()->emplace_back(std::move(open_.back().key), std::move(value));
    }
  }

  // The innermost open container, taken out: put() it, or something else in its place.
  Value end() {
    Value done = std::move(open_.back().container);
    open_.pop_back();
    if (auto* map = done.get<Value::Map>()) drop_repeated_keys(*map);
    return done;
  }

  Value take() && { return std::move(root_); }

 private:
  static constexpr std::size_t most_reserved = 16;
  struct Open {
    Value container;
    std::string key;  // Of the entry whose value comes next.
  };
  std::vector<Open> open_;
  Value root_;
};

}  // namespace wherry::task
