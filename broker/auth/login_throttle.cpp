#include "broker/auth/login_throttle.h"

#include <algorithm>

namespace wherry::broker {

LoginThrottle::Failures* LoginThrottle::guilty(const std::string& address, Clock::time_point now) {
  const auto found = failures_.find(address);
  if (found == failures_.end()) return nullptr;
  if (now - found->second.since >= window) {
    failures_.erase(found);
    return nullptr;
  }
  return found->second.count < most_failures ? nullptr : &found->second;
}

bool LoginThrottle::allows(const std::string& address, Clock::time_point now) {
  std::lock_guard lock(mutex_);
  return guilty(address, now) == nullptr;
}

LoginThrottle::Clock::time_point LoginThrottle::turn(const std::string& address, Clock::time_point now) {
  std::lock_guard lock(mutex_);
  Failures* const failures = guilty(address, now);
  if (failures == nullptr) return now;
  const Clock::time_point at = std::max(now + between_turns, failures->next_turn);
  if (at - now <= farthest_turn) failures->next_turn = at + between_turns;
  return at;
}

void LoginThrottle::failed(const std::string& address, Clock::time_point now) {
  std::lock_guard lock(mutex_);
  if (failures_.size() >= most_addresses) {
    std::erase_if(failures_, [&](const auto& each) { return now - each.second.since >= window; });
    if (failures_.size() >= most_addresses) failures_.clear();
  }
  auto [at, fresh] = failures_.try_emplace(address, Failures{now, 0, {}});
  if (!fresh && now - at->second.since >= window) at->second = {now, 0, {}};
  ++at->second.count;
}

void LoginThrottle::succeeded(const std::string& address) {
  std::lock_guard lock(mutex_);
  failures_.erase(address);
}

}  // namespace wherry::broker
