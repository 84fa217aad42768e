#include "worker/runtime/pool.h"

#include <algorithm>
#include <condition_variable>
#include <deque>
#include <mutex>
#include <system_error>
#include <utility>

#include <fmt/format.h>

namespace wherry::worker {

namespace {
thread_local bool pool_thread = false;
}

struct Pool::State {
  std::mutex mutex;
  std::condition_variable changed;
  std::deque<std::pair<Ticket, std::function<void()>>> waiting;
  Ticket last_ticket = 0;
  bool stopping = false;
  unsigned wanted = 0;
  unsigned alive = 0;
  unsigned sleeping = 0;
  std::vector<std::thread::id> ended;  // To be joined.
};

Pool::Pool(unsigned threads) : state_(std::make_shared<State>()) {
  try {
    state_->wanted = threads;
    for (unsigned i = 0; i < threads; ++i) start_one();
  } catch (...) {
    stop();
    throw;
  }
}

Pool::~Pool() {
  stop();
}

void Pool::start_one() {
  {
    std::lock_guard lock(state_->mutex);
    ++state_->alive;
  }
  try {
    threads_.emplace_back([state = state_] { work(state); });
  } catch (...) {
    std::lock_guard lock(state_->mutex);
    --state_->alive;
    throw;
  }
}

unsigned Pool::threads() const {
  std::lock_guard lock(state_->mutex);
  return state_->wanted;
}

void Pool::join_ended() {
  std::vector<std::thread::id> ended;
  {
    std::lock_guard lock(state_->mutex);
    ended.swap(state_->ended);
  }
  std::erase_if(threads_, [&](std::thread& thread) {
    if (std::find(ended.begin(), ended.end(), thread.get_id()) == ended.end()) return false;
    thread.join();
    return true;
  });
}

Result<void> Pool::resize(unsigned threads) {
  join_ended();
  unsigned missing = 0;
  {
    std::lock_guard lock(state_->mutex);
    state_->wanted = threads;
    if (threads > state_->alive) missing = threads - state_->alive;
  }
  state_->changed.notify_all();
  try {
    for (; missing > 0; --missing) start_one();
  } catch (const std::system_error& error) {
    std::lock_guard lock(state_->mutex);
    state_->wanted = state_->alive;
    return fail(fmt::format("the system gives no more threads than {}: {}", state_->alive, error.what()));
  }
  return {};
}

Pool::Ticket Pool::run(std::function<void()> work) {
  const Ticket ticket = add(std::move(work));
  wake();
  return ticket;
}

Pool::Ticket Pool::add(std::function<void()> work) {
  std::lock_guard lock(state_->mutex);
  const Ticket ticket = ++state_->last_ticket;
  if (!state_->stopping) state_->waiting.emplace_back(ticket, std::move(work));
  return ticket;
}

void Pool::wake() {
  std::size_t wanted = 0;
  {
    std::lock_guard lock(state_->mutex);
    wanted = std::min<std::size_t>(state_->waiting.size(), state_->sleeping);
  }
  for (; wanted > 0; --wanted) state_->changed.notify_one();
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

bool Pool::on_pool_thread() {
  return pool_thread;
}

void Pool::work(const std::shared_ptr<State>& state) {
  pool_thread = true;
  std::unique_lock lock(state->mutex);
  while (true) {
    auto too_many = [&] { return state->alive > state->wanted; };
    while (!state->stopping && !too_many() && state->waiting.empty()) {
      ++state->sleeping;
      state->changed.wait(lock);
      --state->sleeping;
    }
    if (state->stopping) return;
    if (too_many()) {
      --state->alive;
      state->ended.push_back(std::this_thread::get_id());
      // It may have been woken for work that is for another now.
      if (!state->waiting.empty()) state->changed.notify_one();
      return;
    }
    auto next = std::move(state->waiting.front().second);
    state->waiting.pop_front();
    lock.unlock();
    next();
    next = nullptr;  // What it holds is released on this thread, outside the lock.
    lock.lock();
  }
}

}  // namespace wherry::worker
