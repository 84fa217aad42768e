// Events: what a worker tells of itself and of its tasks on the exchange "celeryev", for `celery events`, Flower and
// whatever else listens.
//
// worker-online, worker-heartbeat and worker-offline go out by themselves; events of tasks only once somebody has asked
// for them (task_events at start, or the command enable_events), since they cost more than many a task. Those of one
// turn of the loop travel together, as Celery's do (routing key task.multi, a list).
// Best effort: an event that cannot be sent within seconds, or while there is no connection, is dropped.
//
// Threads: one at a time; the loop's. Lifetime: the link and the clock outlive it; gone, it sends nothing more.
// Format: docs/control.md; Celery's user guide, "Event Reference".
#pragma once

#include <chrono>
#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <string_view>

#include "net/event_loop.h"
#include "protocol/task/value.h"
#include "sdk/link/link.h"
#include "worker/control/clock.h"

namespace wherry::worker {

class Events {
 public:
  // What a heartbeat tells beside who it is: how many tasks run, and how many have.
  struct Load {
    std::uint64_t active = 0;
    std::uint64_t processed = 0;
  };
  Events(net::EventLoop& loop, sdk::Link& link, Clock& clock, std::string node, bool task_events,
         std::function<Load()> load);
  ~Events();

  static constexpr std::chrono::seconds heartbeat_every{2};
  // The connection stands: says that the worker is there, and goes on saying it.
  void online();
  void offline();    // Once, at the end.
  void heartbeat();  // One out of turn.

  bool tasks_wanted() const { return task_events_; }
  void want_tasks(bool wanted) { task_events_ = wanted; }
  // type: "task-started" and so on. Nothing happens unless wanted.
  void task(std::string_view type, const std::string& id, task::Value::Map fields = {});

 private:
  void worker(std::string_view type);
  void beat();
  void flush();
  void send(std::string_view routing_key, const task::Value& body);

  sdk::Link& link_;
  Clock& clock_;
  net::EventLoop& loop_;
  const std::string node_;
  bool task_events_;
  const std::function<Load()> load_;
  net::Timer timer_;
  task::Value::Array buffer_;
  const std::shared_ptr<Events*> self_;  // Null inside once this has gone: for the flush that was posted.
};

}  // namespace wherry::worker
