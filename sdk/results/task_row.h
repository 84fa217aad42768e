// TaskRow: a result as a row of celery_taskmeta, the table of Celery's database backend, with columns of our own behind
// Celery's. Those are for people who query, and for what Celery's table has no place for; Celery leaves them alone.
//
//   task_id, status, result (pickle), date_done (UTC), traceback            Celery's
//   result_json, children (JSON), group_id, parent_id, stored_at            ours
//
// Threads: no state.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "base/clock.h"
#include "base/result.h"
#include "protocol/task/result.h"

namespace wherry::results {

struct TaskRow {
  std::string task_id = {};
  std::string status = {};
  std::string result = {};  // Empty: null.
  std::optional<WallTime> date_done = {};
  std::string traceback = {};    // Empty: null, as all below.
  std::string result_json = {};  // Not read.
  std::string children = {};
  std::string group_id = {};
  std::string parent_id = {};
};

// How far a chord is, as rows.
struct ChordRows {
  std::size_t returned = 0;
  std::optional<std::size_t> size = {};
  std::vector<std::string> parts = {};  // When all have returned, in order; encoding.h has their form.
};

Result<TaskRow> row_of(const task::ResultMeta& meta);
Result<task::ResultMeta> meta_of(const TaskRow& row);

// A DateTime of SQLAlchemy's, as text: "2026-01-31 12:00:00.250000".
std::string sql_time(WallTime time);

}  // namespace wherry::results
