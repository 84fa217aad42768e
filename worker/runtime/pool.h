// Pool: a fixed number of threads that run what they are given, in the order it was given.
//
// Threads: run(), withdraw() any; stop(), abandon() one that is not of the pool. Lifetime: the destructor stops it.
// Errors: the constructor throws std::system_error when the system gives no more threads.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <thread>
#include <vector>

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
  // Takes back work that no thread has begun. False: it has begun, or is done.
  bool withdraw(Ticket ticket);
  // Waits for what runs; what has not begun is dropped.
  void stop();
  // Waits for nothing: each thread ends by itself after what it runs, even when the pool is gone by then.
  void abandon();

 private:
  struct State;
  static void work(const std::shared_ptr<State>& state);
  void close();

  std::shared_ptr<State> state_;
  std::vector<std::thread> threads_;
};

}  // namespace wherry::worker
