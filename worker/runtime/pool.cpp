#include "worker/runtime/pool.h"

#include <algorithm>

namespace wherry::worker {

Pool::Pool(unsigned threads) {
  for (unsigned i = 0; i < threads; ++i) threads_.emplace_back([this] { work(); });
}

Pool::~Pool() {
  stop();
}

Pool::Ticket Pool::run(std::function<void()> work) {
  Ticket ticket = 0;
  {
    std::lock_guard lock(mutex_);
    ticket = ++last_ticket_;
    waiting_.emplace_back(ticket, std::move(work));
  }
  changed_.notify_one();
  return ticket;
}

bool Pool::withdraw(Ticket ticket) {
  std::lock_guard lock(mutex_);
  auto found = std::find_if(waiting_.begin(), waiting_.end(), [&](const auto& each) { return each.first == ticket; });
  if (found == waiting_.end()) return false;
  waiting_.erase(found);
  return true;
}

void Pool::stop() {
  {
    std::lock_guard lock(mutex_);
    stopping_ = true;
    waiting_.clear();
  }
  changed_.notify_all();
  for (std::thread& thread : threads_) {
    if (thread.joinable()) thread.join();
  }
}

void Pool::work() {
  std::unique_lock lock(mutex_);
  while (true) {
    changed_.wait(lock, [this] { return stopping_ || !waiting_.empty(); });
    if (stopping_) return;
    auto next = std::move(waiting_.front().second);
    waiting_.pop_front();
    lock.unlock();
    next();
    next = nullptr;  // What it holds is released on this thread, outside the lock.
    lock.lock();
  }
}

}  // namespace wherry::worker
