// Transaction: what a channel after tx.select holds back until tx.commit: its publishes, already routed, and its acks,
// nacks and rejects. Source: AMQP 0-9-1, class tx, as RabbitMQ has it: atomic for each queue, not across them.
//
// A commit is open until its publishes are where a confirm would say so. What it settles at other shards waits for
// that, lest a crash between two disks loses both the task and what it led to; commits are answered in their order.
// Limits: TransactionRoom. Settlements are bounded by the deliveries they settle. Threads: its channel's.
#pragma once

#include <cstdint>
#include <deque>
#include <memory>
#include <optional>
#include <vector>

#include "broker/routing/deduplication.h"
#include "broker/routing/message.h"
#include "broker/session/host.h"
#include "broker/session/unsettled.h"

namespace wherry::broker {

// How much the transactions of a shard may hold in memory: bytes of messages, what is around them counted in.
// Threads: its shard's. It outlives the shard's channels.
class TransactionRoom {
 public:
  static constexpr std::size_t most_for_one = 64u << 20;
  static constexpr std::size_t most_for_all = 256u << 20;

  std::size_t held() const { return held_; }

 private:
  friend class Transaction;
  std::size_t held_ = 0;
};

class Transaction {
 public:
  struct Publish {
    MessageRef message;
    std::vector<QueueEntryRef> queues;  // As of the time of publishing.
    std::uint64_t delay_ms = 0;         // Above 0: held by its exchange from the commit on.
    bool mandatory = false;
    bool replies = false;                             // To direct replies too.
    std::shared_ptr<SharedDeduplication> known = {};  // Of an exchange that accepts a message once, else null.
  };
  struct Settled {
    Settlement how = Settlement::ack;
    std::vector<Unsettled::Entry> entries;
  };

  explicit Transaction(TransactionRoom& room) : room_(room) {}
  ~Transaction() { drop_publishes(); }
  Transaction(const Transaction&) = delete;
  Transaction& operator=(const Transaction&) = delete;

  std::size_t held() const { return publishes_.size(); }
  // False when there is no room for it. However large one message is, it fits where nothing else is held.
  bool hold(Publish publish);
  void hold(Settlement how, std::vector<Unsettled::Entry> entries);

  // --- the end of one ---
  // The publishes, in their order; the next transaction begins with none.
  std::vector<Publish> take_publishes();
  // A commit whose publishes have been handed over under this tag; tags grow. What is held to be settled is the
  // commit's now.
  void commit(std::uint64_t tag);
  // Rolled back: everything held is dropped. Returned are the deliveries that are unsettled again.
  std::vector<Unsettled::Entry> roll_back();

  // --- open commits ---
  // Of the commit begun last: what is settled in queues of this shard, to be done now. The rest stays.
  std::vector<Settled> take_near(unsigned shard);
  // The commit's publishes are where they belong, or (ok false) were refused by a queue; with multiple those of all
  // commits before it too.
  void complete(std::uint64_t tag, bool multiple, bool ok);
  // The oldest commit, when it is complete, leaves: what remains to be settled, or nothing when it failed.
  struct Outcome {
    bool ok = true;
    std::vector<Settled> settled;
  };
  std::optional<Outcome> take_complete();
  // The channel ends: the deliveries of commits that nobody was told of, and of what is held.
  std::vector<Unsettled::Entry> abandon();

  // Deliveries to consumers that wait to be settled: to a prefetch they are unsettled.
  std::size_t consumed() const { return consumed_; }

 private:
  struct Commit {
    std::uint64_t tag = 0;
    bool complete = false;
    bool ok = true;
    std::vector<Settled> settled;
  };
  void drop_publishes();
  void uncount(const std::vector<Settled>& settled);

  TransactionRoom& room_;
  std::vector<Publish> publishes_;
  std::size_t bytes_ = 0;  // Of publishes_.
  std::vector<Settled> settled_;
  std::deque<Commit> commits_;
  std::size_t consumed_ = 0;
};

}  // namespace wherry::broker
