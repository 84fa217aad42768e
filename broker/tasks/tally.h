// Tally: what became of the tasks of each name: counts, and how long they ran.
//
// Limit: most_names names; where there are more, the one that was not heard of for longest is forgotten.
// Threads: plain data.
#pragma once

#include <array>
#include <cstdint>
#include <map>
#include <string>
#include <string_view>

#include "broker/tasks/event.h"

namespace wherry::broker::tasks {

constexpr std::size_t most_names = 1'000;

// Seconds; the bounds that a worker's own metrics have.
struct RunTimes {
  static constexpr std::array<double, 11> bounds{0.001, 0.005, 0.025, 0.1, 0.5, 1, 5, 30, 120, 600, 1800};
  std::array<std::uint64_t, bounds.size() + 1> counts{};  // Each by itself; the last one: above all bounds.
  std::uint64_t count = 0;
  double sum = 0, least = 0, most = 0;

  void add(double seconds);
};

struct NameFigures {
  std::uint64_t sent = 0, received = 0, started = 0, succeeded = 0, failed = 0, retried = 0, revoked = 0, rejected = 0;
  RunTimes runtime = {};
  WallTime last = {};  // When it was heard of, by our clock.
};

class Tally {
 public:
  // Of a task of that name. An empty one is not counted.
  void add(const std::string& name, const Event& event);
  const std::map<std::string, NameFigures, std::less<>>& names() const { return names_; }

 private:
  std::map<std::string, NameFigures, std::less<>> names_ = {};
};

}  // namespace wherry::broker::tasks
