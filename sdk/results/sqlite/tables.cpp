#include "sdk/results/sqlite/tables.h"

#include <limits>
#include <set>

#include <fmt/format.h>

#include "base/iso8601.h"

namespace wherry::results {

namespace {

constexpr const char* celerys_table = R"(
CREATE TABLE IF NOT EXISTS celery_taskmeta (
  id INTEGER NOT NULL PRIMARY KEY AUTOINCREMENT, task_id VARCHAR(155) UNIQUE, status VARCHAR(50), result BLOB,
  date_done DATETIME, traceback TEXT);
)";

constexpr const char* our_tables = R"(
CREATE INDEX IF NOT EXISTS wherry_taskmeta_age ON celery_taskmeta (coalesce(stored_at, date_done));
CREATE INDEX IF NOT EXISTS wherry_taskmeta_status ON celery_taskmeta (status, date_done);
CREATE INDEX IF NOT EXISTS wherry_taskmeta_group ON celery_taskmeta (group_id) WHERE group_id IS NOT NULL;

CREATE TABLE IF NOT EXISTS wherry_changes (seq INTEGER PRIMARY KEY AUTOINCREMENT, task_id TEXT NOT NULL UNIQUE);
CREATE TRIGGER IF NOT EXISTS wherry_inserted AFTER INSERT ON celery_taskmeta BEGIN
  DELETE FROM wherry_changes WHERE task_id = NEW.task_id;
  INSERT INTO wherry_changes (task_id) VALUES (NEW.task_id);
END;
CREATE TRIGGER IF NOT EXISTS wherry_updated AFTER UPDATE ON celery_taskmeta BEGIN
  DELETE FROM wherry_changes WHERE task_id = NEW.task_id;
  INSERT INTO wherry_changes (task_id) VALUES (NEW.task_id);
END;

CREATE TABLE IF NOT EXISTS wherry_groups (
  group_id TEXT NOT NULL PRIMARY KEY, tuple TEXT NOT NULL, stored_at DATETIME NOT NULL);
CREATE INDEX IF NOT EXISTS wherry_groups_age ON wherry_groups (stored_at);

CREATE TABLE IF NOT EXISTS wherry_chords (
  group_id TEXT NOT NULL PRIMARY KEY, size INTEGER, added INTEGER NOT NULL DEFAULT 0,
  returned INTEGER NOT NULL DEFAULT 0, stored_at DATETIME NOT NULL);
CREATE INDEX IF NOT EXISTS wherry_chords_age ON wherry_chords (stored_at);
CREATE TABLE IF NOT EXISTS wherry_chord_parts (
  group_id TEXT NOT NULL, task_id TEXT NOT NULL, place INTEGER NOT NULL, part TEXT NOT NULL,
  PRIMARY KEY (group_id, task_id)) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS wherry_chord_adders (
  group_id TEXT NOT NULL, task_id TEXT NOT NULL, PRIMARY KEY (group_id, task_id)) WITHOUT ROWID;
)";

}  // namespace

void create_tables(Database& db) {
  db.run("BEGIN IMMEDIATE");
  db.run(celerys_table);
  // Celery may have made its table before us.
  std::set<std::string> there;
  for (Query columns(db, "SELECT name FROM pragma_table_info('celery_taskmeta')"); columns.next();) {
    there.emplace(columns.text(0));
  }
  for (const char* column :
       {"result_json TEXT", "children TEXT", "group_id TEXT", "parent_id TEXT", "stored_at DATETIME"}) {
    const std::string name(column, std::string_view(column).find(' '));
    if (!there.contains(name)) db.run(fmt::format("ALTER TABLE celery_taskmeta ADD COLUMN {}", column).c_str());
  }
  db.run(our_tables);
  db.run("COMMIT");
}

// --- results ---------------------------------------------------------------------------------------------------------

void store_row(Database& db, const TaskRow& row, WallTime now) {
  Query query(db, R"(
INSERT INTO celery_taskmeta
  (task_id, status, result, date_done, traceback, result_json, children, group_id, parent_id, stored_at)
VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)
ON CONFLICT (task_id) DO UPDATE SET
  status = excluded.status, result = excluded.result, date_done = excluded.date_done, traceback = excluded.traceback,
  result_json = excluded.result_json, children = excluded.children, group_id = excluded.group_id,
  parent_id = excluded.parent_id, stored_at = excluded.stored_at
WHERE celery_taskmeta.status IS NOT 'SUCCESS')");
  query.bind(row.task_id).bind(row.status).bind_blob(row.result);
  query.bind_or_null(row.date_done ? sql_time(*row.date_done) : std::string());
  query.bind_or_null(row.traceback).bind(row.result_json).bind_or_null(row.children);
  query.bind_or_null(row.group_id).bind_or_null(row.parent_id).bind(sql_time(now)).run();
}

std::optional<TaskRow> find_row(Database& db, const std::string& task_id) {
  Query query(db, R"(
SELECT status, result, date_done, traceback, children, group_id, parent_id FROM celery_taskmeta WHERE task_id = ?)");
  if (!query.bind(task_id).next()) return std::nullopt;
  TaskRow row;
  row.task_id = task_id;
  row.status = query.text(0);
  row.result = query.text(1);
  if (!query.is_null(2)) {
    if (auto time = parse_iso8601(query.text(2))) row.date_done = *time;
  }
  row.traceback = query.text(3);
  row.children = query.text(4);
  row.group_id = query.text(5);
  row.parent_id = query.text(6);
  return row;
}

