// Inquiry: what others may ask of a schedule, over Celery's remote control: what is due when, and to enqueue an entry
// now. The active scheduler answers, under the name "schedule@NAME"; one that waits says nothing.
//
//   schedule               a list of the entries
//   schedule_run {"name"}  {"id": of the task} once the broker has it, or {"error": why not}
//
// Other commands are for workers, and are passed over. Where the broker does not let it, nothing can be asked, which is
// logged once.
// Threads: the link's loop. Lifetime: it goes before its link. Format: docs/schedules.md, "Asked from outside".
#pragma once

#include <functional>
#include <memory>
#include <string>

#include "protocol/task/value.h"
#include "sdk/client/routes.h"
#include "sdk/link/link.h"
#include "worker/mailbox/mailbox.h"
#include "worker/schedule/settings.h"
#include "worker/schedule/state.h"

namespace wherry::schedule {

class Inquiry {
 public:
  // done: the task's id, or why it was not enqueued; at most once, possibly within the call.
  using Ran = std::function<void(Result<std::string> id)>;
  struct Answers {
    std::function<bool()> active;
    std::function<task::Value()> entries;
    std::function<void(const std::string& entry, Ran done)> run;
  };
  // schedule: its name.
  Inquiry(sdk::Link& link, const std::string& schedule, Answers answers);
  ~Inquiry();

 private:
  void on_message(const sdk::Delivery& delivery);
  void answer(const worker::Command& command, task::Value payload);

  sdk::Link& link_;
  const std::string node_;
  const std::string unique_;
  const Answers answers_;
  const std::shared_ptr<Inquiry*> self_;  // Null inside once this has gone.
};

// An entry each: "name", "task", "times", "next" (three), "seen_to", "queue", "exchange", "args", "kwargs",
// "scheduler". state: what is known of the entries. scheduler: who says so.
task::Value describe_entries(const Settings& settings, const State& state, const sdk::Router& router,
                             const std::string& scheduler, WallTime now);

}  // namespace wherry::schedule
