// State: how far a schedule has been seen to; what the scheduler that is active keeps at the broker.
//
// As JSON:  {"version": 1, "entries": {"invoices": {"timetable": "cron 30 6 * * mon-fri Europe/Berlin",
//            "until": "2026-11-30T05:30:00+00:00", "seen": "2026-11-30T05:30:02+00:00"}}}
//
// Several states of one schedule may be about (the old and the new one of a scheduler that was killed between the two):
// merge() makes one of them, in any order.
// Threads: plain data.
#pragma once

#include <map>
#include <string>
#include <string_view>

#include "base/clock.h"
#include "base/result.h"

namespace wherry::schedule {

struct EntryState {
  std::string timetable = {};  // Timetable::text(): other times begin anew.
  WallTime until = {};         // What was due up to then was seen to.
  WallTime seen = {};          // A scheduler had the entry then.
  friend bool operator==(const EntryState&, const EntryState&) = default;
};
using State = std::map<std::string, EntryState>;

// The later one wins: of equal timetables the one that got further, of different ones that which was seen last.
void merge(State& into, const State& other);
// Drops what no scheduler has had since then.
void forget(State& state, WallTime not_seen_since);

std::string encode_state(const State& state);
// Errors: what cannot be read, one sentence.
Result<State> decode_state(std::string_view body);

}  // namespace wherry::schedule
