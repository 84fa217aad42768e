// Pool: a fixed number of threads that run what they are given, in the order it was given.
//
// Threads: run(), withdraw() any; stop() one that is not of the pool. Lifetime: the destructor stops it.
#pragma once

#include <condition_variable>
#include <cstdint>
#include <deque>
#include <functional>
#include <mutex>
#include <thread>
#include <vector>

namespace wherry::worker {

class Pool {
 public:
  explicit Pool(unsigned threads);
  ~Pool();

  using Ticket = std::uint64_t;
  Ticket run(std::function<void()> work);
  // Takes back work that no thread has begun. False: it has begun, or is done.
  bool withdraw(Ticket ticket);
  // Waits for what runs; what has not begun is dropped.
  void stop();

  unsigned size() const { return static_cast<unsigned>(threads_.size()); }

 private:
  void work();

  std::mutex mutex_;
  std::condition_variable changed_;
  std::deque<std::pair<Ticket, std::function<void()>>> waiting_;
  Ticket last_ticket_ = 0;
  bool stopping_ = false;
  std::vector<std::thread> threads_;
};

}  // namespace wherry::worker
