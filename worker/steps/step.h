// Step: the moments on a task's way between which a worker may die, each with a name.
//
//   class Killer final : public StepWatcher {
//     void reached(Step step, std::string_view) override { if (step == Step::retry_confirmed) raise(SIGKILL); }
//   } killer;
//   watch_steps(&killer);                             // before the worker runs; null: nobody watches
//
// A test stops, kills or counts there. A program that nobody watches pays one load of a pointer for each step.
// A step is told when it is done: "published" and "acked" once the bytes have been given to the socket, and before
// anything that comes back is read. A task that gets to a step twice (an attempt that is run again) tells it twice.
// docs/testing.md lists what has happened by each of them, and what a death there costs.
//
// Threads: watch_steps() before the first worker or relay begins and after the last has ended. reached() is called on
// the loop's thread of whoever took the step, for the outbox also on the relay's; two workers call it at once.
// Lifetime: the watcher outlives all who may tell it.
#pragma once

#include <array>
#include <atomic>
#include <cstdint>
#include <optional>
#include <string_view>

#include "net/event_loop.h"

namespace wherry::worker {

enum class Step : std::uint8_t {
  retry_decided,
  retry_published,
  retry_confirmed,
  retry_acked,
  chord_part_done,
  chord_result_stored,
  chord_counted,
  chord_body_published,
  chord_body_confirmed,
  chord_acked,
  next_published,
  next_confirmed,
  next_result_sent,
  next_acked,
  dead_published,
  dead_confirmed,
  dead_acked,
  outbox_read,
  outbox_published,
  outbox_confirmed,
  outbox_removed,
};

// In the order above: "retry.decided", "chord.body_published".
inline constexpr std::array<std::string_view, 21> step_names{
    "retry.decided",       "retry.published", "retry.confirmed",      "retry.acked",          "chord.part_done",
    "chord.result_stored", "chord.counted",   "chord.body_published", "chord.body_confirmed", "chord.acked",
    "next.published",      "next.confirmed",  "next.result_sent",     "next.acked",           "dead.published",
    "dead.confirmed",      "dead.acked",      "outbox.read",          "outbox.published",     "outbox.confirmed",
    "outbox.removed"};

constexpr std::string_view to_string(Step step) {
  return step_names[static_cast<std::size_t>(step)];
}
std::optional<Step> parse_step(std::string_view name);

class StepWatcher {
 public:
  // task_id: whose step it is. It may end the process; it must not throw, nor call the worker.
  virtual void reached(Step step, std::string_view task_id) = 0;

 protected:
  ~StepWatcher() = default;
};

void watch_steps(StepWatcher* watcher);

// For the functions below.
extern std::atomic<StepWatcher*> step_watcher;

inline bool steps_are_watched() {
  return step_watcher.load(std::memory_order_acquire) != nullptr;
}
inline void reached(Step step, std::string_view task_id) {
  if (StepWatcher* watcher = step_watcher.load(std::memory_order_acquire)) watcher->reached(step, task_id);
}

// On the loop's thread: told once what was given to a link of this loop until now is on its way, and before anything
// that comes back is read.
void reached_when_written(net::EventLoop& loop, Step step, std::string_view task_id);

}  // namespace wherry::worker
