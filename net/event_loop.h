// EventLoop: one thread's loop over sockets, timers and posted work. The only way the project meets Asio.
//
// A turn: the loop takes everything that is ready, runs its handlers, then runs the turn-end hooks once, and sleeps.
// Work that is better done once per turn (writing sockets, merging confirms, appending the log) registers a hook.
//
// Threads: post() and stop() from any thread; everything else, and every handler, on the thread that runs the loop (or
// before run() was called). Lifetime: streams, acceptors and timers of a loop must go before it.
#pragma once

#include <chrono>
#include <functional>
#include <memory>

#include "base/clock.h"

namespace wherry::net {

class EventLoop {
 public:
  EventLoop();
  ~EventLoop();
  EventLoop(const EventLoop&) = delete;
  EventLoop& operator=(const EventLoop&) = delete;

  // Runs until stop(). What was posted before and during is run; after stop() the turn at hand is finished.
  void run();
  void stop();

  // Runs work on the loop's thread in a coming turn, in the order posted.
  void post(std::function<void()> work);

  // Runs hook at the end of each turn, in the order added, for as long as the loop lives.
  void at_turn_end(std::function<void()> hook);

  // The time at which the turn began: one clock read a turn.
  Monotonic now() const;
  bool on_loop_thread() const;

  struct Impl;
  Impl& impl() { return *impl_; }

 private:
  std::unique_ptr<Impl> impl_;
};

// A one-shot timer. Setting it again or destroying it cancels what was set.
class Timer {
 public:
  explicit Timer(EventLoop& loop);
  ~Timer();
  Timer(const Timer&) = delete;
  Timer& operator=(const Timer&) = delete;

  void set(Monotonic when, std::function<void()> fire);
  void set(std::chrono::milliseconds after, std::function<void()> fire);
  void cancel();

 private:
  struct Impl;
  std::shared_ptr<Impl> impl_;
};

// Calls handler on the loop's thread when the process gets one of SIGTERM, SIGINT (and whatever else is listed).
class SignalWatch {
 public:
  SignalWatch(EventLoop& loop, std::initializer_list<int> signals, std::function<void(int)> handler);
  ~SignalWatch();

 private:
  struct Impl;
  std::shared_ptr<Impl> impl_;
};

}  // namespace wherry::net
