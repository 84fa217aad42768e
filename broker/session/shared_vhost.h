// SharedVhost: a topology reachable from every shard, only through its lock.
//
// Readers (a publish whose route is not cached) share; changes exclude. version() is read without the lock: a channel
// that cached a route compares it before use. docs/decisions/topology-lock.md says why this and not a copied snapshot.
// Threads: any. Rule: no call out of read() and write() into a queue, a session or another vhost.
#pragma once

#include <atomic>
#include <memory>
#include <mutex>
#include <shared_mutex>
#include <utility>

#include "broker/routing/quota.h"
#include "broker/routing/vhost.h"

namespace wherry::broker {

class SharedVhost {
 public:
  explicit SharedVhost(std::string name) : name_(std::move(name)), vhost_(name_), version_(vhost_.version()) {}

  const std::string& name() const { return name_; }
  std::uint64_t version() const { return version_.load(std::memory_order_acquire); }
  // Of all shards; a part of the vhost's life, so whoever holds one of it holds the vhost.
  Quota& connections() { return connections_; }

  template <class F>
  auto read(F&& f) const {
    std::shared_lock lock(mutex_);
    return std::forward<F>(f)(std::as_const(vhost_));
  }

  template <class F>
  auto write(F&& f) {
    std::unique_lock lock(mutex_);
    // Published before the lock is released: who saw the answer sees the version.
    struct Publish {
      SharedVhost& self;
      ~Publish() { self.version_.store(self.vhost_.version(), std::memory_order_release); }
    } publish{*this};
    return std::forward<F>(f)(vhost_);
  }

 private:
  const std::string name_;
  mutable std::shared_mutex mutex_;
  Vhost vhost_;
  std::atomic<std::uint64_t> version_;
  Quota connections_;
};
using SharedVhostRef = std::shared_ptr<SharedVhost>;

}  // namespace wherry::broker
