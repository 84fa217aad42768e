// FairTurns: ready positions under keys, and the keys in turn, one position each. Within a key positions leave in their
// order.
//
// A key joins behind all others with its first position and leaves with its last; nothing is kept of it then. So a key
// that comes with one message waits for one message of each other key, however many those have.
// Cost: putting and taking is a hash look-up and a step in a tree of keys. Memory: some 250 bytes a key with anything
// ready, and what ReadyLine says for its positions.
#pragma once

#include <map>
#include <string>
#include <string_view>

#include "broker/queueing/ready_line.h"
#include "broker/routing/string_map.h"

namespace wherry::broker {

class FairTurns {
 public:
  FairTurns() = default;
  FairTurns(const FairTurns&) = delete;
  FairTurns& operator=(const FairTurns&) = delete;

  bool empty() const { return keys_.empty(); }
  std::size_t keys() const { return keys_.size(); }

  // A new position, greater than all before it.
  void push(std::string_view key, Position at);
  // One that was taken, back to its place within its key.
  void push_back_again(std::string_view key, Position at);

  // The first position of the key whose turn it is; no_position when there is none.
  Position next() const { return turn_ == nullptr ? no_position : turn_->line.front(); }
  // Takes it: the next key's turn. Precondition: not empty().
  void take_next();
  // Takes it, and it is still its key's turn while that has any: nobody was given it. Precondition: not empty().
  void drop_next();
  // The oldest position of all keys; no_position when there is none.
  Position oldest() const { return by_front_.empty() ? no_position : by_front_.begin()->first; }
  // Takes it, and leaves the turns as they are. Precondition: not empty().
  void take_oldest();

  // All of them, as runs of neighbours.
  template <class Visit>
  void each_run(Visit&& visit) const {
    for (const auto& [name, key] : keys_) key.line.each_run(visit);
  }

 private:
  struct Key {
    ReadyLine line;  // Not empty.
    std::string_view name;
    Key* before = nullptr;  // In the circle of turns.
    Key* after = nullptr;
  };
  using ByFront = std::map<Position, Key*>;

  Key& find_or_join(std::string_view name);
  // The first position of a key was taken from its line.
  void taken(Key& key, Position front);
  void leave(Key& key);
  void place(Key& key, ByFront::node_type node);

  StringMap<Key> keys_;
  ByFront by_front_;     // Each key under its first position.
  Key* turn_ = nullptr;  // Whose turn it is; null when there is no key.
  // Of the key that left last: queues that are drained as fast as they fill need no new ones.
  StringMap<Key>::node_type spare_key_;
  ByFront::node_type spare_place_;
};

}  // namespace wherry::broker