void forget_row(Database& db, const std::string& task_id) {
  Query(db, "DELETE FROM celery_taskmeta WHERE task_id = ?").bind(task_id).run();
}

// --- groups ----------------------------------------------------------------------------------------------------------

void save_group_row(Database& db, const std::string& group_id, const std::string& tuple, WallTime now) {
  Query(db, "INSERT OR REPLACE INTO wherry_groups (group_id, tuple, stored_at) VALUES (?, ?, ?)")
      .bind(group_id)
      .bind(tuple)
      .bind(sql_time(now))
      .run();
}

std::optional<std::string> find_group_row(Database& db, const std::string& group_id) {
  Query query(db, "SELECT tuple FROM wherry_groups WHERE group_id = ?");
  if (!query.bind(group_id).next()) return std::nullopt;
  return std::string(query.text(0));
}

void forget_group_row(Database& db, const std::string& group_id) {
  Query(db, "DELETE FROM wherry_groups WHERE group_id = ?").bind(group_id).run();
}

// --- chords ----------------------------------------------------------------------------------------------------------

void set_chord_size_row(Database& db, const std::string& group_id, std::size_t size, WallTime now) {
  Query(db, R"(
INSERT INTO wherry_chords (group_id, size, stored_at) VALUES (?, ?, ?)
ON CONFLICT (group_id) DO UPDATE SET size = excluded.size, stored_at = excluded.stored_at)")
      .bind(group_id)
      .bind(static_cast<std::int64_t>(size))
      .bind(sql_time(now))
      .run();
}

void add_to_chord_row(Database& db, const std::string& group_id, const std::string& by, std::size_t count,
                      WallTime now) {
  Query(db, "INSERT OR IGNORE INTO wherry_chord_adders (group_id, task_id) VALUES (?, ?)")
      .bind(group_id)
      .bind(by)
      .run();
  const std::int64_t added = db.changes() > 0 ? static_cast<std::int64_t>(count) : 0;
  Query(db, R"(
INSERT INTO wherry_chords (group_id, added, stored_at) VALUES (?, ?, ?)
ON CONFLICT (group_id) DO UPDATE SET added = added + excluded.added, stored_at = excluded.stored_at)")
      .bind(group_id)
      .bind(added)
      .bind(sql_time(now))
      .run();
}

ChordRows return_part_row(Database& db, const std::string& group_id, std::optional<std::int64_t> index,
                          const std::string& task_id, const std::string& part, WallTime now) {
  // A task counts once, whatever it returns the second time.
  Query(db, "INSERT OR IGNORE INTO wherry_chord_parts (group_id, task_id, place, part) VALUES (?, ?, ?, ?)")
      .bind(group_id)
      .bind(task_id)
      .bind(index.value_or(std::numeric_limits<std::int64_t>::max()))
      .bind(part)
      .run();
  const int counted = db.changes();
  Query(db, R"(
INSERT INTO wherry_chords (group_id, returned, stored_at) VALUES (?, ?, ?)
ON CONFLICT (group_id) DO UPDATE SET returned = returned + excluded.returned, stored_at = excluded.stored_at)")
      .bind(group_id)
      .bind(counted)
      .bind(sql_time(now))
      .run();
  ChordRows rows;
  {
    Query query(db, "SELECT returned, size + added FROM wherry_chords WHERE group_id = ?");
    if (!query.bind(group_id).next()) return rows;
    rows.returned = static_cast<std::size_t>(query.integer(0));
    if (!query.is_null(1)) rows.size = static_cast<std::size_t>(query.integer(1));
  }
  if (!rows.size || rows.returned < *rows.size) return rows;
  Query parts(db, "SELECT part FROM wherry_chord_parts WHERE group_id = ? ORDER BY place, task_id");
  for (parts.bind(group_id); parts.next();) rows.parts.emplace_back(parts.text(0));
  return rows;
}

void forget_chord_row(Database& db, const std::string& group_id) {
  Query(db, "DELETE FROM wherry_chord_parts WHERE group_id = ?").bind(group_id).run();
  Query(db, "DELETE FROM wherry_chord_adders WHERE group_id = ?").bind(group_id).run();
  Query(db, "DELETE FROM wherry_chords WHERE group_id = ?").bind(group_id).run();
}

// --- expiry ----------------------------------------------------------------------------------------------------------

void drop_expired(Database& db, WallTime before) {
  const std::string time = sql_time(before);
  Query(db, "DELETE FROM celery_taskmeta WHERE coalesce(stored_at, date_done) < ?").bind(time).run();
  Query(db, "DELETE FROM wherry_groups WHERE stored_at < ?").bind(time).run();
  for (const char* query : {
           "DELETE FROM wherry_chord_parts WHERE group_id IN (SELECT group_id FROM wherry_chords WHERE stored_at < ?)",
           "DELETE FROM wherry_chord_adders WHERE group_id IN (SELECT group_id FROM wherry_chords WHERE stored_at < ?)",
       }) {
    Query(db, query).bind(time).run();
  }
  Query(db, "DELETE FROM wherry_chords WHERE stored_at < ?").bind(time).run();
  Query(db, "DELETE FROM wherry_changes WHERE seq <= (SELECT max(seq) FROM wherry_changes) - ?")
      .bind(changes_kept)
      .run();
}

}  // namespace wherry::results
