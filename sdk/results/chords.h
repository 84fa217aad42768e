// What the store must know of chords before their parts are sent, told as one.
//
// Threads: the backend's. Lifetime: done is called once, as ResultBackend's.
#pragma once

#include <cstddef>
#include <optional>
#include <string>
#include <vector>

#include "protocol/task/plan.h"
#include "sdk/results/backend.h"

namespace wherry::results {

// Parts that a task adds to the chord that it is a part of.
struct AddedParts {
  std::string group_id;
  std::string by;
  std::size_t count = 0;
};

// How many parts each of them has, and how their results are put together where that is to be known; and what is added
// to one. done hears a failure if there was any. Nothing to tell: done is called at once.
void announce_chords(ResultBackend& backend, const std::vector<task::ChordSize>& chords,
                     const std::optional<AddedParts>& added, Monotonic deadline, Done<> done);

// A chord's results as its body takes them: in the order in which they returned, or by the tuple that was saved. What
// the tuple does not know (parts that were added) stands behind. Errors: a tuple that is none, or asks for more.
Result<task::Value::Array> arranged(std::vector<task::ResultMeta> parts, const std::optional<task::Value>& tuple);

}  // namespace wherry::results
