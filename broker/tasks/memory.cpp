#include "broker/tasks/memory.h"

#include <algorithm>

#include "base/glob.h"

namespace wherry::broker::tasks {

bool Filter::matches(const Life& life) const {
  if (!states.empty() && std::find(states.begin(), states.end(), life.state()) == states.end()) return false;
  if (!name.empty() && !glob_match(name, life.name())) return false;
  if (!worker.empty() && worker != life.worker()) return false;
  if (!queue.empty() && queue != life.queue()) return false;
  return root.empty() || root == life.root_id() || root == life.id();
}

void Memory::hear(const Event& event) {
  ++events_;
  roster_.add(event);
  if (is_of_task(event.kind)) hear_of_task(event);
}

void Memory::hear_of_task(const Event& event) {
  auto found = tasks_.find(event.id);
  if (found == tasks_.end()) {
    open_.push_back({.life = Life(event.id)});
    found = tasks_.emplace(open_.back().life.id(), std::prev(open_.end())).first;
  }
  Entry& entry = *found->second;
  entry.life.apply(event);
  entry.heard = events_;
  tally_.add(entry.life.name(), event);

  const std::size_t now = entry.life.footprint();
  bytes_ += now - entry.bytes;
  entry.bytes = now;
  if (const std::string& parent = entry.life.parent_id(); parent != entry.parent) {
    if (!entry.parent.empty()) children_.erase({entry.parent, entry.life.id()});
    children_.emplace(parent, entry.life.id());
    entry.parent = parent;
  }
  Entries& from = entry.ended ? ended_ : open_;
  entry.ended = is_end(entry.life.state());
  Entries& to = entry.ended ? ended_ : open_;
  to.splice(to.end(), from, found->second);
  while (tasks_.size() > bounds_.tasks || bytes_ > bounds_.bytes) forget(ended_.empty() ? open_ : ended_);
}

void Memory::forget(Entries& list) {
  const Entry& entry = list.front();
  bytes_ -= entry.bytes;
  if (!entry.parent.empty()) children_.erase({entry.parent, entry.life.id()});
  tasks_.erase(entry.life.id());
  list.pop_front();
  ++forgotten_;
}

const Life* Memory::find(std::string_view id) const {
  const auto found = tasks_.find(id);
  return found == tasks_.end() ? nullptr : &found->second->life;
}

std::vector<const Life*> Memory::newest(const Filter& filter, std::size_t most) const {
  std::vector<const Life*> found;
  auto open = open_.rbegin(), ended = ended_.rbegin();
  while (found.size() < most && (open != open_.rend() || ended != ended_.rend())) {
    const bool from_open = ended == ended_.rend() || (open != open_.rend() && open->heard > ended->heard);
    const Life& life = from_open ? (open++)->life : (ended++)->life;
    if (filter.matches(life)) found.push_back(&life);
  }
  return found;
}

std::vector<const Life*> Memory::children(std::string_view id, std::size_t most) const {
  std::vector<const Life*> found;
  for (auto each = children_.lower_bound({std::string(id), ""}); each != children_.end() && each->first == id; ++each) {
    if (found.size() == most) break;
    if (const Life* life = find(each->second)) found.push_back(life);
  }
  return found;
}

std::map<std::string_view, Memory::StateCounts> Memory::states_by_name() const {
  std::map<std::string_view, StateCounts> counts;
  for (const Entries* list : {&open_, &ended_}) {
    for (const Entry& each : *list) ++counts[each.life.name()][static_cast<std::size_t>(each.life.state())];
  }
  return counts;
}

Memory::StateCounts Memory::by_state() const {
  StateCounts counts{};
  for (const Entries* list : {&open_, &ended_}) {
    for (const Entry& each : *list) ++counts[static_cast<std::size_t>(each.life.state())];
  }
  return counts;
}

}  // namespace wherry::broker::tasks
