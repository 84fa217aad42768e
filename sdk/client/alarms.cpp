#include "sdk/client/alarms.h"

#include <utility>
#include <vector>

namespace wherry::sdk {

struct Alarms::State : std::enable_shared_from_this<State> {
  explicit State(net::EventLoop& on) : loop(on), timer(on) {}

  using ByTime = std::multimap<Monotonic, std::pair<std::uint64_t, std::function<void()>>>;
  net::EventLoop& loop;
  net::Timer timer;  // The loop's thread only.
  std::mutex mutex;
  ByTime by_time;
  std::unordered_map<std::uint64_t, ByTime::iterator> by_id;
  std::uint64_t next_id = 1;

  void arm_soon() {
    loop.post([weak = weak_from_this()] {
      if (auto self = weak.lock()) self->arm();
    });
  }
  void arm() {
    Monotonic next;
    {
      std::lock_guard lock(mutex);
      if (by_time.empty()) return;
      next = by_time.begin()->first;
    }
    timer.set(next, [weak = weak_from_this()] {
      if (auto self = weak.lock()) self->ring();
    });
  }
  void ring() {
    std::vector<std::function<void()>> due;
    {
      std::lock_guard lock(mutex);
      const auto now = std::chrono::steady_clock::now();
      while (!by_time.empty() && by_time.begin()->first <= now) {
        due.push_back(std::move(by_time.begin()->second.second));
        by_id.erase(by_time.begin()->second.first);
        by_time.erase(by_time.begin());
      }
    }
    for (auto& each : due) each();
    arm();
  }
};

Alarms::Alarms(net::EventLoop& loop) : state_(std::make_shared<State>(loop)) {}
Alarms::~Alarms() {
  state_->timer.cancel();
}

std::uint64_t Alarms::set(Monotonic when, std::function<void()> ring) {
  std::uint64_t id;
  bool first;
  {
    std::lock_guard lock(state_->mutex);
    id = state_->next_id++;
    const auto at = state_->by_time.emplace(when, std::pair(id, std::move(ring)));
    state_->by_id.emplace(id, at);
    first = at == state_->by_time.begin();
  }
  if (first) state_->arm_soon();
  return id;
}

void Alarms::cancel(std::uint64_t alarm) {
  std::function<void()> dropped;  // What it holds goes after the lock: it may be the last to hold it.
  std::lock_guard lock(state_->mutex);
  const auto at = state_->by_id.find(alarm);
  if (at == state_->by_id.end()) return;
  dropped = std::move(at->second->second.second);
  state_->by_time.erase(at->second);
  state_->by_id.erase(at);
}

}  // namespace wherry::sdk
