// A thin face of SQLite's C interface: a database and its statements that close themselves, and errors as values.
//
//   auto db = sqlite::Database::open(path);
//   auto insert = db->prepare("INSERT INTO t VALUES (?, ?)");
//   insert->bind(1, 42), insert->bind_text(2, name);
//   auto done = insert->run();
//
// Threads: one at a time. Lifetime: statements before their database; what is bound and what a column gave lives until
// the next run(), step() or reset(); bound bytes are not copied.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>

#include "base/result.h"

struct sqlite3;
struct sqlite3_stmt;

namespace wherry::broker::sqlite {

struct SqlError {
  int code = 0;  // SQLite's extended result code.
  std::string message;
  bool full() const;     // No room on the disk: the same may succeed later.
  bool busy() const;     // Another program holds the file.
  bool damaged() const;  // The file is not, or no longer, what SQLite wrote.
};
template <class T>
using SqlResult = Result<T, SqlError>;

class Statement {
 public:
  void bind(int index, std::int64_t value);
  void bind_text(int index, std::string_view text);
  void bind_blob(int index, std::string_view bytes);

  // True: there is a row.
  SqlResult<bool> step();
  // To its end, and ready for the next time. How many rows it changed.
  SqlResult<int> run();
  void reset();

  std::int64_t integer(int column) const;
  std::string_view text(int column) const;  // As stored, whatever bytes these are.
  std::string_view blob(int column) const;

 private:
  friend class Database;
  struct Finalize {
    void operator()(sqlite3_stmt* statement) const;
  };
  std::unique_ptr<sqlite3_stmt, Finalize> statement_;
};

class Database {
 public:
  // Without create the file must be there.
  static SqlResult<Database> open(const std::string& path, bool create);

  SqlResult<void> run(const char* sql);  // One or more statements; rows are passed over.
  SqlResult<Statement> prepare(const char* sql);
  // A single value; empty where there is no row.
  SqlResult<std::string> value(const char* sql);
  bool read_only() const;
  // Closing leaves the file and its write-ahead log as they are, until allowed again.
  void leave_log_at_close(bool leave);

 private:
  struct Close {
    void operator()(sqlite3* db) const;
  };
  std::unique_ptr<sqlite3, Close> db_;
};

}  // namespace wherry::broker::sqlite
