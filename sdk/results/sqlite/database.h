// Database: one connection to an SQLite file. Errors are thrown as Failure (unavailable): a database is used inside of
// jobs that are undone as a whole, see database_thread.h.
//
//   for (Query query(db, "SELECT status FROM celery_taskmeta WHERE task_id = ?"); query.bind(id).next();)
//   query.text(0);
//
// Statements are kept: the text of a query must be a literal. Threads: one at a time.
#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <string>
#include <string_view>

#include "sdk/results/backend.h"

struct sqlite3;
struct sqlite3_stmt;

namespace wherry::results {

class Database {
 public:
  // Made when it is missing; write-ahead log, and a wait of at most busy_timeout for other writers.
  Database(const std::string& path, std::chrono::milliseconds busy_timeout);
  ~Database();
  Database(const Database&) = delete;
  Database& operator=(const Database&) = delete;

  // Without parameters and results; several commands may be in it.
  void run(const char* commands);
  // Rows that the last query changed.
  int changes() const;
  bool in_transaction() const;

 private:
  friend class Query;
  sqlite3_stmt* prepared(const char* text);
  [[noreturn]] void fail_with(const std::string& what) const;

  sqlite3* handle_ = nullptr;
  std::map<const char*, sqlite3_stmt*> statements_;
};

// Parameters are bound in their order. The texts that next() gives live until it is called again.
class Query {
 public:
  Query(Database& database, const char* text);
  ~Query();
  Query(const Query&) = delete;
  Query& operator=(const Query&) = delete;

  Query& bind(std::string_view text);
  Query& bind_blob(std::string_view bytes);
  Query& bind(std::int64_t number);
  Query& bind_null();
  Query& bind_or_null(std::string_view text) { return text.empty() ? bind_null() : bind(text); }

  bool next();
  void run() {
    while (next()) {
    }
  }
  bool is_null(int column) const;
  std::string_view text(int column) const;  // Of a blob as well. Empty for null.
  std::int64_t integer(int column) const;

 private:
  void check(int code);

  Database& database_;
  sqlite3_stmt* statement_;
  int bound_ = 0;
};

}  // namespace wherry::results
