// Throttle: makes guessing passwords slow: after ten failed logins from one address within a minute, more are refused
// unseen until the minute is over. Knows 10,000 addresses; the oldest make room. Threads: any.
#pragma once

#include <chrono>
#include <map>
#include <mutex>
#include <string>

namespace wherry::broker::admin {

class Throttle {
 public:
  using Clock = std::chrono::steady_clock;
  static constexpr unsigned most_failures = 10;
  static constexpr std::chrono::seconds window{60};
  static constexpr std::size_t most_addresses = 10'000;

  bool allows(const std::string& address, Clock::time_point now = Clock::now()) {
    std::lock_guard lock(mutex_);
    const auto found = failures_.find(address);
    if (found == failures_.end()) return true;
    if (now - found->second.since >= window) {
      failures_.erase(found);
      return true;
    }
    return found->second.count < most_failures;
  }
  void failed(const std::string& address, Clock::time_point now = Clock::now()) {
    std::lock_guard lock(mutex_);
    if (failures_.size() >= most_addresses) {
      std::erase_if(failures_, [&](const auto& each) { return now - each.second.since >= window; });
      if (failures_.size() >= most_addresses) failures_.clear();
    }
    auto [at, fresh] = failures_.try_emplace(address, Failures{now, 0});
    if (!fresh && now - at->second.since >= window) at->second = {now, 0};
    ++at->second.count;
  }

 private:
  struct Failures {
    Clock::time_point since;
    unsigned count = 0;
  };
  std::mutex mutex_;
  std::map<std::string, Failures> failures_;
};

}  // namespace wherry::broker::admin
