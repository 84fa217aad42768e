// Producer: publishes in bulk, or one message at a time with the time it was due in its body; counts confirms.
//
// The frames of a round of messages are built once, a MiB or more, and written from there again and again: a message
// costs a share of a send() and nothing else. What the kernel has not taken whole does not count as published.
// Threads: the run's one thread.
#pragma once

#include <vector>

#include "perf/peer.h"
#include "perf/unconfirmed.h"
#include "perf/workload.h"

namespace wherry::perf {

class Producer final : public Peer {
 public:
  Producer(std::unique_ptr<Connection> connection, Totals& totals, const Workload& workload, unsigned index);

  // As much as limits and socket take, up to a share of the loop's turn. True: more could go, when the socket has room;
  // false: it waits for confirms or deliveries, or stopped. stopping: finish the message that is half written, no more.
  bool publish_bulk(bool stopping);
  // Puts one message into the output. due_ns goes into the first eight bytes of its body.
  void publish_one(std::uint64_t due_ns);

  bool blocked() const { return blocked_; }
  bool half_written() const { return at_ > begin_of(message_); }
  std::uint64_t unconfirmed() const { return unconfirmed_.outstanding(); }

 protected:
  void handle(const Frame& frame, std::uint64_t now) override;
  void on_blocked(bool blocked) override;

 private:
  void build_round(unsigned index);
  bool write_round(bool stopping);
  std::size_t begin_of(std::size_t message) const { return message == 0 ? 0 : ends_[message - 1]; }
  std::uint64_t allowed() const;
  void count_sent();
  void on_confirm(std::uint64_t tag, bool multiple, bool refused, std::uint64_t now);

  const Workload& workload_;
  std::string round_;              // The frames of a whole round of messages.
  std::vector<std::size_t> ends_;  // Where in it each message ends.
  std::size_t message_ = 0;        // The one that is written now,
  std::size_t at_ = 0;             // and how far into the round the kernel has taken it.
  Unconfirmed unconfirmed_;
  bool blocked_ = false;
};

}  // namespace wherry::perf
