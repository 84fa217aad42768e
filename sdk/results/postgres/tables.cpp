#include "sdk/results/postgres/tables.h"

#include <limits>

#include "base/iso8601.h"

namespace wherry::results {

namespace {

// One at a time, whoever else begins at this moment: "if not exists" is no protection against that. Celery's table and
// its sequence are as Celery's SQLAlchemy makes them. Times are UTC without a zone, as Celery has them.
constexpr const char* tables = R"(
BEGIN;
SET LOCAL client_min_messages = error;
SELECT pg_advisory_xact_lock(7310868735);

CREATE SEQUENCE IF NOT EXISTS task_id_sequence;
CREATE TABLE IF NOT EXISTS celery_taskmeta (
  id INTEGER NOT NULL PRIMARY KEY, task_id VARCHAR(155) UNIQUE, status VARCHAR(50), result BYTEA,
  date_done TIMESTAMP WITHOUT TIME ZONE, traceback TEXT);
ALTER TABLE celery_taskmeta ADD COLUMN IF NOT EXISTS result_json JSONB;
ALTER TABLE celery_taskmeta ADD COLUMN IF NOT EXISTS children JSONB;
ALTER TABLE celery_taskmeta ADD COLUMN IF NOT EXISTS group_id TEXT;
ALTER TABLE celery_taskmeta ADD COLUMN IF NOT EXISTS parent_id TEXT;
ALTER TABLE celery_taskmeta ADD COLUMN IF NOT EXISTS stored_at TIMESTAMP WITHOUT TIME ZONE;
CREATE INDEX IF NOT EXISTS wherry_taskmeta_age ON celery_taskmeta (coalesce(stored_at, date_done));
CREATE INDEX IF NOT EXISTS wherry_taskmeta_status ON celery_taskmeta (status, date_done);
CREATE INDEX IF NOT EXISTS wherry_taskmeta_group ON celery_taskmeta (group_id) WHERE group_id IS NOT NULL;

CREATE OR REPLACE FUNCTION wherry_notify() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  PERFORM pg_notify('wherry_results', NEW.task_id);
  RETURN NULL;
END $$;
CREATE OR REPLACE TRIGGER wherry_changed AFTER INSERT OR UPDATE ON celery_taskmeta
  FOR EACH ROW EXECUTE FUNCTION wherry_notify();

CREATE TABLE IF NOT EXISTS wherry_groups (
  group_id TEXT NOT NULL PRIMARY KEY, tuple TEXT NOT NULL, stored_at TIMESTAMP WITHOUT TIME ZONE NOT NULL);
CREATE INDEX IF NOT EXISTS wherry_groups_age ON wherry_groups (stored_at);
CREATE TABLE IF NOT EXISTS wherry_chords (
  group_id TEXT NOT NULL PRIMARY KEY, size BIGINT, added BIGINT NOT NULL DEFAULT 0, returned BIGINT NOT NULL DEFAULT 0,
  stored_at TIMESTAMP WITHOUT TIME ZONE NOT NULL);
CREATE INDEX IF NOT EXISTS wherry_chords_age ON wherry_chords (stored_at);
CREATE TABLE IF NOT EXISTS wherry_chord_parts (
  group_id TEXT NOT NULL, task_id TEXT NOT NULL, place BIGINT NOT NULL, part TEXT NOT NULL, PRIMARY KEY (group_id, task_id));
CREATE TABLE IF NOT EXISTS wherry_chord_adders (
  group_id TEXT NOT NULL, task_id TEXT NOT NULL, PRIMARY KEY (group_id, task_id));
COMMIT;
)";

// jsonb has no word for the character zero: the pickle alone holds such a result.
std::optional<std::string> json_or_null(const std::string& json) {
  if (json.find("\\u0000") != std::string::npos) return std::nullopt;
  return json;
}

}  // namespace

void create_tables(PgConnection& db) {
  // Made last, in the same transaction as all the others. Asking first spares them a lock at each connection.
  if (!db.query("SELECT to_regclass('wherry_chord_adders')", {}).is_null(0, 0)) return;
  db.run(tables);
}

// --- results ---------------------------------------------------------------------------------------------------------

void store_row(PgConnection& db, const TaskRow& row, WallTime now) {
  db.query(R"(
INSERT INTO celery_taskmeta AS kept
  (id, task_id, status, result, date_done, traceback, result_json, children, group_id, parent_id, stored_at)
VALUES (nextval('task_id_sequence'), $1, $2, $3, $4, $5, $6, $7, $8, $9, $10)
ON CONFLICT (task_id) DO UPDATE SET
  status = excluded.status, result = excluded.result, date_done = excluded.date_done, traceback = excluded.traceback,
  result_json = excluded.result_json, children = excluded.children, group_id = excluded.group_id,
  parent_id = excluded.parent_id, stored_at = excluded.stored_at
WHERE kept.status IS DISTINCT FROM 'SUCCESS')",
           {row.task_id, row.status, to_hex(row.result),
            row.date_done ? std::optional(sql_time(*row.date_done)) : std::nullopt, or_null(row.traceback),
            json_or_null(row.result_json), or_null(row.children), or_null(row.group_id), or_null(row.parent_id),
            sql_time(now)});
}

