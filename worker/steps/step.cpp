#include "worker/steps/step.h"

#include <algorithm>
#include <string>

namespace wherry::worker {

std::atomic<StepWatcher*> step_watcher{nullptr};

void watch_steps(StepWatcher* watcher) {
  step_watcher.store(watcher, std::memory_order_release);
}

void reached_when_written(net::EventLoop& loop, Step step, std::string_view task_id) {
  if (!steps_are_watched()) return;
  // A link posts what it is given, and the turn's end writes it: this comes behind both.
  loop.post([&loop, step, id = std::string(task_id)] { loop.after_turn([step, id] { reached(step, id); }); });
}

std::optional<Step> parse_step(std::string_view name) {
  const auto found = std::find(step_names.begin(), step_names.end(), name);
  if (found == step_names.end()) return std::nullopt;
  return static_cast<Step>(found - step_names.begin());
}

}  // namespace wherry::worker
