// What a schedule says: config/schedule.yaml, with its variables, over the defaults that stand here. Every key has its
// page in docs/schedules.md and docs/configuration.md.
//
// Threads: plain functions and data.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "base/result.h"
#include "base/yaml.h"
#include "wherry/options.h"
#include "wherry/task.h"
#include "worker/schedule/catch_up.h"
#include "worker/schedule/timetable.h"

namespace wherry::schedule {

constexpr std::size_t most_entries = 1'000;  // The state is one message, written again after each tick.

struct Entry {
  std::string name = {};
  Timetable timetable;
  std::string task = {};
  Args args = {};
  Kwargs kwargs = {};
  EnqueueOptions options = {};  // Without ids and deduplication, which are the tick's.
  CatchUp catch_up = {};
  std::string place = {};  // Where its queue or exchange stands, "FILE:LINE:COLUMN"; empty without.
};

struct Settings {
  std::string name = "wherry.schedule";  // Of the queue and the exchange at the broker: one schedule is one name.
  std::vector<Entry> entries = {};       // In the order of the file; those that are switched off are left out.
};

// Reads what the document holds; mistakes stay in the document.
Settings read_schedule(yaml::Document& document);

// Errors: every mistake, one a line, "FILE:LINE:COLUMN: text".
Result<Settings> load_schedule(const std::string& path, Environment environment = process_environment());

}  // namespace wherry::schedule
