// Scheduler: enqueues the periodic tasks of a schedule.yaml (docs/schedules.md). As many as one likes may run, in one
// process or on many machines; one is active, the others wait to take over.
//
//   wherry::Scheduler scheduler("schedule.yaml", "amqp://guest:guest@127.0.0.1:5672/");
//
// It begins in the constructor, in the background, and does not wait for a connection; the connection is made again
// with backoff when it breaks. Guarantee: no tick is lost, and each is enqueued once as far as the broker looks for
// duplicates.
//
// Threads: it has one of its own, on which the callbacks come; functions from any other. Lifetime: the destructor stops
// it, in a few seconds at most.
#pragma once

#include <functional>
#include <memory>
#include <string>

namespace wherry {

namespace schedule {
struct Settings;
}
namespace sdk {
struct AppSettings;
}

struct SchedulerOptions {
  std::string name = {};                 // What an operator sees as connection name. Default: "scheduler@HOSTNAME".
  bool remote_control = true;            // Tells who asks what is due, and enqueues an entry when it is told to.
  std::function<void()> on_ready = {};   // The broker has let it in, active or not; once.
  std::function<void()> on_active = {};  // It is the active one from now on; each time.
  // The broker does not let it in or refused its queue: it does nothing any more. At most once.
  std::function<void(std::string reason)> on_refused = {};
};

class Scheduler {
 public:
  // url as wherry::Client takes it. Throws ClientError(invalid_argument) with file, line and column.
  Scheduler(const std::string& file, const std::string& url, SchedulerOptions options = {});
  // From settings that were loaded before; the app's say where the broker is, and where tasks go. Throws likewise.
  Scheduler(schedule::Settings settings, sdk::AppSettings app, SchedulerOptions options = {});
  Scheduler(Scheduler&&) noexcept;
  ~Scheduler();

  // New entries, routes and settings, in use once the ticks that are under way are confirmed; what an entry of the same
  // name and times has done stays known, and a new one begins now. Its name and the broker cannot change: what cannot
  // be used is logged, and the old schedule stays.
  void reload(schedule::Settings settings, sdk::AppSettings app);

  // What is under way is finished, and another scheduler goes on. Not on its own thread. Again: nothing.
  void stop();

 private:
  class Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace wherry
