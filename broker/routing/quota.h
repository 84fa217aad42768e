// Quota: how many of something are in use, and how many may be. What is in use when the limit is lowered stays.
//
// Threads: any.
#pragma once

#include <atomic>
#include <cstdint>
#include <memory>
#include <optional>
#include <utility>

namespace wherry::broker {

class Quota {
 public:
  // Nothing: no limit.
  void set_limit(std::optional<std::uint64_t> limit) {
    limit_.store(limit.value_or(UINT64_MAX), std::memory_order_relaxed);
  }
  std::uint64_t limit() const { return limit_.load(std::memory_order_relaxed); }
  std::uint64_t used() const { return used_.load(std::memory_order_relaxed); }

  // False: there are as many as may be.
  bool take() {
    if (used_.fetch_add(1, std::memory_order_relaxed) < limit()) return true;
    give();
    return false;
  }
  // Whether there is room or not.
  void take_anyway() { used_.fetch_add(1, std::memory_order_relaxed); }
  void give() { used_.fetch_sub(1, std::memory_order_relaxed); }

 private:
  std::atomic<std::uint64_t> limit_{UINT64_MAX};
  std::atomic<std::uint64_t> used_{0};
};

// Of one user, on all shards.
struct UserQuota {
  Quota connections;
  Quota channels;
};
using UserQuotaRef = std::shared_ptr<UserQuota>;

// One of a quota, given back when this goes.
class Taken {
 public:
  Taken() = default;
  // owner keeps the quota alive. Empty when there was none left.
  template <class Owner>
  static Taken from(const std::shared_ptr<Owner>& owner, Quota& quota) {
    Taken taken;
    if (quota.take()) taken.quota_ = std::shared_ptr<Quota>(owner, &quota);
    return taken;
  }
  // Of what is there already.
  template <class Owner>
  static Taken anyway(const std::shared_ptr<Owner>& owner, Quota& quota) {
    quota.take_anyway();
    Taken taken;
    taken.quota_ = std::shared_ptr<Quota>(owner, &quota);
    return taken;
  }
  Taken(Taken&&) noexcept = default;
  Taken& operator=(Taken&& other) noexcept {
    give_back();
    quota_ = std::exchange(other.quota_, nullptr);
    return *this;
  }
  ~Taken() { give_back(); }

  explicit operator bool() const { return quota_ != nullptr; }

 private:
  void give_back() {
    if (quota_) std::exchange(quota_, nullptr)->give();
  }
  std::shared_ptr<Quota> quota_;
};

}  // namespace wherry::broker
