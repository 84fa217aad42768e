// Runtime: deliveries in, attempts on the pool, outcomes settled. The heart of a worker, on one loop.
//
// A delivery is decoded and its arguments bound on the pool's thread, run there, and settled on the loop:
//   done     result sent, then acked
//   failed   published again with a delay and confirmed, then acked; when its retries are used up: dead letter
//   dead     published to the dead-letter queue and confirmed, then acked
// What the message says comes after the task is sent and confirmed before its result (continuation.h).
// A publish that fails (no connection until its deadline, queue full) gives the delivery back to its queue: nothing is
// acked that is not safe elsewhere.
// When the connection breaks, the broker gives out again what was not acked. So what has not begun here is forgotten,
// and of what runs only the result is sent: its retry or dead letter is left to the one that gets the task again.
// A delivery whose eta is still to come is held here, unsettled, with the prefetch raised by one meanwhile; this
// happens only with brokers that cannot hold it themselves, and with other producers.
// While tasks are short, more of them are taken than there are slots (read_ahead.h).
//
// Files: runtime.cpp (its life, deliveries in), outcomes.cpp, crashes.cpp, steering.cpp (what remote control asks),
// pools.cpp, service.cpp (what a service manager and an operator ask: new settings, whether it lives, the end at once),
// counters.cpp (metrics), drill.cpp (mishaps on request).
// Threads: everything on the loop's, except what Attempt says. Lifetime: a function that still runs when the runtime
// goes is left to itself; it holds what it uses.
#pragma once

#include <deque>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <random>
#include <string>
#include <unordered_map>
#include <unordered_set>
#include <vector>

#include "sdk/link/link.h"
#include "wherry/worker.h"
#include "worker/control/control.h"
#include "worker/control/steering.h"
#include "worker/metrics/exposition.h"
#include "worker/metrics/tally.h"
#include "worker/pool/process_executor.h"
#include "worker/runtime/attempt.h"
#include "worker/runtime/autoscaler.h"
#include "worker/runtime/builtins.h"
#include "worker/runtime/chord_join.h"
#include "worker/runtime/continuation.h"
#include "worker/runtime/drill.h"
#include "worker/runtime/gate.h"
#include "worker/runtime/messages.h"
#include "worker/runtime/pulse.h"
#include "worker/runtime/read_ahead.h"
#include "worker/runtime/result_keeper.h"
#include "worker/runtime/thread_executor.h"
#include "worker/runtime/throttle.h"
#include "worker/steps/step.h"

namespace wherry::worker {

struct RuntimeConfig {
  sdk::LinkConfig link;
  sdk::Topology topology;             // Declared before the queues are consumed; a refusal ends the worker.
  sdk::Topology if_missing;           // Likewise, but what is there with other arguments is used as it is.
  sdk::Router router{"celery"};       // For tasks that follow others and do not say where they go.
  ForkServer* fork_server = nullptr;  // Null: no task runs in a process. Outlives the runtime.
  WorkerOptions options;              // With concurrency, prefetch and name filled in.
  bool read_ahead = false;            // More than prefetch may be taken while tasks are short.
  std::function<RetryPolicy(std::string_view task)> policy;  // For tasks that do not say their own.
  Drill* drill = nullptr;                                    // Null: no mishap happens on request.
};

// Copies what a worker can take while it runs.
void take_reloadable(WorkerOptions& into, const WorkerOptions& from);

class Runtime final : private Steering {
 public:
  // on_ready: tasks are being taken; once. on_refused: this worker cannot work here, and should be stopped; at most
  // once, and never after stop(). on_shutdown: remote control asks for a stop. on_status: what it does now, in a line.
  Runtime(net::EventLoop& loop, const Registry& registry, RuntimeConfig config, std::function<void()> on_ready,
          std::function<void(std::string reason)> on_refused, std::function<void()> on_shutdown = {},
          std::function<void(std::string_view line)> on_status = {});
  ~Runtime();

  void start();
  // Takes no more tasks, gives back what has not begun; done(true) when what runs has ended, done(false) when that took
  // longer than graceful_timeout. Asked again: stop tokens are set and nothing is waited for.
  void stop(std::function<void(bool clean)> done);
  // Gives up what runs (processes are killed, threads asked to stop), and closes the connection, which gives every task
  // back to its queue. done as above, in 5 s at most; after stop() its done is called instead.
  void abandon(std::function<void(bool clean)> done);

  // From now on. What the options have in common with those of before stays, also where remote control changed it.
  // topology: is declared; a refusal is only logged.
  void reload(sdk::Topology topology, sdk::Router router, const WorkerOptions& options);
  // Everything that is counted; empty families without WorkerOptions::metrics.
  void write_metrics(metrics::Exposition& text) const;
  // Why no tasks are being taken; none: they are.
  std::optional<std::string> not_ready() const;
  // Whether tasks get taken, as far as there are any and there is room. To be asked again and again, more often than
  // patience.
  bool takes_tasks(Monotonic::duration patience);

