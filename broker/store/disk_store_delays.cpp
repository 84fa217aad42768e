// The store's delayed messages: what the schedule asks of the log, and of a thread.
#include <fmt/format.h>

#include "broker/store/disk_store.h"

namespace wherry::broker {
namespace {

RecordType type_of(ScheduleRecord record) {
  switch (record) {
    case ScheduleRecord::scheduled:
      return RecordType::scheduled;
    case ScheduleRecord::fired:
      return RecordType::fired;
    case ScheduleRecord::withdrawn:
      return RecordType::withdrawn;
    case ScheduleRecord::dropped:
      break;
  }
  return RecordType::exchange_dropped;
}

}  // namespace

Lsn DiskStore::DelayLog::append(ScheduleRecord type, std::string_view payload, Durability durability) {
  store_.close_publish();
  const bool said = type == ScheduleRecord::scheduled || type == ScheduleRecord::withdrawn;
  const bool sync = said && durability == Durability::sync;
  return store_.writer_->append(static_cast<std::uint8_t>(type_of(type)), {payload},
                                sync ? LogWriter::Sync::wanted : LogWriter::Sync::not_wanted);
}

DiskResult<void> DiskStore::open_schedule() {
  if (auto done = disk_.make_folder(delay_folder()); !done) return done;
  Schedule::Events events;
  events.start = [this](std::function<void()> job, std::function<void()> finished) {
    delay_jobs_.emplace_back(std::move(job), std::move(finished));
    next_delay_job();
  };
  events.damaged = [this](const ScheduleDamage& damage) {
    report(damage.file, damage.begin, damage.end, "delayed messages: " + damage.what);
  };
  events.failed = [this](const DiskError& error) {
    if (std::exchange(failed_, true)) return;
    owner_.failed(error);
  };
  auto opened =
      Schedule::open(disk_, delay_log_, {.folder = delay_folder(), .random = options_.random}, std::move(events));
  if (!opened) return tl::unexpected(opened.error());
  schedule_ = std::move(*opened);
  return {};
}

void DiskStore::next_delay_job() {
  if (delay_jobs_.empty() || delay_background_->busy()) return;
  auto [job, finished] = std::move(delay_jobs_.front());
  delay_jobs_.pop_front();
  delay_background_->start(std::move(job), [this, finished = std::move(finished)] {
    finished();
    next_delay_job();
    // A log file may have waited for it.
    maintain();
  });
}

}  // namespace wherry::broker
