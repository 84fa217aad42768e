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
  std::uint64_t joined = 0;  // When, counted in consumers; from 1.
  std::list<ConsumerRecord>::iterator self{};

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
  ConsumerRecord* next() {
    if (single_active_) return active_ && active_->available ? active_ : nullptr;
    for (Group& group : groups_) {
      if (!group.available.empty()) return &group.available.front();
    }
    return nullptr;
  }
  // It took a message: the next one's turn. Call after its fields changed.
  void took(ConsumerRecord& record) {
    // Alone with room, its turn is the next one too.
    if (records_.size() > 1 || !record.has_room()) pass_on(record);
  }
  // Its room may have changed (settled, parked, resumed, another prefetch).
  void update(ConsumerRecord& record) {
    if (record.has_room() != record.available) move(record);
  }

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
  void pass_on(ConsumerRecord& record);
  void move(ConsumerRecord& record);  // Between those with room and those without.
  void choose_active();

  bool single_active_;
  ConsumerRecord* active_ = nullptr;
  std::size_t exclusive_ = 0;
  std::uint64_t next_join_ = 1;
  std::vector<Group> groups_;  // The highest priority first; none empty.
  std::unordered_map<const Consumer*, List::iterator> records_;
  ConsumerRecord* last_found_ = nullptr;  // Acks come in runs.
};

}  // namespace wherry::broker