 private:
  void on_up();
  void on_down(std::string_view reason, bool denied);
  void refuse(std::string reason);
  std::shared_ptr<const Attempt::Ways> make_ways();
  void subscribe();
  // Forgets the deliveries of channels before this generation: they are the broker's again.
  void lose(std::uint64_t generation);

  // Steering, in steering.cpp: what remote control sees and does.
  void each_task(const std::function<void(const Attempt&, Stage)>& visit) const override;
  const std::vector<ConsumedQueue>& consumed() const override { return consumed_; }
  const WorkerOptions& options() const override { return config_.options; }
  const Registry& tasks() const override { return registry_; }
  const Journal& journal() const override { return *journal_; }
  std::string rate_limit(std::string_view task) const override;
  task::Value::Map pool_info() const override;
  std::optional<task::Value> autoscaler_info() const override;
  unsigned prefetch() const override { return prefetch_; }
  task::Value::Map broker_info() const override;
  void drop_revoked() override;
  std::vector<std::string> terminate(const std::function<bool(const task::Task&)>& which, int signal) override;
  Result<void> set_rate_limit(const std::string& task, std::string_view rate) override;
  void set_time_limits(const std::string& task, Limit soft, Limit hard) override;
  Result<void> grow(int by) override;
  Result<std::pair<unsigned, unsigned>> autoscale(std::optional<unsigned> max, std::optional<unsigned> min) override;
  Result<void> restart_pool() override;
  void add_queue(ConsumedQueue queue) override;
  void cancel_queue(const std::string& name) override;
  void shut_down() override;
  void start_control();
  void lost_queue(const std::string& name, const std::string& why);  // One that remote control added.
  void revoke(const AttemptRef& attempt, bool terminated, int signal);
  void count_run(const Attempt& attempt);
  void limit_rates(bool all);  // Those that have changed, or all.
  void reload_pool(const WorkerOptions& before);
  Limit limit(const Attempt& attempt, const TaskOptions& own, bool soft) const;
  Result<void> resize(unsigned slots, unsigned prefetch);
  void scale();
  void scale_regularly();

  void on_delivery(sdk::Delivery&& delivery);
  void hold(AttemptRef attempt);
  void run(const AttemptRef& attempt);
  void released(const AttemptRef& attempt);
  void execute(const AttemptRef& attempt, const Registry::EntryRef& entry);
  Registry::EntryRef find(const task::Task& task) const;
  Executor& executor_for(const task::Task& task, const TaskOptions& own);
  Executor& pool();  // Where tasks run that do not say it themselves.
  const Executor& pool() const { return const_cast<Runtime*>(this)->pool(); }
  void start_processes();

  // Crashes, in crashes.cpp: of a child, and of workers that had this task before.
  void crashed(const AttemptRef& attempt, Failure failure);
  // Whether a delivery is seen to because of them: dead, given back to be counted anew, or to be run alone.
  bool met_crashes(const AttemptRef& attempt);
  void begin_trial(const AttemptRef& attempt);
  void ask_whether_alone(const AttemptRef& attempt, unsigned rounds);
  void run_trial();
  void look_after_trial();
  // To its queue, and not a crash: it had not begun here. Of all but the one on trial: how many.
  void return_unbegun(const sdk::Delivery& delivery);
  std::size_t return_all_unbegun();

