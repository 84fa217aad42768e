// Unsettled: the deliveries of one channel that wait for an ack, by delivery tag.
//
// Tags grow by one with every delivery, acknowledged or not; kept are those that must be settled. Source: AMQP 0-9-1
// basic.ack, section 1.8.3.13: tag 0 with multiple means all; an unknown tag is the caller's 406. What came from a
// queue that is gone stays until it is settled, and counts, as in RabbitMQ: its client may be about to acknowledge it.
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
    Position position = no_position;
    std::uint32_t count = 0;  // With the position: which delivery it is.
    bool settled = false;
    std::uint64_t bytes = 0;  // Of its body.

    DeliveryId delivery() const { return {position, count}; }
    SettledDelivery settled_delivery() const { return {consumer, delivery()}; }
  };

  std::uint64_t next_tag() const { return last_tag_ + 1; }
  // The tag of a delivery that nobody will settle.
  std::uint64_t pass() { return ++last_tag_; }
  std::uint64_t add(QueueEntryRef queue, ConsumerKey consumer, const DeliveryId& delivery, std::uint64_t bytes = 0);

  // Takes the delivery with that tag, or with multiple all up to it, in the order of their tags. False when there is no
  // such delivery (with multiple and tag 0: never).
  bool take(std::uint64_t tag, bool multiple, std::vector<Entry>& into);
  std::vector<Entry> take_all();
  // Deliveries that were taken are unsettled again, under their tags.
  void put_back(std::vector<Entry> entries);

  std::size_t count() const { return open_; }
  // Of these, how many came to consumers rather than by basic.get: what a channel's prefetch limits.
  std::size_t consumed() const { return consumed_; }

 private:
  void settle(Entry& entry);
  Entry* find(std::uint64_t tag);  // Null when it is not to be settled (any more).
  void drop_settled_front();

  std::deque<Entry> entries_;
  std::uint64_t last_tag_ = 0;
  std::size_t open_ = 0;
  std::size_t consumed_ = 0;
};

// Of their bodies, together.
std::uint64_t bytes_of(const std::vector<Unsettled::Entry>& entries);

// One call to the host for each queue, deliveries in the order given.
void settle_all(Host& host, const std::vector<Unsettled::Entry>& entries, Settlement how);

}  // namespace wherry::broker
