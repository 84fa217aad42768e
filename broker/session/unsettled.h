// Unsettled: the deliveries of one channel that wait for an ack, by delivery tag.
//
// Tags grow by one with every delivery, acknowledged or not; kept are those that must be settled. Source: AMQP 0-9-1
// basic.ack, section 1.8.3.13: tag 0 with multiple means all; an unknown tag is the caller's 406.
// Threads: its channel's.
#pragma once

#include <cstdint>
#include <deque>
#include <vector>

#include "broker/session/host.h"

namespace wherry::broker {

class Unsettled {
 public:
  struct Entry {
    std::uint64_t tag = 0;
    QueueEntryRef queue;
    ConsumerKey consumer = 0;
    Position position = 0;
    bool settled = false;
  };

  // The tag of a delivery that nobody will settle.
  std::uint64_t pass() { return ++last_tag_; }
  std::uint64_t add(QueueEntryRef queue, ConsumerKey consumer, Position position);

  // Takes the delivery with that tag, or with multiple all up to it, in the order of their tags. False when there is no
  // such delivery (with multiple and tag 0: never).
  bool take(std::uint64_t tag, bool multiple, std::vector<Entry>& into);
  std::vector<Entry> take_all();

  // Forgets what came from a queue that is gone.
  void forget(const QueueEntryRef& queue);

  std::size_t count() const { return open_; }
  // Of these, how many came to consumers rather than by basic.get: what a channel's prefetch limits.
  std::size_t consumed() const { return consumed_; }

 private:
  void settle(Entry& entry);
  void drop_settled_front();

  std::deque<Entry> entries_;
  std::uint64_t last_tag_ = 0;
  std::size_t open_ = 0;
  std::size_t consumed_ = 0;
};

// One call to the host for each queue and consumer, positions in the order of their tags.
void settle_all(Host& host, const std::vector<Unsettled::Entry>& entries, Settlement how);

}  // namespace wherry::broker
