// Watchdog: tells systemd that this process lives, three times as often as it asks, as long as the loop turns and
// well() says so. When either ends, systemd ends the process after WATCHDOG_USEC, and starts it anew if its unit says
// so. Nothing happens where nobody watches.
//
//   Watchdog watchdog(loop, manager, [&] { return takes_tasks(); });
//
// Threads: everything on the loop's. Lifetime: the loop outlives it.
#pragma once

#include <functional>

#include "base/notify.h"
#include "net/event_loop.h"

namespace wherry::net {

class Watchdog {
 public:
  Watchdog(EventLoop& loop, ServiceManager manager, std::function<bool()> well);

 private:
  void look();

  const ServiceManager manager_;
  const std::function<bool()> well_;
  Timer timer_;
};

}  // namespace wherry::net