std::optional<TaskRow> find_row(PgConnection& db, const std::string& task_id) {
  const PgRows rows = db.query(R"(
SELECT status, result, to_char(date_done, 'YYYY-MM-DD HH24:MI:SS.US'), traceback, children, group_id, parent_id
FROM celery_taskmeta WHERE task_id = $1)",
                               {task_id});
  if (rows.count() == 0) return std::nullopt;
  TaskRow row;
  row.task_id = task_id;
  row.status = rows.text(0, 0);
  row.result = rows.bytes(0, 1);
  if (!rows.is_null(0, 2)) {
    if (auto time = parse_iso8601(rows.text(0, 2))) row.date_done = *time;
  }
  row.traceback = rows.text(0, 3);
  row.children = rows.text(0, 4);
  row.group_id = rows.text(0, 5);
  row.parent_id = rows.text(0, 6);
  return row;
}

void forget_row(PgConnection& db, const std::string& task_id) {
  db.query("DELETE FROM celery_taskmeta WHERE task_id = $1", {task_id});
}

// --- groups ----------------------------------------------------------------------------------------------------------

void save_group_row(PgConnection& db, const std::string& group_id, const std::string& tuple, WallTime now) {
  db.query(R"(
INSERT INTO wherry_groups (group_id, tuple, stored_at) VALUES ($1, $2, $3)
ON CONFLICT (group_id) DO UPDATE SET tuple = excluded.tuple, stored_at = excluded.stored_at)",
           {group_id, tuple, sql_time(now)});
}

std::optional<std::string> find_group_row(PgConnection& db, const std::string& group_id) {
  const PgRows rows = db.query("SELECT tuple FROM wherry_groups WHERE group_id = $1", {group_id});
  if (rows.count() == 0) return std::nullopt;
  return std::string(rows.text(0, 0));
}

void forget_group_row(PgConnection& db, const std::string& group_id) {
  db.query("DELETE FROM wherry_groups WHERE group_id = $1", {group_id});
}

// --- chords ----------------------------------------------------------------------------------------------------------

void set_chord_size_row(PgConnection& db, const std::string& group_id, std::size_t size, WallTime now) {
  db.query(R"(
INSERT INTO wherry_chords (group_id, size, stored_at) VALUES ($1, $2, $3)
ON CONFLICT (group_id) DO UPDATE SET size = excluded.size, stored_at = excluded.stored_at)",
           {group_id, std::to_string(size), sql_time(now)});
}

void add_to_chord_row(PgConnection& db, const std::string& group_id, const std::string& by, std::size_t count,
                      WallTime now) {
  db.query(R"(
WITH told AS (INSERT INTO wherry_chord_adders (group_id, task_id) VALUES ($1, $2) ON CONFLICT DO NOTHING RETURNING 1)
INSERT INTO wherry_chords AS kept (group_id, added, stored_at)
VALUES ($1, (SELECT count(*) FROM told) * $3::bigint, $4)
ON CONFLICT (group_id) DO UPDATE SET added = kept.added + excluded.added, stored_at = excluded.stored_at)",
           {group_id, by, std::to_string(count), sql_time(now)});
}

ChordRows return_part_row(PgConnection& db, const std::string& group_id, std::optional<std::int64_t> index,
                          const std::string& task_id, const std::string& part, WallTime now) {
  // A task counts once. The chord's row is held until the transaction ends, so the parts of a chord return one after
  // the other, and the last one sees all.
  const PgRows counts =
      db.query(R"(
WITH counted AS (
  INSERT INTO wherry_chord_parts (group_id, task_id, place, part) VALUES ($1, $2, $3, $4)
  ON CONFLICT (group_id, task_id) DO NOTHING RETURNING 1)
INSERT INTO wherry_chords AS kept (group_id, returned, stored_at)
VALUES ($1, (SELECT count(*) FROM counted), $5)
ON CONFLICT (group_id) DO UPDATE SET returned = kept.returned + excluded.returned, stored_at = excluded.stored_at
RETURNING returned, size + added)",
               {group_id, task_id, std::to_string(index.value_or(std::numeric_limits<std::int64_t>::max())), part,
                sql_time(now)});
  ChordRows rows;
  rows.returned = static_cast<std::size_t>(counts.integer(0, 0));
  if (!counts.is_null(0, 1)) rows.size = static_cast<std::size_t>(counts.integer(0, 1));
  if (!rows.size || rows.returned < *rows.size) return rows;
  const PgRows parts =
      db.query("SELECT part FROM wherry_chord_parts WHERE group_id = $1 ORDER BY place, task_id", {group_id});
  for (std::size_t i = 0; i < parts.count(); ++i) rows.parts.emplace_back(parts.text(i, 0));
  return rows;
}

void forget_chord_row(PgConnection& db, const std::string& group_id) {
  db.query(
      "WITH parts AS (DELETE FROM wherry_chord_parts WHERE group_id = $1), "
      "adders AS (DELETE FROM wherry_chord_adders WHERE group_id = $1) DELETE FROM wherry_chords WHERE group_id = $1",
      {group_id});
}

// --- expiry ----------------------------------------------------------------------------------------------------------

void drop_expired(PgConnection& db, WallTime before) {
  const PgConnection::Parameters time{sql_time(before)};
  db.query("DELETE FROM celery_taskmeta WHERE coalesce(stored_at, date_done) < $1", time);
  db.query("DELETE FROM wherry_groups WHERE stored_at < $1", time);
  db.query(R"(
WITH gone AS (DELETE FROM wherry_chords WHERE stored_at < $1 RETURNING group_id),
  adders AS (DELETE FROM wherry_chord_adders WHERE group_id IN (SELECT group_id FROM gone))
DELETE FROM wherry_chord_parts WHERE group_id IN (SELECT group_id FROM gone))",
           time);
}

}  // namespace wherry::results
