#include "sdk/results/sqlite/change_feed.h"

#include <utility>

#include "sdk/results/sqlite/tables.h"

namespace wherry::results {

void ChangeFeed::watch(const std::string& task_id) {
  std::lock_guard lock(mutex_);
  watched_.insert(task_id);
  due_.insert(task_id);
}

void ChangeFeed::unwatch(const std::string& task_id) {
  std::lock_guard lock(mutex_);
  watched_.erase(task_id);
}

bool ChangeFeed::any() const {
  std::lock_guard lock(mutex_);
  return !watched_.empty();
}

void ChangeFeed::start_over() {
  std::lock_guard lock(mutex_);
  due_ = watched_;
  seen_.reset();
  version_ = -1;
}

void ChangeFeed::add_changed(Database& db) {
  Query newest(db, "SELECT max(seq) FROM wherry_changes");
  const std::int64_t last = newest.next() ? newest.integer(0) : 0;
  const bool trimmed = seen_ && last - *seen_ > changes_kept;
  std::vector<std::string> changed;
  if (seen_ && !trimmed) {
    Query query(db, "SELECT task_id FROM wherry_changes WHERE seq > ?");
    for (query.bind(*seen_); query.next();) changed.emplace_back(query.text(0));
  }
  seen_ = last;
  std::lock_guard lock(mutex_);
  if (trimmed) due_ = watched_;
  for (const std::string& id : changed) {
    if (watched_.contains(id)) due_.insert(id);
  }
}

std::vector<TaskRow> ChangeFeed::look(Database& db, bool changed_here) {
  std::vector<TaskRow> rows;
  try {
    std::int64_t version = 0;
    if (Query query(db, "PRAGMA data_version"); query.next()) version = query.integer(0);
    // Before the rows are read: what changes meanwhile is seen next time.
    if (changed_here || version != version_ || !seen_) add_changed(db);
    version_ = version;
    std::unordered_set<std::string> due;
    {
      std::lock_guard lock(mutex_);
      due.swap(due_);
    }
    for (const std::string& id : due) {
      if (auto row = find_row(db, id)) rows.push_back(*std::move(row));
    }
  } catch (const Failure&) {
    start_over();
    throw;
  }
  return rows;
}

}  // namespace wherry::results
