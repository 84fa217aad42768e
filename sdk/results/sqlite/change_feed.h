// ChangeFeed: which of the watched results have changed in an SQLite database, whoever changed them.
//
// SQLite tells nobody. But it says very cheaply whether anything was committed since one last looked (data_version), so
// this is asked often, and only then what changed.
// Threads: watch(), unwatch(), any() from any; look() on the database's.
#pragma once

#include <cstdint>
#include <mutex>
#include <optional>
#include <string>
#include <unordered_set>
#include <vector>

#include "sdk/results/sqlite/database.h"
#include "sdk/results/task_row.h"

namespace wherry::results {

class ChangeFeed {
 public:
  void watch(const std::string& task_id);
  void unwatch(const std::string& task_id);
  bool any() const;

  // The rows that changed since last time, or were watched since. Throws Failure; then the next call looks at
  // everything. changed_here: this connection has committed something, which its own data_version does not tell.
  std::vector<TaskRow> look(Database& db, bool changed_here);
  // On another connection: what it has seen before says nothing.
  void start_over();

 private:
  void add_changed(Database& db);

  mutable std::mutex mutex_;
  std::unordered_set<std::string> watched_;
  std::unordered_set<std::string> due_;  // To be looked at; watched or not any more.
  // Of the database's thread:
  std::int64_t version_ = -1;
  std::optional<std::int64_t> seen_;  // The last change that was looked at.
};

}  // namespace wherry::results
