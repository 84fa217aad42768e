#include "worker/runtime/thread_executor.h"

#include <utility>

#include <unistd.h>

namespace wherry::worker {

ThreadExecutor::ThreadExecutor(net::EventLoop& loop, unsigned threads)
    : loop_(loop), pid_(::getpid()), pool_(std::make_shared<Pool>(threads)) {}

void ThreadExecutor::run(Job job) {
  AttemptRef attempt = job.attempt;
  attempt->executor = this;
  attempt->ticket = pool_->add([job = std::move(job), pid = pid_] {
    job.attempt->begin(job.soft_time_limit, pid);
    if (job.began) job.began();
    run_function(job.entry, job.attempt, job.finish);
  });
  // Threads are woken once for all that one reading of the socket brings.
  if (std::exchange(*waking_, true)) return;
  loop_.post([pool = pool_, waking = waking_] {
    *waking = false;
    pool->wake();
  });
}

Result<void> ThreadExecutor::restart() {
  return fail("threads have nothing that could be made anew; see pool: processes");
}

task::Value::Map ThreadExecutor::info() const {
  return {{"implementation", "wherry:threads"},
          {"max-concurrency", slots()},
          {"processes", task::Value::Array{::getpid()}},
          {"max-tasks-per-child", "N/A"},
          {"put-guarded-by-semaphore", true},
          {"timeouts", task::Value::Array{0, 0}},
          {"writes", task::Value::Map{}}};
}

}  // namespace wherry::worker
