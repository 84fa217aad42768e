// PublishedOnce: what a channel remembers of its publishes to exchanges that accept a message once, until it is sure
// that they got somewhere: a message that was refused or reached no queue may come again.
//
//   if (!once.begin(known, *message)) ...                 // a duplicate
//   ... undo() if it reached nothing; settle(tag, far) if queues on other shards are still to answer
//   ... answered(tag, accepted)
//
// Threads: its channel's.
#pragma once

#include <map>
#include <memory>
#include <string>

#include "broker/routing/deduplication.h"
#include "broker/routing/message.h"

namespace wherry::broker {

class PublishedOnce {
 public:
  // False: a duplicate. Of a message without a key nothing is remembered.
  bool begin(const std::shared_ptr<SharedDeduplication>& known, const Message& message);
  // Whether there is one to undo() or settle(), and one that waits for answers.
  bool begun() const { return begun_.known != nullptr; }
  bool waits() const { return !undecided_.empty(); }
  // What was begun last reached nothing, or a queue refused it.
  void undo();
  // It was taken, as far as is known: so many queues will say so by answered(). 0 for a tag of 0, which nobody asks
  // for.
  void settle(std::uint64_t tag, unsigned far);
  void answered(std::uint64_t tag, bool accepted);

 private:
  struct Key {
    std::shared_ptr<SharedDeduplication> known;  // Null: none.
    std::string key = {};
    unsigned far = 0;
  };
  Key begun_;
  std::map<std::uint64_t, Key> undecided_;  // By tag.
};

}  // namespace wherry::broker
