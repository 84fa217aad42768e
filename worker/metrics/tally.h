// Tally: what became of tasks, counted by name.
//
//   Tally tally({"email.send", "sms.send"});
//   TaskCounts& counts = tally.of("email.send");
//   ++counts.succeeded;  counts.run_time.add(0.02);
//
// Only the names that it is made with are told apart, 500 at most; all others are counted together as "other", so that
// no sender of tasks decides how many time series there are. Threads: one at a time. Cost: of() is a look-up by hash.
#pragma once

#include <array>
#include <cstdint>
#include <functional>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

namespace wherry::metrics {

constexpr std::size_t most_names = 500;

// Seconds. From a task that only writes a line to one that takes half an hour.
struct Histogram {
  static constexpr std::array<double, 11> bounds{0.001, 0.005, 0.025, 0.1, 0.5, 1, 5, 30, 120, 600, 1800};
  std::array<std::uint64_t, bounds.size() + 1> counts{};  // Each by itself; the last one: above all bounds.
  double sum = 0;

  void add(double seconds);
};

struct TaskCounts {
  std::uint64_t received = 0;  // Came from the broker and could be read.
  std::uint64_t ended = 0;     // Its function has ended, however.
  std::uint64_t succeeded = 0;
  std::uint64_t failed = 0;    // For good.
  std::uint64_t retried = 0;   // Failed, and is tried again.
  std::uint64_t rejected = 0;  // Went back to its queue: its retry or dead letter could not be published.
  std::uint64_t revoked = 0;   // Revoked or expired, before it ran or while it did.
  std::uint64_t dead = 0;      // Went to the dead letters.
  Histogram run_time;
  Histogram queue_time;  // From its enqueue to its begin, where the message says when that was; first attempts alone.
};

class Tally {
 public:
  explicit Tally(const std::vector<std::string>& names);

  TaskCounts& of(std::string_view name);
  // In the order of names, "other" last and only when there was one.
  void each(const std::function<void(std::string_view name, const TaskCounts& counts)>& visit) const;

 private:
  struct Hash {
    using is_transparent = void;
    std::size_t operator()(std::string_view text) const { return std::hash<std::string_view>{}(text); }
  };
  std::vector<std::string> names_;
  std::unordered_map<std::string, TaskCounts, Hash, std::equal_to<>> counts_;
  TaskCounts other_;
  bool has_other_ = false;
};

}  // namespace wherry::metrics
