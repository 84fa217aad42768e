// Runtime: deliveries in, attempts on the pool, outcomes settled. The heart of a worker, on one loop.
//
// A delivery is decoded and its arguments bound on the pool's thread, run there, and settled on the loop:
//   done     result sent, then acked
//   failed   published again with a delay and confirmed, then acked; when its retries are used up: dead letter
//   dead     published to the dead-letter queue and confirmed, then acked
// A publish that fails (no connection until its deadline, queue full) gives the delivery back to its queue: nothing is
// acked that is not safe elsewhere.
// When the connection breaks, the broker gives out again what was not acked. So what has not begun here is forgotten,
// and of what runs only the result is sent: its retry or dead letter is left to the one that gets the task again.
// A delivery whose eta is still to come is held here, unsettled, with the prefetch raised by one meanwhile; this
// happens only with brokers that cannot hold it themselves, and with other producers.
//
// Threads: everything on the loop's, except what Attempt says. Lifetime: a function that still runs when the runtime
// goes is left to itself; it holds what it uses.
#pragma once

#include <deque>
#include <functional>
#include <memory>
#include <random>
#include <string>
#include <unordered_map>
#include <unordered_set>
#include <vector>

#include "sdk/link/link.h"
#include "wherry/worker.h"
#include "worker/runtime/attempt.h"
#include "worker/runtime/gate.h"
#include "worker/runtime/messages.h"
#include "worker/runtime/pool.h"

namespace wherry::worker {

struct RuntimeConfig {
  sdk::LinkConfig link;
  sdk::Topology topology;    // Declared before the queues are consumed; a refusal ends the worker.
  sdk::Topology if_missing;  // Likewise, but what is there with other arguments is used as it is.
  WorkerOptions options;     // With concurrency, prefetch and name filled in.
  std::function<RetryPolicy(std::string_view task)> policy;  // For tasks that do not say their own.
};

class Runtime {
 public:
  // on_ready: tasks are being taken; once. on_refused: this worker cannot work here, and should be stopped; at most
  // once, and never after stop().
  Runtime(net::EventLoop& loop, const Registry& registry, RuntimeConfig config, std::function<void()> on_ready,
          std::function<void(std::string reason)> on_refused);
  ~Runtime();

  void start();
  // Takes no more tasks, gives back what has not begun; done(true) when what runs has ended, done(false) when that took
  // longer than graceful_timeout. Asked again: stop tokens are set and nothing is waited for.
  void stop(std::function<void(bool clean)> done);

 private:
  void on_up();
  void on_down(std::string_view reason, bool denied);
  void refuse(std::string reason);
  void subscribe();
  // Forgets the deliveries of channels before this generation: they are the broker's again.
  void lose(std::uint64_t generation);

  void on_delivery(sdk::Delivery delivery);
  void hold(AttemptRef attempt);
  void run(const AttemptRef& attempt);
  void finished(const AttemptRef& attempt, detail::Outcome outcome);
  void succeed(const AttemptRef& attempt, task::Value result);
  void fail(const AttemptRef& attempt, Failure failure, std::optional<std::chrono::milliseconds> after);
  void try_again(const AttemptRef& attempt, const Failure& failure, std::chrono::milliseconds delay);
  // Undecodable (no task), or given up on.
  void bury(const sdk::Delivery& delivery, const task::Task* task, Failure failure, std::string reason);
  // Counts the publish that an outcome depends on until its report is in. what: for the log.
  sdk::Done settles(const sdk::DeliveryRef& delivery, std::string what);
  void give_back(const sdk::DeliveryRef& delivery);
  void give_back_due();
  void send_result(const task::Task& task, task::ResultMeta meta);
  void ended(const AttemptRef& attempt);
  void end_when_idle();
  void set_prefetch();

  net::EventLoop& loop_;
  const Registry& registry_;
  const RuntimeConfig config_;
  std::function<void()> on_ready_;
  std::function<void(std::string)> on_refused_;
  std::function<void(bool)> on_stopped_;
  const std::shared_ptr<Gate> gate_;
  std::mt19937_64 random_{std::random_device{}()};
  std::unordered_set<AttemptRef> running_;                            // Given to the pool, not finished.
  std::unordered_map<AttemptRef, std::unique_ptr<net::Timer>> held_;  // Waiting for their eta.
  std::deque<std::pair<Monotonic, sdk::DeliveryRef>> returning_;      // To be given back, and when.
  net::Timer return_timer_{loop_};
  unsigned settling_ = 0;  // Publishes that a clean stop waits for.
  std::uint64_t newest_generation_ = 0;
  bool subscribed_ = false;
  bool stopping_ = false;
  bool closing_ = false;  // Everything is settled; the link is being closed.
  bool over_ = false;     // Being destroyed: the link's last reports find nobody.
  net::Timer grace_{loop_};
  sdk::Link link_;
  sdk::SubscriptionId subscription_ = 0;
  const std::shared_ptr<Pool> pool_;  // Shared with coroutines that are to go on there.
};

}  // namespace wherry::worker
