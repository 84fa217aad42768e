// The tables of results in PostgreSQL, and what is done with them: as in SQLite (sqlite/tables.h), but results are
// jsonb, and a trigger on celery_taskmeta notifies the channel wherry_results with the id of each task that changed,
// also for Python.
//
// Each operation is one command, so that a transaction of many is a few round trips each.
// Threads: the database's. Errors: Failure is thrown.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "sdk/results/postgres/connection.h"
#include "sdk/results/task_row.h"

namespace wherry::results {

void create_tables(PgConnection& db);

void store_row(PgConnection& db, const TaskRow& row, WallTime now);
std::optional<TaskRow> find_row(PgConnection& db, const std::string& task_id);
void forget_row(PgConnection& db, const std::string& task_id);

void save_group_row(PgConnection& db, const std::string& group_id, const std::string& tuple, WallTime now);
std::optional<std::string> find_group_row(PgConnection& db, const std::string& group_id);
void forget_group_row(PgConnection& db, const std::string& group_id);

void set_chord_size_row(PgConnection& db, const std::string& group_id, std::size_t size, WallTime now);
void add_to_chord_row(PgConnection& db, const std::string& group_id, const std::string& by, std::size_t count,
                      WallTime now);
ChordRows return_part_row(PgConnection& db, const std::string& group_id, std::optional<std::int64_t> index,
                          const std::string& task_id, const std::string& part, WallTime now);
void forget_chord_row(PgConnection& db, const std::string& group_id);

void drop_expired(PgConnection& db, WallTime before);

}  // namespace wherry::results
