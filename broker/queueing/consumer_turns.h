// ConsumerTurns: whose turn it is. Consumers of the highest priority that have room take turns, one message each.
//
// Asking, delivering, parking and freeing cost the same however many consumers there are.
#pragma once

#include <cstdint>
#include <list>
#include <unordered_map>
#include <vector>

#include "broker/queueing/queue.h"

namespace wherry::broker {

struct ConsumerRecord {
  Consumer* consumer = nullptr;
  ConsumerOptions options;
  std::uint32_t unsettled = 0;
  bool parked = false;  // Refused; not asked until resume().
  bool available = false;
  std::uint64_t joined = 0;

  bool has_room() const { return !parked && (options.no_ack || options.prefetch == 0 || unsettled < options.prefetch); }
};

class ConsumerTurns {
 public:
  // With single_active one consumer is asked until it leaves; then the one of the highest priority that joined first.
  explicit ConsumerTurns(bool single_active) : single_active_(single_active) {}

  ConsumerRecord& add(Consumer& consumer, const ConsumerOptions& options);
  void remove(Consumer& consumer);
  ConsumerRecord* find(const Consumer* consumer);
  std::size_t size() const { return records_.size(); }
  bool any_exclusive() const { return exclusive_ > 0; }
  bool active(const ConsumerRecord& record) const { return !single_active_ || active_ == &record; }

  // Whose turn it is; null when nobody has room.
  ConsumerRecord* next();
  // It took a message: the next one's turn. Call after its fields changed.
  void took(ConsumerRecord& record);
  // Its room may have changed (settled, parked, resumed, another prefetch).
  void update(ConsumerRecord& record);

  template <class Visit>
  void each(Visit&& visit) const {
    for (const Group& group : groups_) {
      for (const auto* list : {&group.available, &group.busy}) {
        for (const ConsumerRecord& record : *list) visit(record);
      }
    }
  }

 private:
  using List = std::list<ConsumerRecord>;
  struct Group {
    std::int32_t priority;
    List available;  // In turn.
    List busy;
  };
  Group& group_of(std::int32_t priority);
  void choose_active();

  bool single_active_;
  ConsumerRecord* active_ = nullptr;
  std::size_t exclusive_ = 0;
  std::uint64_t next_join_ = 0;
  std::vector<Group> groups_;  // The highest priority first; none empty.
  std::unordered_map<const Consumer*, List::iterator> records_;
};

}  // namespace wherry::broker
