#include "worker/cli/schedule.h"

#include <utility>

#include <fmt/chrono.h>
#include <fmt/format.h>

#include "worker/cli/service.h"
#include "worker/reload.h"

namespace wherry::worker {

std::string upcoming_ticks(const schedule::Settings& settings, unsigned count, WallTime now) {
  std::string out;
  for (const schedule::Entry& entry : settings.entries) {
    auto tick = entry.timetable.next(now);
    for (unsigned i = 0; i < count && tick; ++i, tick = entry.timetable.next(*tick)) {
      out += fmt::format("{}  {:%Y-%m-%dT%H:%M:%SZ}  {}\n", entry.name,
                         fmt::gmtime(std::chrono::system_clock::to_time_t(*tick)), entry.timetable.local(*tick));
    }
  }
  return out;
}

int run_scheduler(Setup setup, const Options& options) {
  net::EventLoop loop;
  int code = 0;
  Scheduler* self = nullptr;
  Service service(loop, [&] { reload_scheduler(options, *self); });
  const std::string line = fmt::format("schedule={} entries={}", setup.schedule->name, setup.schedule->entries.size());
  SchedulerOptions its{.name = options.name.value_or(""), .remote_control = setup.settings.remote_control};
  its.on_ready = [&] { service.ready(line, "waits, to be the active scheduler"); };
  its.on_refused = [&](const std::string&) {
    loop.post([&] {
      code = 2;
      loop.stop();
    });
  };
  Scheduler scheduler(*std::move(setup.schedule), std::move(setup.settings.app), std::move(its));
  self = &scheduler;
  loop.run();
  scheduler.stop();
  return code;
}

void reload_scheduler(const Options& options, Scheduler& scheduler) {
  auto setup = read_setup(options);
  if (!setup) return log_mistakes("the settings are wrong, nothing is changed", setup.error().message);
  take_log_settings(setup->settings);
  scheduler.reload(*std::move(setup->schedule), std::move(setup->settings.app));
}

}  // namespace wherry::worker
