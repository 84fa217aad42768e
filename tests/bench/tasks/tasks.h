// The tasks that scripts/bench --set tasks measures with: their names and arguments, the same as in celery_tasks.py.
#pragma once

#include <chrono>
#include <cstdint>

namespace bench {

// Does nothing.
struct Noop {
  static constexpr auto task_name = "bench.noop";
  using Result = std::int64_t;
  std::int64_t number = 0;
};

// The same as a coroutine.
struct NoopCoroutine {
  static constexpr auto task_name = "bench.noop_coroutine";
  using Result = std::int64_t;
  std::int64_t number = 0;
};

// Says when it started, in nanoseconds of the clock that all processes of a machine share.
struct Start {
  static constexpr auto task_name = "bench.start";
  using Result = std::int64_t;
};

// A coroutine that waits until its worker stops.
struct Wait {
  static constexpr auto task_name = "bench.wait";
};

// How many of them wait.
struct Waiting {
  static constexpr auto task_name = "bench.waiting";
  using Result = std::int64_t;
};

inline std::int64_t clock_ns() {
  return std::chrono::duration_cast<std::chrono::nanoseconds>(std::chrono::steady_clock::now().time_since_epoch())
      .count();
}

}  // namespace bench
