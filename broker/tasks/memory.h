// Memory: the tasks and workers of one virtual host that events have told of.
//
//   Memory memory({.tasks = 10'000, .bytes = 64 << 20});
//   memory.hear(event);
//   for (const Life* life : memory.newest({.state = State::failure}, 100)) ...
//
// Limits: so many tasks and so many bytes of them. What is above is forgotten: first tasks that are at an end, the one
// first that was not heard of for longest, then the others in the same order. An event of a forgotten task begins it
// anew.
// Threads: one at a time. Lifetime: pointers are good until the next hear().
#pragma once

#include <array>
#include <cstdint>
#include <list>
#include <map>
#include <set>
#include <string>
#include <string_view>
#include <unordered_map>
#include <utility>
#include <vector>

#include "broker/tasks/life.h"
#include "broker/tasks/roster.h"
#include "broker/tasks/tally.h"

namespace wherry::broker::tasks {

struct Bounds {
  std::size_t tasks = 10'000;
  std::size_t bytes = std::size_t{64} << 20;
};

// All that is set must fit.
struct Filter {
  std::vector<State> states = {};  // One of them.
  std::string name = {};           // A pattern: base/glob.h.
  std::string worker = {}, queue = {}, root = {};

  bool matches(const Life& life) const;
};

class Memory {
 public:
  explicit Memory(Bounds bounds) : bounds_(bounds) {}

  void hear(const Event& event);

  const Life* find(std::string_view id) const;
  // The one first that was heard of last; at most so many.
  std::vector<const Life*> newest(const Filter& filter, std::size_t most) const;
  // Tasks that the one with this id has begun, in the order of their ids.
  std::vector<const Life*> children(std::string_view id, std::size_t most) const;

  const Roster& roster() const { return roster_; }
  const Tally& tally() const { return tally_; }
  const Bounds& bounds() const { return bounds_; }
  std::size_t size() const { return tasks_.size(); }
  std::size_t bytes() const { return bytes_; }
  std::uint64_t events() const { return events_; }
  std::uint64_t forgotten() const { return forgotten_; }
  using StateCounts = std::array<std::size_t, states>;  // By State.
  StateCounts by_state() const;
  std::map<std::string_view, StateCounts> states_by_name() const;  // Names are good as long as the tasks.

 private:
  // In which order tasks are forgotten: the front first.
  struct Entry {
    Life life;
    std::size_t bytes = 0;
    std::uint64_t heard = 0;  // The number of the last event.
    bool ended = false;       // The list it is in.
    std::string parent = {};  // As it stands in children_.
  };
  using Entries = std::list<Entry>;
  void hear_of_task(const Event& event);
  void forget(Entries& list);

  const Bounds bounds_;
  Entries open_ = {}, ended_ = {};
  std::unordered_map<std::string_view, Entries::iterator> tasks_ = {};  // Keys are the lives' own ids.
  std::set<std::pair<std::string, std::string>> children_ = {};         // Parent and child.
  std::size_t bytes_ = 0;
  std::uint64_t events_ = 0;
  std::uint64_t forgotten_ = 0;
  Roster roster_ = {};
  Tally tally_ = {};
};

}  // namespace wherry::broker::tasks
