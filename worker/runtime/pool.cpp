#include "worker/runtime/pool.h"

#include <algorithm>
#include <condition_variable>
#include <deque>
#include <mutex>
#include <utility>

namespace wherry::worker {

struct Pool::State {
  std::mutex mutex;
  std::condition_variable changed;
  std::deque<std::pair<Ticket, std::function<void()>>> waiting;
  Ticket last_ticket = 0;
  bool stopping = false;
};

Pool::Pool(unsigned threads) : state_(std::make_shared<State>()) {
  try {
    for (unsigned i = 0; i < threads; ++i) {
      threads_.emplace_back([state = state_] { work(state); });
    }
  } catch (...) {
    stop();
    throw;
  }
}

Pool::~Pool() {
  stop();
}

Pool::Ticket Pool::run(std::function<void()> work) {
  Ticket ticket = 0;
  {
    std::lock_guard lock(state_->mutex);
    ticket = ++state_->last_ticket;
    if (state_->stopping) return ticket;
    state_->waiting.emplace_back(ticket, std::move(work));
  }
  state_->changed.notify_one();
  return ticket;
}

bool Pool::withdraw(Ticket ticket) {
  std::function<void()> work;  // Outlives the lock: what it holds may have a lot to do when it goes.
  std::lock_guard lock(state_->mutex);
  auto& waiting = state_->waiting;
  auto found = std::find_if(waiting.begin(), waiting.end(), [&](const auto& each) { return each.first == ticket; });
  if (found == waiting.end()) return false;
  work = std::move(found->second);
  waiting.erase(found);
  return true;
}

void Pool::close() {
  decltype(State::waiting) dropped;
  {
    std::lock_guard lock(state_->mutex);
    state_->stopping = true;
    dropped.swap(state_->waiting);
  }
  state_->changed.notify_all();
}

void Pool::stop() {
  close();
  for (std::thread& thread : std::exchange(threads_, {})) thread.join();
}

void Pool::abandon() {
  close();
  for (std::thread& thread : std::exchange(threads_, {})) thread.detach();
}

void Pool::work(const std::shared_ptr<State>& state) {
  std::unique_lock lock(state->mutex);
  while (true) {
    state->changed.wait(lock, [&] { return state->stopping || !state->waiting.empty(); });
    if (state->stopping) return;
    auto next = std::move(state->waiting.front().second);
    state->waiting.pop_front();
    lock.unlock();
    next();
    next = nullptr;  // What it holds is released on this thread, outside the lock.
    lock.lock();
  }
}

}  // namespace wherry::worker
