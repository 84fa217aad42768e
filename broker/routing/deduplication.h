// Deduplication: the keys that a queue or an exchange knows, so that a message published twice is accepted once.
//
//   if (const auto key = deduplication_key(message->properties())) {
//     if (known.find(*key, now_ms)) ...      // a duplicate
//     else known.remember({.key = *key, .since_ms = now_ms});
//
// Two rules. A window knows a key for a time and as long as not so many others came since. Without one a key is known
// while its message is in the queue. Pure: what survives the process is the owner's business (encode(), replay()).
// Memory: about 170 bytes and the key for each, 60 more without a window; a key has at most 255 bytes, longer ones are
// no keys. Threads: one at a time.
#pragma once

#include <cstdint>
#include <functional>
#include <list>
#include <mutex>
#include <optional>
#include <string>
#include <string_view>
#include <unordered_map>

#include "protocol/amqp/table.h"

namespace wherry::broker {

struct DeduplicationRule {
  bool window = false;
  std::uint64_t window_ms = 0;  // 0: for ever.
  std::uint64_t most_keys = 10'000;
  friend bool operator==(const DeduplicationRule&, const DeduplicationRule&) = default;
};
// What x-dedup-window, x-dedup-count and x-message-deduplication say; nothing where no message is looked at.
std::optional<DeduplicationRule> deduplication_rule(const amqp::Table& arguments);

// The header x-deduplication-header, a text or an integer. A retry of a task (the header retries, Celery's) is another
// message than the attempt before, and a dead letter that comes back (x-death) is nobody's duplicate. Cheap for
// messages without the header.
std::optional<std::string> deduplication_key(std::string_view raw_properties);

class Deduplication {
 public:
  struct Known {
    std::string key = {};
    std::uint64_t at = 0;        // Position of its message in the queue, where there is no window; 0 while it is held.
    std::uint64_t since_ms = 0;  // POSIX.
    std::uint64_t durable_at = 0;  // The store's record that the confirm of a duplicate waits for.
    std::uint64_t noted = 0;       // The one that a restart knows it by; 0: none.
  };

  explicit Deduplication(DeduplicationRule rule) : rule_(rule) {}
  const DeduplicationRule& rule() const { return rule_; }
  // Another kind of rule begins with nothing known.
  void set_rule(DeduplicationRule rule, std::uint64_t now_ms);

  // Null: not known (any more).
  const Known* find(std::string_view key, std::uint64_t now_ms);
  // Replaces what was known of the key. The oldest make room.
  void remember(Known known);
  // Nothing when it was not known.
  std::optional<Known> forget(std::string_view key);
  // Its message has left the queue.
  void left(std::uint64_t at);
  // Forgets those whose messages are not in the queue; each hears of the ones that go.
  void retain(const std::function<bool(std::uint64_t at)>& in_queue, const std::function<void(const Known&)>& each);
  std::size_t size() const { return order_.size(); }

  // --- what a restart is told: entries of bytes, one behind the other ---
  static void encode(std::string& into, const Known& known);
  // That the key is not known any more.
  static void encode_forgotten(std::string& into, std::string_view key);
  // What encode() made, in order; then replayed(). False, and the rest is passed over, when it is not whole.
  bool replay(std::uint64_t noted, std::string_view entries);
  void replayed(std::uint64_t now_ms);
  // Calls `note` with those whose record is not behind the lsn, in portions; it returns the record they have now.
  // Whether any record is needed.
  bool renew(std::uint64_t up_to, const std::function<std::uint64_t(std::string_view entries)>& note);

 private:
  using Order = std::list<Known>;  // Oldest first.
  void place(Known known);
  void erase(Order::iterator known);
  void trim(std::uint64_t now_ms);

  DeduplicationRule rule_;
  Order order_;
  std::unordered_map<std::string_view, Order::iterator> by_key_;
  std::unordered_map<std::uint64_t, Order::iterator> by_position_;  // Without a window.
};

// The keys of an exchange, which every shard publishes to: a window. Threads: any.
class SharedDeduplication {
 public:
  explicit SharedDeduplication(DeduplicationRule rule);
  // False: a duplicate, which is counted. Else the key is known from now on.
  bool begin(const std::string& key, std::uint64_t now_ms);
  // The message did not get anywhere.
  void undo(const std::string& key);
  std::uint64_t duplicates() const;

 private:
  mutable std::mutex mutex_;
  Deduplication known_;
  std::uint64_t duplicates_ = 0;
};

}  // namespace wherry::broker
