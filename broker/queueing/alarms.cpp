#include "broker/queueing/alarms.h"

#include <utility>

namespace wherry::broker {

void Alarms::set(Alarm alarm, bool raised, unsigned by) {
  const std::lock_guard lock(mutex_);
  const std::string before = reason_now();
  auto& who = raised_[static_cast<std::size_t>(alarm)];
  if (raised) {
    who.insert(by);
  } else {
    who.erase(by);
  }
  const std::string now = reason_now();
  if (now != before && changed_) changed_(now);
}

void Alarms::set_memory_short(bool is) {
  const std::lock_guard lock(mutex_);
  if (memory_short_.exchange(is) != is && changed_) changed_(reason_now());
}

void Alarms::set_disk_stalled(bool is, unsigned by) {
  const std::lock_guard lock(mutex_);
  if (!is) {
    stalled_.erase(by);
  } else if (stalled_.insert(by).second) {
    ++stalls_;
  }
}

bool Alarms::disk_stalled() const {
  const std::lock_guard lock(mutex_);
  return !stalled_.empty();
}

std::uint64_t Alarms::disk_stalls() const {
  const std::lock_guard lock(mutex_);
  return stalls_;
}

bool Alarms::raised(Alarm alarm) const {
  const std::lock_guard lock(mutex_);
  return !raised_[static_cast<std::size_t>(alarm)].empty();
}

std::string Alarms::reason() const {
  const std::lock_guard lock(mutex_);
  return reason_now();
}

void Alarms::on_change(std::function<void(const std::string&)> changed) {
  const std::lock_guard lock(mutex_);
  changed_ = std::move(changed);
}

std::string Alarms::reason_now() const {
  const auto is = [this](Alarm alarm) { return !raised_[static_cast<std::size_t>(alarm)].empty(); };
  const bool disk = is(Alarm::disk) || is(Alarm::store_full);
  if (is(Alarm::memory)) return disk ? "low on memory & disk" : "low on memory";
  return disk ? "low on disk" : "";
}

}  // namespace wherry::broker
