// A program without a pool as a service: it runs until SIGTERM, SIGINT or SIGQUIT, reads its settings again on SIGHUP,
// and tells systemd how it is.
//
// Threads: ready() any; the rest on the loop's. Made before any other thread is there, so that signals are this loop's.
#pragma once

#include <atomic>
#include <functional>
#include <string>

#include "base/notify.h"
#include "net/event_loop.h"
#include "net/watchdog.h"

namespace wherry::worker {

class Service {
 public:
  // reload: on SIGHUP.
  Service(net::EventLoop& loop, std::function<void()> reload);
  // Prints the line for scripts, and tells systemd.
  void ready(const std::string& line, const std::string& status);

 private:
  void on_signal(int number);

  net::EventLoop& loop_;
  const std::function<void()> reload_;
  std::atomic<bool> ready_ = false;
  const ServiceManager manager_ = ServiceManager::from_environment();
  net::SignalWatch signals_;
  // The loop turns: that is all that can be asked of what waits for its time.
  net::Watchdog watchdog_{loop_, manager_, [] { return true; }};
};

}  // namespace wherry::worker
