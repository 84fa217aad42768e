// Builtins: the tasks that Celery's canvas sends by names of its own, and every worker therefore knows.
//
//   celery.map             {"task": signature, "it": [x, ...]}      the task's results for each x, one after the other
//   celery.starmap         {"task": signature, "it": [[...], ...]}  likewise, each with its arguments
//   celery.accumulate      its arguments as a list, or the one at "index"
//   celery.backend_cleanup nothing: stores of results look after themselves here
//
// The mapped task is one of the registry, run in this attempt with its context: its progress reports are the map's, it
// is retried as a whole. As with Celery only the name counts of its signature. An item that does not fit, or that
// fails, ends it with that reason and the item's number.
//
// Threads: as the registry's functions. Lifetime: the registry outlives it.
#pragma once

#include <map>
#include <string>
#include <string_view>

#include "wherry/registry.h"

namespace wherry::worker {

class Builtins {
 public:
  explicit Builtins(const Registry& registry);

  Registry::EntryRef find(std::string_view name) const;  // Null: none of these.

 private:
  std::map<std::string, Registry::EntryRef, std::less<>> entries_;
};

}  // namespace wherry::worker
