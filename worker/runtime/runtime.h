// Runtime: deliveries in, attempts on the pool, outcomes settled. The heart of a worker, on one loop.
//
// A delivery is decoded and its arguments bound on the pool's thread, run there, and settled on the loop:
//   done     result sent, then acked
//   failed   published again with a delay and confirmed, then acked; when its retries are used up: dead letter
//   dead     published to the dead-letter queue and confirmed, then acked
// A publish that fails (no connection until its deadline, queue full) gives the delivery back to its queue: nothing is
// acked that is not safe elsewhere.
// A delivery whose eta is still to come is held here, unsettled, with the prefetch raised by one meanwhile; this
// happens only with brokers that cannot hold it themselves, and with other producers.
//
// Threads: everything on the loop's, except what Attempt says.
#pragma once

#include <functional>
#include <map>
#include <memory>
#include <random>
#include <set>
#include <string>

#include "sdk/link/link.h"
#include "wherry/worker.h"
#include "worker/runtime/attempt.h"
#include "worker/runtime/messages.h"
#include "worker/runtime/pool.h"

namespace wherry::worker {

struct RuntimeConfig {
  sdk::LinkConfig link;
  sdk::Topology topology;                                    // Declared before the queues are consumed.
  WorkerOptions options;                                     // With concurrency, prefetch and name filled in.
  std::function<RetryPolicy(std::string_view task)> policy;  // For tasks that do not say their own.
};

class Runtime {
 public:
  Runtime(net::EventLoop& loop, const Registry& registry, RuntimeConfig config, std::function<void()> on_ready,
          std::function<void(std::string reason)> on_refused);
  ~Runtime();

  void start();
  // Takes no more tasks, gives back what has not begun; done(true) when what runs has ended, done(false) when that took
  // longer than graceful_timeout. Asked again: stop tokens are set and nothing is waited for.
  void stop(std::function<void(bool clean)> done);

 private:
  void on_delivery(sdk::Delivery delivery);
  void hold(AttemptRef attempt);
  void run(const AttemptRef& attempt);
  void finished(const AttemptRef& attempt, detail::Outcome outcome);
  void succeed(const AttemptRef& attempt, task::Value result);
  void fail(const AttemptRef& attempt, Failure failure, std::optional<std::chrono::milliseconds> after);
  void try_again(const AttemptRef& attempt, const Failure& failure, std::chrono::milliseconds delay);
  // Undecodable (no task), or given up on.
  void bury(const sdk::Delivery& delivery, const task::Task* task, Failure failure, std::string reason);
  void give_back(const sdk::DeliveryRef& delivery);
  void send_result(const task::Task& task, task::ResultMeta meta);
  void ended(const AttemptRef& attempt);
  void end_when_idle();
  std::uint16_t prefetch() const;

  net::EventLoop& loop_;
  const Registry& registry_;
  const RuntimeConfig config_;
  std::function<void()> on_ready_;
  std::function<void(std::string)> on_refused_;
  std::function<void(bool)> on_stopped_;
  std::mt19937_64 random_{std::random_device{}()};
  std::set<AttemptRef> running_;                            // Given to the pool, not settled.
  std::map<AttemptRef, std::unique_ptr<net::Timer>> held_;  // Waiting for their eta.
  unsigned settling_ = 0;  // Publishes whose confirm must come before their delivery is acked.
  bool ready_ = false;
  bool stopping_ = false;
  bool closing_ = false;  // Everything is settled; the link is being closed.
  net::Timer grace_{loop_};
  sdk::Link link_;
  sdk::SubscriptionId subscription_ = 0;
  Pool pool_;  // Last: its threads end before what they use.
};

}  // namespace wherry::worker
