// The tables of a database of results in SQLite, and what is done with them. Celery's celery_taskmeta as its SQLAlchemy
// makes it, with columns and indexes of ours (task_row.h), and tables of our own:
//
//   wherry_groups       saved groups, their tuple in JSON: Celery's own table holds a pickled object of Python's
//   wherry_chords       how many parts a chord has, had added, and got back
//   wherry_chord_parts  the parts, [1, task_id, status, result] in JSON
//   wherry_chord_adders which of them have added others
//   wherry_changes      which rows of celery_taskmeta changed, in order; kept by a trigger, so also for Python's
//   changes
//
// Threads: the database's. Errors: Failure is thrown. Nothing here begins or ends a transaction.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "sdk/results/backend.h"
#include "sdk/results/sqlite/database.h"
#include "sdk/results/task_row.h"

namespace wherry::results {

// How far back changes are told one by one; who has seen less looks at everything.
constexpr std::int64_t changes_kept = 100'000;

void create_tables(Database& db);

void store_row(Database& db, const TaskRow& row, WallTime now);
std::optional<TaskRow> find_row(Database& db, const std::string& task_id);
void forget_row(Database& db, const std::string& task_id);

void save_group_row(Database& db, const std::string& group_id, const std::string& tuple, WallTime now);
std::optional<std::string> find_group_row(Database& db, const std::string& group_id);
void forget_group_row(Database& db, const std::string& group_id);

void set_chord_size_row(Database& db, const std::string& group_id, std::size_t size, WallTime now);
void add_to_chord_row(Database& db, const std::string& group_id, const std::string& by, std::size_t count,
                      WallTime now);
ChordRows return_part_row(Database& db, const std::string& group_id, std::optional<std::int64_t> index,
                          const std::string& task_id, const std::string& part, WallTime now);
void forget_chord_row(Database& db, const std::string& group_id);

void drop_expired(Database& db, WallTime before);

}  // namespace wherry::results
