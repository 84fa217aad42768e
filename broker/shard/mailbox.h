// Mailbox: how mail reaches a shard. Senders hand over a whole turn's mail at once; the reader takes all there is.
//
// Limit: none that loses anything; but full() says when the reader is behind by more than high_mark, and a sender that
// finds it so stops reading the sockets that feed it until that has changed. So memory is bounded by what was on its
// way. Threads: put() and full() any, take() the reader's.
#pragma once

#include <atomic>
#include <functional>
#include <mutex>
#include <vector>

#include "broker/shard/mail.h"

namespace wherry::broker {

class Mailbox {
 public:
  // wake: makes the reader's loop turn; called on the sender's thread, once for each time the box was empty.
  Mailbox(std::size_t high_mark, std::function<void()> wake) : high_mark_(high_mark), wake_(std::move(wake)) {}

  void put(std::vector<Mail>& batch);  // Leaves batch empty.
  std::vector<Mail> take();
  bool full() const { return waiting_.load(std::memory_order_relaxed) > high_mark_; }

 private:
  const std::size_t high_mark_;
  std::mutex mutex_;
  std::vector<Mail> box_;
  std::atomic<std::size_t> waiting_{0};
  std::function<void()> wake_;
};

}  // namespace wherry::broker
