#include "worker/runtime/throttle.h"

#include <algorithm>
#include <utility>
#include <vector>

namespace wherry::worker {

Throttle::Throttle(net::EventLoop& loop, std::function<void(const AttemptRef&)> release)
    : release_(std::move(release)), timer_(loop) {}

void Throttle::set_rate(const std::string& name, double per_second) {
  if (per_second > 0) {
    Bucket& bucket = buckets_[name];
    bucket.every = std::chrono::duration<double>(1 / per_second);
    bucket.free_at = std::min(bucket.free_at, std::chrono::steady_clock::now() +
                                                  std::chrono::duration_cast<Monotonic::duration>(bucket.every));
    return release_due();
  }
  auto node = buckets_.extract(name);
  if (node.empty()) return;
  for (const AttemptRef& attempt : node.mapped().waiting) release_(attempt);
}

bool Throttle::add(const AttemptRef& attempt) {
  auto found = buckets_.find(attempt->name());
  if (found == buckets_.end()) return false;
  Bucket& bucket = found->second;
  const auto now = std::chrono::steady_clock::now();
  if (bucket.waiting.empty() && bucket.free_at <= now) {
    bucket.free_at = now + std::chrono::duration_cast<Monotonic::duration>(bucket.every);
    return false;
  }
  bucket.waiting.push_back(attempt);
  arm();
  return true;
}

void Throttle::release_due() {
  std::vector<AttemptRef> due;
  const auto now = std::chrono::steady_clock::now();
  for (auto& [name, bucket] : buckets_) {
    while (!bucket.waiting.empty() && bucket.free_at <= now) {
      due.push_back(std::move(bucket.waiting.front()));
      bucket.waiting.pop_front();
      bucket.free_at = now + std::chrono::duration_cast<Monotonic::duration>(bucket.every);
    }
  }
  arm();
  // Last: it may call anything here.
  for (const AttemptRef& attempt : due) release_(attempt);
}

void Throttle::arm() {
  Monotonic next = Monotonic::max();
  for (const auto& [name, bucket] : buckets_) {
    if (!bucket.waiting.empty()) next = std::min(next, bucket.free_at);
  }
  if (next == Monotonic::max()) return timer_.cancel();
  timer_.set(next, [this] { release_due(); });
}

void Throttle::each(const std::function<void(const AttemptRef&)>& visit) const {
  for (const auto& [name, bucket] : buckets_) {
    for (const AttemptRef& attempt : bucket.waiting) visit(attempt);
  }
}

std::size_t Throttle::waiting() const {
  std::size_t all = 0;
  for (const auto& [name, bucket] : buckets_) all += bucket.waiting.size();
  return all;
}

std::size_t Throttle::forget(const std::function<bool(const AttemptRef&)>& gone) {
  std::size_t all = 0;
  for (auto& [name, bucket] : buckets_) all += std::erase_if(bucket.waiting, gone);
  return all;
}

}  // namespace wherry::worker
