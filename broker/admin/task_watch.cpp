#include "broker/admin/task_watch.h"

#include "base/wall_clock.h"
#include "broker/session/tap.h"

namespace wherry::broker::admin {

namespace {
constexpr std::chrono::seconds between_looks{5};  // For virtual hosts that are gone.
}

TaskWatch::~TaskWatch() {
  if (!thread_.joinable()) return;
  shared_.tap().listen(event_exchange, nullptr);
  {
    std::lock_guard lock(waiting_mutex_);
    stopping_ = true;
    changed_.notify_all();
  }
  thread_.join();
}

void TaskWatch::start() {
  thread_ = std::thread([this] { work(); });
  shared_.tap().listen(event_exchange,
                       [this](const std::string& vhost, const MessageRef& message) { hear(vhost, message); });
}

void TaskWatch::hear(const std::string& vhost, const MessageRef& message) {
  std::lock_guard lock(waiting_mutex_);
  const std::size_t bytes = message->footprint();
  if (waiting_.size() == most_waiting || waiting_bytes_ + bytes > most_waiting_bytes) {
    ++missed_[vhost];
    return;
  }
  waiting_bytes_ += bytes;
  waiting_.push_back({vhost, message});
  if (waiting_.size() == 1) changed_.notify_one();
}

void TaskWatch::work() {
  std::vector<Waiting> taken;
  std::map<std::string, std::uint64_t> missed;
  std::unique_lock lock(waiting_mutex_);
  while (!stopping_) {
    changed_.wait_for(lock, between_looks, [this] { return stopping_ || !waiting_.empty(); });
    taken.swap(waiting_);
    missed.swap(missed_);
    waiting_bytes_ = 0;
    lock.unlock();
    for (const Waiting& each : taken) read(each);
    taken.clear();
    for (const auto& [vhost, count] : missed) {
      std::lock_guard hold(mutex_);
      known(vhost).counts.missed += count;
    }
    missed.clear();
    forget_deleted();
    lock.lock();
  }
}

void TaskWatch::read(const Waiting& one) {
  // They were checked when they came in.
  const auto properties = amqp::decode_properties(one.message->properties()).value_or(amqp::Properties{});
  const auto events = tasks::read_events(properties, one.message->body(), wall_now());
  std::lock_guard lock(mutex_);
  Known& into = known(one.vhost);
  if (!events) {
    ++into.counts.refused;
    return;
  }
  into.counts.refused += events->bad;
  for (const tasks::Event& each : events->good) into.memory.hear(each);
}

void TaskWatch::sent(const std::string& vhost, tasks::Event event) {
  if (!watches()) return;
  std::lock_guard lock(mutex_);
  known(vhost).memory.hear(event);
}

TaskWatch::Known& TaskWatch::known(const std::string& vhost) {
  std::unique_ptr<Known>& found = known_[vhost];
  if (!found) found = std::make_unique<Known>(bounds_);
  return *found;
}

void TaskWatch::forget_deleted() {
  std::lock_guard lock(mutex_);
  std::erase_if(known_, [this](const auto& each) { return !shared_.find_vhost(each.first); });
}

}  // namespace wherry::broker::admin
