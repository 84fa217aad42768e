// Consumer: one connection that consumes from one or more queues; counts deliveries and acknowledges them.
// Threads: the run's one thread.
#pragma once

#include "perf/peer.h"
#include "perf/workload.h"

namespace wherry::perf {

class Consumer final : public Peer {
 public:
  Consumer(std::unique_ptr<Connection> connection, Totals& totals, const Workload& workload);

  // Sets the prefetch. To be done before consume().
  Result<void> prepare();
  // await: waits for the broker's answer; not to be asked of a queue that holds messages, whose deliveries come first.
  Result<void> consume(const std::string& queue, bool await);

  // The acknowledgement of what AckMode::multiple still holds back.
  void acknowledge_rest();
  // After the loop: the rest of the output, then channel.close and its answer, so that the broker has handled all acks.
  Result<void> finish();

 protected:
  void handle(const Frame& frame, std::uint64_t now) override;

 private:
  void on_deliver(std::string_view payload);
  void on_body(std::string_view part, std::uint64_t now);
  void on_message();
  void acknowledge(std::uint64_t tag, bool multiple);

  const Workload& workload_;
  std::uint64_t tag_ = 0;
  std::uint64_t unacked_ = 0;    // With AckMode::multiple.
  std::uint64_t body_left_ = 0;  // Of the message whose frames come now.
  bool first_part_ = false;
};

}  // namespace wherry::perf
