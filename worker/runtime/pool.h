// Pool: a number of threads that run what they are given, in the order it was given.
//
// Threads: run(), add(), wake(), withdraw() any; resize(), stop(), abandon() one that is not of the pool. Lifetime: the
// destructor stops it. Errors: the constructor throws std::system_error when the system gives no more threads.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <thread>
#include <vector>

#include "base/result.h"

namespace wherry::worker {

class Pool {
 public:
  explicit Pool(unsigned threads);
  ~Pool();
  Pool(const Pool&) = delete;
  Pool& operator=(const Pool&) = delete;

  using Ticket = std::uint64_t;
  // After stop() or abandon(): dropped.
  Ticket run(std::function<void()> work);
  // In two steps, for those who have several: a thread that sleeps hears of what was added when wake() is called. One
  // that is awake may take it before.
  Ticket add(std::function<void()> work);
  void wake();
  // Takes back work that no thread has begun. False: it has begun, or is done.
  bool withdraw(Ticket ticket);
  unsigned threads() const;
  // Whether the caller's thread is one of any pool's.
  static bool on_pool_thread();
  // More begin at once; those that are too many end when they have nothing to do. Errors: the system gives no more.
  Result<void> resize(unsigned threads);
  // Waits for what runs; what has not begun is dropped.
  void stop();
  // Waits for nothing: each thread ends by itself after what it runs, even when the pool is gone by then.
  void abandon();

 private:
  struct State;
  static void work(const std::shared_ptr<State>& state);
  void close();
  void start_one();
  void join_ended();

  std::shared_ptr<State> state_;
  std::vector<std::thread> threads_;  // Those that ended are joined now and then.
};

}  // namespace wherry::worker
