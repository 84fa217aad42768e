#include "broker/definitions/sqlite.h"

#include <sqlite3.h>

#include "base/assert.h"

namespace wherry::broker::sqlite {

namespace {

tl::unexpected<SqlError> error_of(sqlite3* db) {
  return tl::unexpected<SqlError>(SqlError{sqlite3_extended_errcode(db), sqlite3_errmsg(db)});
}

void bound(int result) {
  WHERRY_ASSERT(result == SQLITE_OK);
}

}  // namespace

bool SqlError::full() const {
  return (code & 0xff) == SQLITE_FULL;
}
bool SqlError::busy() const {
  return (code & 0xff) == SQLITE_BUSY || (code & 0xff) == SQLITE_LOCKED;
}
bool SqlError::damaged() const {
  return (code & 0xff) == SQLITE_CORRUPT || (code & 0xff) == SQLITE_NOTADB;
}

void Statement::Finalize::operator()(sqlite3_stmt* statement) const {
  sqlite3_finalize(statement);
}

void Statement::bind(int index, std::int64_t value) {
  bound(sqlite3_bind_int64(statement_.get(), index, value));
}
void Statement::bind_text(int index, std::string_view text) {
  // A null pointer would be NULL.
  const char* bytes = text.data() != nullptr ? text.data() : "";
  bound(sqlite3_bind_text64(statement_.get(), index, bytes, text.size(), SQLITE_STATIC, SQLITE_UTF8));
}
void Statement::bind_blob(int index, std::string_view bytes) {
  const char* data = bytes.data() != nullptr ? bytes.data() : "";
  bound(sqlite3_bind_blob64(statement_.get(), index, data, bytes.size(), SQLITE_STATIC));
}

SqlResult<bool> Statement::step() {
  const int result = sqlite3_step(statement_.get());
  if (result == SQLITE_ROW) return true;
  if (result == SQLITE_DONE) return false;
  auto error = error_of(sqlite3_db_handle(statement_.get()));
  reset();
  return error;
}

SqlResult<int> Statement::run() {
  while (true) {
    auto row = step();
    if (!row) return tl::unexpected(row.error());
    if (!*row) break;
  }
  const int changed = sqlite3_changes(sqlite3_db_handle(statement_.get()));
  reset();
  return changed;
}

void Statement::reset() {
  sqlite3_reset(statement_.get());
}

std::int64_t Statement::integer(int column) const {
  return sqlite3_column_int64(statement_.get(), column);
}
std::string_view Statement::text(int column) const {
  const auto* text = reinterpret_cast<const char*>(sqlite3_column_text(statement_.get(), column));
  if (text == nullptr) return {};
  return {text, static_cast<std::size_t>(sqlite3_column_bytes(statement_.get(), column))};
}
std::string_view Statement::blob(int column) const {
  const auto* bytes = static_cast<const char*>(sqlite3_column_blob(statement_.get(), column));
  if (bytes == nullptr) return {};
  return {bytes, static_cast<std::size_t>(sqlite3_column_bytes(statement_.get(), column))};
}

void Database::Close::operator()(sqlite3* db) const {
  sqlite3_close_v2(db);
}

SqlResult<Database> Database::open(const std::string& path, bool create) {
  sqlite3* db = nullptr;
  const int flags = SQLITE_OPEN_READWRITE | SQLITE_OPEN_NOMUTEX | (create ? SQLITE_OPEN_CREATE : 0);
  const int result = sqlite3_open_v2(path.c_str(), &db, flags, nullptr);
  Database opened;
  opened.db_.reset(db);
  if (result != SQLITE_OK)
    return db != nullptr ? error_of(db) : tl::unexpected<SqlError>(SqlError{result, "no memory"});
  return opened;
}

SqlResult<void> Database::run(const char* sql) {
  if (sqlite3_exec(db_.get(), sql, nullptr, nullptr, nullptr) != SQLITE_OK) return error_of(db_.get());
  return {};
}

SqlResult<Statement> Database::prepare(const char* sql) {
  Statement statement;
  sqlite3_stmt* raw = nullptr;
  if (sqlite3_prepare_v3(db_.get(), sql, -1, SQLITE_PREPARE_PERSISTENT, &raw, nullptr) != SQLITE_OK) {
    return error_of(db_.get());
  }
  statement.statement_.reset(raw);
  return statement;
}

SqlResult<std::string> Database::value(const char* sql) {
  auto statement = prepare(sql);
  if (!statement) return tl::unexpected(statement.error());
  auto row = statement->step();
  if (!row) return tl::unexpected(row.error());
  return *row ? std::string(statement->text(0)) : std::string();
}

bool Database::read_only() const {
  return sqlite3_db_readonly(db_.get(), "main") != 0;
}

void Database::leave_log_at_close(bool leave) {
  sqlite3_db_config(db_.get(), SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, leave ? 1 : 0, nullptr);
}

}  // namespace wherry::broker::sqlite
