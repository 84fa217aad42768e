// Confirms: which publishes of a confirming channel are answered, and with how few frames.
//
// A publish is open until every queue it went to has taken (or refused) it and this shard's store is durable up to what
// they asked for. Answers are collected during a turn and merged: one basic.ack with multiple up to the lowest open
// tag, single ones beyond it. Source: RabbitMQ's documentation of publisher confirms. Threads: its channel's.
#pragma once

#include <cstdint>
#include <deque>
#include <functional>

#include "broker/queueing/message_store.h"

namespace wherry::broker {

class Confirms {
 public:
  // The tag of the next publish: 1, 2, 3, ...
  std::uint64_t next_tag() const { return first_ + entries_.size(); }
  // Publishes that are not answered yet.
  std::size_t open() const { return open_; }
  std::uint64_t acked() const { return acked_; }  // So far.

  // A publish with next_tag(). far: answers that are still to come through answer(). Returns its tag.
  std::uint64_t add(unsigned far, Lsn durable_at, bool refused);
  // One far queue answered. An unknown tag is ignored.
  void answer(std::uint64_t tag, bool accepted);

  // After flush(): whether a publish waits for the store alone.
  bool waits_for_store() const { return waiting_for_ != 0; }

  // Answers whatever can be answered now. ack(tag, multiple) and nack(tag) are called in the order of the tags.
  struct Writer {
    std::function<void(std::uint64_t tag, bool multiple)> ack;
    std::function<void(std::uint64_t tag)> nack;
  };
  void flush(Lsn durable, const Writer& write);

 private:
  struct Entry {
    Lsn durable_at = 0;
    std::uint32_t far = 0;
    bool refused = false;
    bool answered = false;
  };
  std::deque<Entry> entries_;
  std::uint64_t first_ = 1;  // Tag of entries_.front().
  std::size_t open_ = 0;
  std::uint64_t acked_ = 0;
  bool changed_ = false;  // Whether a flush could find anything.
  Lsn waiting_for_ = 0;   // The lowest Lsn that an otherwise complete publish waits for; 0 for none.
};

}  // namespace wherry::broker
