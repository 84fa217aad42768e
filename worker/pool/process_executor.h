// ProcessExecutor: attempts in child processes, one at a time in each. A task that crashes, leaks or hangs takes only
// its own child along.
//
// Children come from a ForkServer and live from task to task, until they have run as many as they may, hold more memory
// than they may, are one too many, or are ended: at the hard time limit, by terminate(), by what their task did. An
// attempt whose child ended is finished here with what is known of it: the signal, the backtrace if there is one, or
// the limit that it broke.
//
// Threads: the loop's. Lifetime: the fork server outlives it.
#pragma once

#include <deque>
#include <functional>
#include <map>
#include <memory>
#include <string>

#include "net/stream.h"
#include "worker/pool/fork_server.h"
#include "worker/runtime/executor.h"

namespace wherry::worker {

class ProcessExecutor final : public Executor {
 public:
  struct Config {
    unsigned slots = 1;
    bool prefork = false;                    // All children at once; else as they are needed.
    unsigned max_tasks_per_child = 0;        // 0: as many as come.
    std::uint64_t max_memory_per_child = 0;  // Bytes in memory after a task, above which a child is replaced; 0: any.
  };
  // A task that was asked to end (terminate with SIGTERM or SIGINT) gets so long before it is ended.
  static constexpr std::chrono::seconds term_grace{3};

  // on_broken: the fork server is gone, and nothing can be run here any more; once.
  ProcessExecutor(net::EventLoop& loop, ForkServer& server, Config config, std::function<void(std::string)> on_broken);
  ~ProcessExecutor() override;

  void run(Job job) override;
  bool withdraw(const Attempt& attempt) override;
  void ask_to_stop(const AttemptRef& attempt) override;
  void terminate(const AttemptRef& attempt, int signal) override;
  unsigned slots() const override { return config_.slots; }
  Result<void> resize(unsigned slots) override;
  Result<void> restart() override;
  // As Config has them, for tasks that end from now on.
  void set_limits(unsigned max_tasks_per_child, std::uint64_t max_memory_per_child);
  // Since the beginning; alive: now.
  struct Counts {
    std::size_t alive = 0;
    std::uint64_t started = 0;
    std::uint64_t crashed = 0;
    std::uint64_t timed_out = 0;
  };
  Counts counts() const;
  task::Value::Map info() const override;
  void stop() override;
  void abandon() override { stop(); }

 private:
  struct Child;
  struct Server;

  void on_news(const ForkServer::News& news);
  void broken(std::string_view reason);
  void hand_out();
  Child* idle_or_new();
  Child* add_child();
  void give(Child& child, Job job);
  void ended_well(Child& child, detail::Outcome outcome, std::uint64_t resident_bytes);
  // Its process has ended, and all that it said has been heard.
  void bury(Child& child);
  detail::Outcome post_mortem(const Child& child) const;
  void retire(Child& child);
  Child* running(const Attempt& attempt);
  std::size_t in_service() const;

  net::EventLoop& loop_;
  ForkServer& server_;
  Config config_;
  std::function<void(std::string)> on_broken_;
  std::unique_ptr<Server> ear_;
  std::uint32_t last_number_ = 0;
  std::map<std::uint32_t, std::shared_ptr<Child>> children_;
  std::deque<Job> waiting_;
  Counts counts_;
  bool stopped_ = false;
};

}  // namespace wherry::worker
