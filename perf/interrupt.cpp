#include "perf/interrupt.h"

#include <atomic>
#include <chrono>
#include <initializer_list>
#include <thread>

#include <signal.h>

#include "perf/clock.h"

namespace wherry::perf {

namespace {

std::atomic<bool> seen{false};
static_assert(std::atomic<bool>::is_always_lock_free, "a signal handler may touch nothing else");

}  // namespace

void catch_interrupts() {
  struct sigaction action {};
  action.sa_handler = [](int) { seen = true; };
  // No SA_RESTART: a call that waits for an answer must notice. SA_RESETHAND: the second signal is not caught.
  action.sa_flags = static_cast<int>(SA_RESETHAND);
  sigemptyset(&action.sa_mask);
  for (const int signal : {SIGINT, SIGTERM}) ::sigaction(signal, &action, nullptr);
}

bool interrupted() {
  return seen;
}

void sleep_for(double seconds) {
  const std::uint64_t end = now_ns() + to_ns(seconds);
  while (now_ns() < end && !interrupted()) std::this_thread::sleep_for(std::chrono::milliseconds(5));
}

}  // namespace wherry::perf
