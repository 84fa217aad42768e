// Mailbox: how mail reaches a shard. Senders hand over a whole turn's mail at once; the reader takes all there is.
//
// Limit: none that loses anything; but full() says when the reader is behind by more letters or more bytes of published
// messages than it should, and a sender that finds it so stops reading the sockets that feed it until that has changed.
// So memory is bounded by what was on its way; a delivery's message is held by its queue anyway. Threads: put() and
// full() any, take() the reader's.
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
  Mailbox(std::size_t most_letters, std::size_t most_bytes, std::function<void()> wake)
      : most_letters_(most_letters), most_bytes_(most_bytes), wake_(std::move(wake)) {}

  void put(std::vector<Mail>& batch);  // Leaves batch empty.
  std::vector<Mail> take();
  bool full() const {
    return letters_.load(std::memory_order_relaxed) > most_letters_ ||
           bytes_.load(std::memory_order_relaxed) > most_bytes_;
  }

 private:
  const std::size_t most_letters_;
  const std::size_t most_bytes_;
  std::mutex mutex_;
  std::vector<Mail> box_;
  std::atomic<std::size_t> letters_{0};
  std::atomic<std::size_t> bytes_{0};
  std::function<void()> wake_;
};

}  // namespace wherry::broker
