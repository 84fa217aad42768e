// Agenda: what the active scheduler does next. Knows the entries and how far each was seen to; says which ticks are to
// be enqueued now, hears what came of them, and gives the state that is to be kept. Pure: the time comes in.
//
//   agenda.learn(state_from_the_broker);
//   agenda.begin(now);                            // What is new begins now.
//   for (auto& tick : agenda.take(now)) ...;      // To be enqueued; one of an entry at a time.
//   agenda.enqueued(tick); agenda.failed(tick, again_at);
//   if (agenda.changed()) write(agenda.state(now));
//
// Order: an entry's ticks come one after the other, the next when the one before was enqueued; entries do not wait for
// each other. Threads: one at a time. Lifetime: the entries outlive it.
#pragma once

#include <cstddef>
#include <optional>
#include <string>
#include <vector>

#include "base/clock.h"
#include "worker/schedule/settings.h"
#include "worker/schedule/state.h"

namespace wherry::schedule {

class Agenda {
 public:
  explicit Agenda(const std::vector<Entry>& entries);

  struct Tick {
    std::size_t entry = 0;  // Its place among the entries.
    WallTime at = {};
  };
  // What a state from the broker knows. Once active, this scheduler's own times are the ones that count.
  void learn(const State& state);
  // This scheduler is the active one from now on, until end(). Nothing is under way.
  void begin(WallTime now);
  void end() { active_ = false; }
  // The entries are others now; what is known of those that stay is kept. Nothing is under way.
  void entries_changed(WallTime now);
  // What is due and not under way.
  std::vector<Tick> take(WallTime now);
  // Since the last call: what was missed and left out, one sentence each.
  std::vector<std::string> take_notes();
  void enqueued(const Tick& tick);
  // To be taken again from then on, if it is not too late for it by then.
  void failed(const Tick& tick, WallTime again_at);
  bool idle() const { return under_way_ == 0; }
  // When take() may have something new, what is under way left aside; none: never.
  std::optional<WallTime> next() const;

  // Something happened since the last state() that is to be kept.
  bool changed() const { return changed_; }
  // What is under way counts as seen to when claimed: for brokers that do not look for duplicates.
  enum class UnderWay { open, claimed };
  State state(WallTime now, UnderWay under_way = UnderWay::open);
  // What it knows, from before perhaps.
  const State& known() const { return state_; }

 private:
  struct Item {
    std::optional<WallTime> next = {};  // The first tick that was not seen to.
    WallTime again_at = {};
    bool under_way = false;
    WallTime taken = {};  // The tick that is under way.
  };
  WallTime& until(std::size_t entry);
  void see_to(std::size_t entry, WallTime until);

  const std::vector<Entry>& entries_;
  std::vector<Item> items_;
  State state_;
  std::vector<std::string> notes_;
  std::size_t under_way_ = 0;
  bool active_ = false;
  bool changed_ = false;
};

}  // namespace wherry::schedule
