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
#include <vector>

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

  // Runs work once, when the turn at hand has ended and what it wrote has been given to the sockets. On the loop's
  // thread.
  void after_turn(std::function<void()> work);

  // The time of this turn, as it was when somebody first asked: one read of each clock a turn. wall_now(): of the
  // process's wall clock.
  Monotonic now() const;
  WallTime wall_now() const;
  bool on_loop_thread() const;

  struct Impl;
  Impl& impl() { return *impl_; }

 private:
  void wall_clock_moved();

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

// Fires when the time of day has come: when the wall clock (base/wall_clock.h) is there, also when a test moves it.
// Otherwise like Timer.
class WallTimer {
 public:
  explicit WallTimer(EventLoop& loop);
  ~WallTimer();
  WallTimer(const WallTimer&) = delete;
  WallTimer& operator=(const WallTimer&) = delete;

  void set(WallTime when, std::function<void()> fire);
  void cancel();

 private:
  friend class EventLoop;
  void arm();

  EventLoop& loop_;
  Timer timer_;
  WallTime when_{};
  std::function<void()> fire_;  // Empty: not set.
};

// Calls handler on the loop's thread when the process gets one of these signals.
class SignalWatch {
 public:
  SignalWatch(EventLoop& loop, const std::vector<int>& signals, std::function<void(int)> handler);
  ~SignalWatch();

 private:
  struct Impl;
  std::shared_ptr<Impl> impl_;
};

}  // namespace wherry::net
