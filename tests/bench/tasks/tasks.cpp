// libbench-tasks.so: the tasks of tasks.h for wherry-worker --load.
#include "tests/bench/tasks/tasks.h"

#include <atomic>
#include <chrono>

#include <wherry/worker.h>

namespace {

std::atomic<std::int64_t> waiting{0};

wherry::Coro<std::int64_t> noop_coroutine(bench::NoopCoroutine task) {
  co_return task.number;
}

wherry::Coro<void> wait(bench::Wait, wherry::Context& context) {
  ++waiting;
  co_await context.sleep(std::chrono::hours(1));
  --waiting;
}

}  // namespace

WHERRY_TASKS(registry) {
  registry.on<bench::Noop>([](const bench::Noop& task) { return task.number; });
  registry.on<bench::NoopCoroutine>(noop_coroutine);
  registry.on<bench::Start>([](const bench::Start&) { return bench::clock_ns(); });
  registry.on<bench::Wait>(wait);
  registry.on<bench::Waiting>([](const bench::Waiting&) { return waiting.load(); });
}
