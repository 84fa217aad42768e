// Roster: the workers that were heard of, by name.
//
// A worker is online until it says that it goes, or until nothing was heard of it for four of its heartbeats, and for
// least_silence at least. Silence is measured by our clock. A client that says what it has sent is no worker.
// Limit: most_workers; where there are more, the one that was not heard of for longest is forgotten.
// Threads: plain data.
#pragma once

#include <array>
#include <chrono>
#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <string_view>

#include "broker/tasks/event.h"

namespace wherry::broker::tasks {

constexpr std::size_t most_workers = 1'000;
constexpr std::chrono::seconds least_silence{8};

struct Worker {
  WallTime heard = {};                     // Anything, by our clock.
  std::optional<WallTime> heartbeat = {};  // By the worker's clock.
  bool gone = false;                       // It has said so.
  std::optional<double> every_s = {};      // Its heartbeats.
  std::optional<std::int64_t> active = {}, processed = {}, pid = {};
  std::optional<std::array<double, 3>> load = {};
  std::string software = {}, version = {}, system = {};
  bool task_events = false;  // It has told of a task since it came.

  bool online(WallTime now) const;
};

class Roster {
 public:
  void add(const Event& event);
  const std::map<std::string, Worker, std::less<>>& workers() const { return workers_; }
  const Worker* find(std::string_view name) const;
  std::size_t online(WallTime now) const;

 private:
  std::map<std::string, Worker, std::less<>> workers_ = {};
};

}  // namespace wherry::broker::tasks
