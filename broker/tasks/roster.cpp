#include "broker/tasks/roster.h"

#include <algorithm>

namespace wherry::broker::tasks {

bool Worker::online(WallTime now) const {
  if (gone) return false;
  const std::chrono::duration<double> silence = now - heard;
  const std::chrono::duration<double> least = least_silence;
  return silence.count() < std::max(least.count(), 4 * every_s.value_or(0));
}

void Roster::add(const Event& event) {
  if (event.kind == Kind::sent) return;
  auto found = workers_.find(event.host);
  if (found == workers_.end()) {
    if (workers_.size() == most_workers) {
      workers_.erase(std::min_element(workers_.begin(), workers_.end(), [](const auto& one, const auto& other) {
        return one.second.heard < other.second.heard;
      }));
    }
    found = workers_.emplace(event.host, Worker{}).first;
  }
  Worker& worker = found->second;
  worker.heard = event.arrived;
  if (event.pid) worker.pid = event.pid;
  if (is_of_task(event.kind)) {
    worker.task_events = true;
    worker.gone = false;
    return;
  }
  // What is older than what is known says nothing new.
  if (worker.heartbeat && *worker.heartbeat > event.at) return;
  worker.heartbeat = event.at;
  worker.gone = event.kind == Kind::offline;
  if (event.kind != Kind::heartbeat) worker.task_events = false;
  if (event.every_s) worker.every_s = event.every_s;
  if (event.active) worker.active = event.active;
  if (event.processed) worker.processed = event.processed;
  if (event.load) worker.load = event.load;
  if (!event.software.empty()) worker.software = event.software;
  if (!event.version.empty()) worker.version = event.version;
  if (!event.system.empty()) worker.system = event.system;
}

const Worker* Roster::find(std::string_view name) const {
  const auto found = workers_.find(name);
  return found == workers_.end() ? nullptr : &found->second;
}

std::size_t Roster::online(WallTime now) const {
  return static_cast<std::size_t>(
      std::count_if(workers_.begin(), workers_.end(), [&](const auto& each) { return each.second.online(now); }));
}

}  // namespace wherry::broker::tasks
