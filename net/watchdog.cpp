#include "net/watchdog.h"

#include <algorithm>
#include <utility>

namespace wherry::net {

Watchdog::Watchdog(EventLoop& loop, ServiceManager manager, std::function<bool()> well)
    : manager_(std::move(manager)), well_(std::move(well)), timer_(loop) {
  if (manager_.listens() && manager_.watchdog()) look();
}

void Watchdog::look() {
  if (well_()) manager_.alive();
  const auto third = std::chrono::duration_cast<std::chrono::milliseconds>(*manager_.watchdog() / 3);
  timer_.set(std::max(third, std::chrono::milliseconds(1)), [this] { look(); });
}

}  // namespace wherry::net
