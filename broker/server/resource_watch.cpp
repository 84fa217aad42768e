#include "broker/server/resource_watch.h"

#include <algorithm>
#include <utility>

#include <fmt/format.h>

#include "base/log.h"
#include "base/units.h"
#include "broker/server/machine.h"

namespace wherry::broker {

namespace {

constexpr std::chrono::milliseconds calm{1'000};
constexpr std::chrono::milliseconds close_by{100};  // While an alarm stands, or a disk stalls.
constexpr std::chrono::milliseconds most_often{20};
// Returning memory takes the allocator's locks: not again and again when it is of no use.
constexpr std::chrono::seconds give_back_pause{2};

// How long what is left lasts at 1 GiB/s.
std::chrono::milliseconds time_left(std::uint64_t bytes) {
  const std::chrono::milliseconds all(std::min<std::uint64_t>(bytes >> 20, 1'000'000));
  return std::clamp(all, most_often, calm);
}

std::chrono::milliseconds since(Monotonic then, Monotonic now) {
  return std::chrono::duration_cast<std::chrono::milliseconds>(now - then);
}

}  // namespace

ResourceWatch::ResourceWatch(WatchConfig config, WatchProbes probes, std::shared_ptr<Alarms> alarms)
    : config_(std::move(config)),
      probes_(std::move(probes)),
      alarms_(std::move(alarms)),
      stalled_(probes_.syncs.size()) {}

ResourceWatch::~ResourceWatch() {
  {
    const std::lock_guard lock(mutex_);
    stopping_ = true;
  }
  stop_.notify_one();
  if (thread_.joinable()) thread_.join();
}

std::chrono::milliseconds ResourceWatch::look(Monotonic now) {
  return std::min({look_at_memory(now), look_at_disk(), look_at_syncs(now)});
}

void ResourceWatch::start() {
  look(std::chrono::steady_clock::now());
  thread_ = std::thread([this] { run(); });
}

void ResourceWatch::run() {
  std::chrono::milliseconds wait = close_by;
  std::unique_lock lock(mutex_);
  while (!stop_.wait_for(lock, wait, [this] { return stopping_; })) {
    lock.unlock();
    wait = look(std::chrono::steady_clock::now());
    lock.lock();
  }
}

std::chrono::milliseconds ResourceWatch::look_at_memory(Monotonic now) {
  const std::uint64_t mark = config_.memory_mark;
  const std::uint64_t short_from = mark / 10 * 7;
  std::uint64_t resident = probes_.resident();
  if ((resident > short_from || memory_short_) && (gave_back_ == Monotonic{} || now - gave_back_ >= give_back_pause) &&
      probes_.give_back(resident)) {
    gave_back_ = now;
    resident = probes_.resident();
  }
  if (!memory_short_ && resident > short_from) {
    memory_short_ = true;
    log::info("broker", "memory is getting short: {} resident, publishers wait above {}: queues page out what they can",
              size_text(resident), size_text(mark));
    alarms_->set_memory_short(true);
  } else if (memory_short_ && resident < mark / 10 * 6) {
    memory_short_ = false;
    log::info("broker", "memory is not short any more: {} resident", size_text(resident));
    alarms_->set_memory_short(false);
  }
  if (!memory_low_ && resident > mark) {
    memory_low_ = true;
    log::warning("broker",
                 "memory alarm: {} resident, above the mark of {}: publishers wait, acks and deliveries go on. Let "
                 "consumers drain the queues, or raise memory_high_watermark",
                 size_text(resident), size_text(mark));
    alarms_->set(Alarm::memory, true);
  } else if (memory_low_ && resident < mark - mark / 20) {
    memory_low_ = false;
    log::warning("broker", "memory alarm is over: {} resident, the mark is {}: publishers go on", size_text(resident),
                 size_text(mark));
    alarms_->set(Alarm::memory, false);
  }
  if (memory_low_) return close_by;
  return time_left((memory_short_ ? mark : short_from) - resident);
}

std::chrono::milliseconds ResourceWatch::look_at_disk() {
  const std::uint64_t limit = config_.disk_free_limit;
  if (limit == 0) return calm;
  const auto free = probes_.disk_free();
  if (!free) {
    if (!std::exchange(disk_unknown_, true)) {
      log::warning("broker", "the free space under {} cannot be told: disk_free_limit is not watched",
                   config_.data_dir);
    }
    return calm;
  }
  disk_unknown_ = false;
  if (!disk_low_ && *free < limit) {
    disk_low_ = true;
    log::warning(
        "broker",
        "disk alarm: {} free under {}, below the limit of {}: publishers wait, acks and deliveries go on. Make "
        "room on that disk, let consumers drain the queues, or lower disk_free_limit",
        size_text(*free), config_.data_dir, size_text(limit));
    alarms_->set(Alarm::disk, true);
  } else if (disk_low_ && *free >= limit + limit / 20) {
    disk_low_ = false;
    log::warning("broker", "disk alarm is over: {} free under {}, the limit is {}: publishers go on", size_text(*free),
                 config_.data_dir, size_text(limit));
    alarms_->set(Alarm::disk, false);
  }
  return disk_low_ ? close_by : time_left(*free - limit);
}

std::chrono::milliseconds ResourceWatch::look_at_syncs(Monotonic now) {
  if (config_.stall_warning.count() == 0) return calm;
  bool any = false;
  for (std::size_t shard = 0; shard < probes_.syncs.size(); ++shard) {
    const std::optional<Monotonic> began = probes_.syncs[shard]();
    std::optional<Monotonic>& known = stalled_[shard];
    if (known && began != known) {
      log::warning("broker", "the disk of {} answers again: a sync took {}", config_.data_dir,
                   format_duration(since(*known, now)));
      known.reset();
      alarms_->set_disk_stalled(false, static_cast<unsigned>(shard));
    }
    if (!known && began && now - *began >= config_.stall_warning) {
      known = began;
      alarms_->set_disk_stalled(true, static_cast<unsigned>(shard));
      log::warning("broker",
                   "the disk of {} stalls: a sync has taken {} so far. Confirms wait for it; look at the disk and at "
                   "who else writes to it",
                   config_.data_dir, format_duration(since(*began, now)));
    }
    any = any || known;
  }
  return any ? close_by : calm;
}

}  // namespace wherry::broker