  void finished(const AttemptRef& attempt, detail::Outcome outcome);
  // Reading ahead, in pools.cpp.
  void ran(const AttemptRef& attempt, ReadAhead::Duration run);
  void watch_read_ahead();
  void give_back_read_ahead();
  // added: more parts of its chord.
  void succeed(const AttemptRef& attempt, task::Value result, const task::Value::Array& added);
  void go_on(const AttemptRef& attempt, task::Value result);
  void replace(const AttemptRef& attempt, const task::Value& by);
  void report_success(const AttemptRef& attempt, task::Value result, task::Value children);
  // crashes: how many processes it has taken along, this time included; 0: not now.
  void fail(const AttemptRef& attempt, Failure failure, std::optional<std::chrono::milliseconds> after,
            std::uint32_t crashes = 0);
  void try_again(const AttemptRef& attempt, const Failure& failure, std::chrono::milliseconds delay,
                 std::uint32_t crashes);
  // Undecodable (no task), or given up on.
  void bury(const sdk::Delivery& delivery, const task::Task* task, Failure failure, std::string reason);
  // tell: whether its result is still to be reported.
  void bury_alone(const sdk::Delivery& delivery, const task::Task* task, const Failure& failure,
                  const std::string& reason, bool tell = true);
  // When all that a task's end means to others is safe: then. Else the delivery goes back.
  ChordJoin::Done safely(const sdk::DeliveryRef& delivery, std::function<void()> then);
  // Waits, within a clean stop, for what follows a task; then calls then with it. A publish that failed gives the
  // delivery back.
  Continuation::Done follows(const sdk::DeliveryRef& delivery, std::string what,
                             std::function<void(task::Value children)> then);
  // Counts the publish that an outcome depends on until its report is in. what: for the log. steps: what they are.
  struct SettleSteps {
    Step confirmed;
    Step acked;
  };
  sdk::Done settles(const sdk::DeliveryRef& delivery, std::string what, std::string task_name, std::string task_id,
                    std::optional<SettleSteps> steps = {});
  // All that the task's end means to others has been sent.
  void acknowledge(const sdk::DeliveryRef& delivery);
  // Drills, in drill.cpp. True: the attempt comes to nothing more here.
  bool befalls(const AttemptRef& attempt, Moment moment);
  bool befall(const sdk::Delivery& delivery, const Mishap& mishap);
  std::optional<Mishap> take_mishap(const sdk::DeliveryRef& ref, Moment moment);
  void give_back(const sdk::DeliveryRef& delivery);
  void give_back_due();
  // To where results are kept, or to the reply queue, unless nobody wants it. then: it is safe, or on its way on the
  // connection that an acknowledgement goes; not called when this worker ends before. Of reports nobody asks for then.
  void send_result(const task::Task& task, task::ResultMeta meta, std::function<void()> then = {});
  void ended(const AttemptRef& attempt);
  void end_when_idle();
  void set_prefetch();

  net::EventLoop& loop_;
  const Registry& registry_;
  RuntimeConfig config_;
  std::function<void()> on_ready_;
  std::function<void(std::string)> on_refused_;
  std::function<void()> on_shutdown_;
  std::function<void(std::string_view)> on_status_;
  std::function<void(bool)> on_stopped_;
  const std::shared_ptr<Gate> gate_;
  std::unique_ptr<ResultKeeper> keeper_;  // Null: results go to reply queues, or nowhere.
  std::mt19937_64 random_{std::random_device{}()};
  std::unordered_set<AttemptRef> running_;  // Given to the pool, not finished.
  // Waiting for their eta, or to be alone.
  std::unordered_map<AttemptRef, std::unique_ptr<net::WallTimer>> held_;
  AttemptRef trial_;    // Not to be lost once more: held, then running, with nothing beside it. Null mostly.
  bool alone_ = false;  // The broker has taken back what came beside it.
  std::deque<std::pair<Monotonic, sdk::DeliveryRef>> returning_;  // To be given back, and when.
  net::Timer return_timer_{loop_};
  unsigned settling_ = 0;  // Publishes that a clean stop waits for.
  std::uint64_t newest_generation_ = 0;
  unsigned prefetch_;
  ReadAhead read_ahead_;
  std::uint64_t ended_ = 0;  // Functions that have.
  net::Timer stall_timer_;   // Set while something waits that was read ahead.
  bool watching_ = false;
  std::vector<ConsumedQueue> consumed_;
  Throttle throttle_;
  std::map<std::string, std::string, std::less<>> rates_;                    // As they were given.
  std::map<std::string, std::pair<Limit, Limit>, std::less<>> time_limits_;  // Set by remote control: soft, hard.
  std::map<std::string, TaskLimits, std::less<>> configured_limits_;         // Of registered tasks that have any.
  std::map<std::string, std::string, std::less<>> configured_rates_;         // By the settings or the task itself.
  std::optional<Autoscaler> autoscaler_;
  net::Timer scale_timer_;
  bool subscribed_ = false;
  bool stopping_ = false;
  bool closing_ = false;                                      // Everything is settled; the link is being closed.
  bool dead_ = false;                                         // Of a drill: it does nothing any more.
  std::vector<std::pair<sdk::DeliveryRef, Mishap>> mishaps_;  // To come.
  bool over_ = false;                                         // Being destroyed: the link's last reports find nobody.
  Pulse threads_pulse_;
  Pulse processes_pulse_;
  std::optional<Monotonic> early_since_;
  net::Timer grace_{loop_};
  const Builtins builtins_;
  Continuation continuation_;
  ChordJoin join_;
  sdk::Link link_;
  sdk::SubscriptionId subscription_ = 0;
  ThreadExecutor threads_;
  const std::shared_ptr<const Attempt::Ways> ways_;
  std::unique_ptr<ProcessExecutor> processes_;   // Null: without a fork server.
  std::vector<sdk::Delivery> early_;             // Came before it was known which tasks are revoked.
  std::unique_ptr<Control> control_;             // Null: without remote control.
  const std::unique_ptr<metrics::Tally> tally_;  // Null: nobody reads metrics.
  std::unique_ptr<Journal> journal_;
};

}  // namespace wherry::worker
