#include "sdk/results/sqlite/database.h"

#include <utility>

#include <fmt/format.h>
#include <sqlite3.h>

namespace wherry::results {

Database::Database(const std::string& path, std::chrono::milliseconds busy_timeout) {
  constexpr int flags = SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE | SQLITE_OPEN_NOMUTEX;
  if (::sqlite3_open_v2(path.c_str(), &handle_, flags, nullptr) != SQLITE_OK) {
    const std::string why = handle_ != nullptr ? ::sqlite3_errmsg(handle_) : "out of memory";
    ::sqlite3_close_v2(std::exchange(handle_, nullptr));
    throw Failure{Failure::Kind::unavailable, fmt::format("{}: {}", path, why)};
  }
  ::sqlite3_busy_timeout(handle_, static_cast<int>(busy_timeout.count()));
  try {
    run("PRAGMA journal_mode = WAL; PRAGMA synchronous = NORMAL;");
  } catch (...) {
    ::sqlite3_close_v2(handle_);
    throw;
  }
}

Database::~Database() {
  for (const auto& [text, statement] : statements_) ::sqlite3_finalize(statement);
  ::sqlite3_close_v2(handle_);
}

void Database::run(const char* commands) {
  if (::sqlite3_exec(handle_, commands, nullptr, nullptr, nullptr) != SQLITE_OK) fail_with(commands);
}

int Database::changes() const {
  return ::sqlite3_changes(handle_);
}

bool Database::in_transaction() const {
  return ::sqlite3_get_autocommit(handle_) == 0;
}

sqlite3_stmt* Database::prepared(const char* text) {
  sqlite3_stmt*& statement = statements_[text];
  if (statement == nullptr &&
      ::sqlite3_prepare_v3(handle_, text, -1, SQLITE_PREPARE_PERSISTENT, &statement, nullptr) != SQLITE_OK) {
    fail_with(text);
  }
  return statement;
}

void Database::fail_with(const std::string& what) const {
  throw Failure{Failure::Kind::unavailable, fmt::format("SQLite: {}: {}", ::sqlite3_errmsg(handle_), what)};
}

Query::Query(Database& database, const char* text) : database_(database), statement_(database.prepared(text)) {}

Query::~Query() {
  ::sqlite3_reset(statement_);
  ::sqlite3_clear_bindings(statement_);
}

void Query::check(int code) {
  if (code != SQLITE_OK) database_.fail_with(::sqlite3_sql(statement_));
}

Query& Query::bind(std::string_view text) {
  check(::sqlite3_bind_text64(statement_, ++bound_, text.data(), text.size(), SQLITE_TRANSIENT, SQLITE_UTF8));
  return *this;
}
Query& Query::bind_blob(std::string_view bytes) {
  check(::sqlite3_bind_blob64(statement_, ++bound_, bytes.data(), bytes.size(), SQLITE_TRANSIENT));
  return *this;
}
Query& Query::bind(std::int64_t number) {
  check(::sqlite3_bind_int64(statement_, ++bound_, number));
  return *this;
}
Query& Query::bind_null() {
  check(::sqlite3_bind_null(statement_, ++bound_));
  return *this;
}

bool Query::next() {
  const int code = ::sqlite3_step(statement_);
  if (code == SQLITE_ROW) return true;
  if (code != SQLITE_DONE) database_.fail_with(::sqlite3_sql(statement_));
  return false;
}

bool Query::is_null(int column) const {
  return ::sqlite3_column_type(statement_, column) == SQLITE_NULL;
}
std::string_view Query::text(int column) const {
  const void* bytes = ::sqlite3_column_blob(statement_, column);
  if (bytes == nullptr) return {};
  return {static_cast<const char*>(bytes), static_cast<std::size_t>(::sqlite3_column_bytes(statement_, column))};
}
std::int64_t Query::integer(int column) const {
  return ::sqlite3_column_int64(statement_, column);
}

}  // namespace wherry::results
