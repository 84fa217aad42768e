#include "broker/queueing/fair_turns.h"

#include <utility>

#include "base/assert.h"

namespace wherry::broker {

FairTurns::Key& FairTurns::find_or_join(std::string_view name) {
  if (auto found = keys_.find(name); found != keys_.end()) return found->second;
  StringMap<Key>::iterator at;
  if (spare_key_) {
    spare_key_.key().assign(name);
    at = keys_.insert(std::move(spare_key_)).position;
  } else {
    at = keys_.try_emplace(std::string(name)).first;
  }
  Key& key = at->second;
  key.name = at->first;
  if (turn_ == nullptr) {
    turn_ = key.before = key.after = &key;
  } else {
    key.after = turn_;
    key.before = turn_->before;
    key.before->after = key.after->before = &key;
  }
  return key;
}

void FairTurns::place(Key& key, ByFront::node_type node) {
  if (!node) {
    by_front_.emplace(key.line.front(), &key);
    return;
  }
  node.key() = key.line.front();
  node.mapped() = &key;
  by_front_.insert(std::move(node));
}

void FairTurns::push(std::string_view name, Position at) {
  Key& key = find_or_join(name);
  const bool joined = key.line.empty();
  key.line.push_run(at, at + 1);
  if (joined) place(key, std::exchange(spare_place_, {}));
}

void FairTurns::push_back_again(std::string_view name, Position at) {
  Key& key = find_or_join(name);
  const Position front = key.line.front();
  key.line.push_back_again(at);
  if (front == no_position) {
    place(key, std::exchange(spare_place_, {}));
  } else if (at < front) {
    place(key, by_front_.extract(front));
  }
}

void FairTurns::take_next() {
  WHERRY_ASSERT(turn_ != nullptr);
  Key& key = *std::exchange(turn_, turn_->after);
  const Position front = key.line.front();
  key.line.pop();
  taken(key, front);
}

void FairTurns::drop_next() {
  WHERRY_ASSERT(turn_ != nullptr);
  Key& key = *turn_;
  const Position front = key.line.front();
  key.line.pop();
  taken(key, front);
}

void FairTurns::take_oldest() {
  WHERRY_ASSERT(!by_front_.empty());
  const auto [front, key] = *by_front_.begin();
  key->line.pop();
  taken(*key, front);
}

void FairTurns::taken(Key& key, Position front) {
  auto node = by_front_.extract(front);
  if (!key.line.empty()) return place(key, std::move(node));
  spare_place_ = std::move(node);
  leave(key);
}

void FairTurns::leave(Key& key) {
  key.before->after = key.after;
  key.after->before = key.before;
  if (turn_ == &key) turn_ = key.after == &key ? nullptr : key.after;
  spare_key_ = keys_.extract(keys_.find(key.name));
  spare_key_.mapped() = Key{};
  // A hundred thousand keys leave a large table behind.
  if (keys_.empty() && keys_.bucket_count() > 1024) keys_.rehash(0);
}

}  // namespace wherry::broker
