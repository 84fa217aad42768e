// An outbox in SQLite. The lock is a file beside the database: a lock inside would keep the application from writing.
#include <cerrno>
#include <cstring>
#include <utility>

#include <fcntl.h>
#include <fmt/format.h>
#include <sqlite3.h>
#include <sys/file.h>
#include <unistd.h>

#include "worker/outbox/table.h"

namespace wherry::outbox {

namespace {

constexpr int busy_timeout_ms = 5'000;

class SqliteOutbox final : public OutboxTable {
 public:
  SqliteOutbox(sqlite3* database, std::string path, std::string table)
      : database_(database), path_(std::move(path)), table_(std::move(table)) {}
  ~SqliteOutbox() override {
    sqlite3_close(database_);
    if (lock_ >= 0) ::close(lock_);
  }
  SqliteOutbox(const SqliteOutbox&) = delete;
  SqliteOutbox& operator=(const SqliteOutbox&) = delete;

  Result<bool> lock() override {
    const std::string file = path_ + "-" + table_ + "-relay";
    if (lock_ < 0) lock_ = ::open(file.c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0600);
    if (lock_ < 0) return fail(fmt::format("{}: {}", file, std::strerror(errno)));
    return ::flock(lock_, LOCK_EX | LOCK_NB) == 0;
  }

  Result<std::vector<Row>> read(std::size_t most) override {
    std::vector<Row> rows;
    auto done =
        run(fmt::format("SELECT id, task_id, message FROM {} WHERE failed IS NULL ORDER BY id LIMIT {}", table_, most),
            {}, [&](sqlite3_stmt* row) {
              rows.push_back({sqlite3_column_int64(row, 0), column(row, 1), column(row, 2)});
            });
    if (!done) return tl::unexpected(done.error());
    return rows;
  }

  Result<void> remove(const std::vector<std::int64_t>& ids) override {
    return run(fmt::format("DELETE FROM {} WHERE id IN ({})", table_, fmt::join(ids, ",")), {}, nullptr);
  }

  Result<void> mark_failed(std::int64_t id, const std::string& reason) override {
    return run(fmt::format("UPDATE {} SET failed = ? WHERE id = {}", table_, id), reason, nullptr);
  }

 private:
  static std::string column(sqlite3_stmt* row, int index) {
    const auto* bytes = static_cast<const char*>(sqlite3_column_blob(row, index));
    return bytes ? std::string(bytes, static_cast<std::size_t>(sqlite3_column_bytes(row, index))) : std::string();
  }

  // One statement; text is bound to its parameter, if it has one.
  template <class OnRow>
  Result<void> run(const std::string& sql, const std::string& text, OnRow on_row) {
    sqlite3_stmt* statement = nullptr;
    int code = sqlite3_prepare_v2(database_, sql.c_str(), -1, &statement, nullptr);
    if (code == SQLITE_OK && sqlite3_bind_parameter_count(statement) > 0) {
      code = sqlite3_bind_text(statement, 1, text.data(), static_cast<int>(text.size()), SQLITE_TRANSIENT);
    }
    if (code == SQLITE_OK) {
      while ((code = sqlite3_step(statement)) == SQLITE_ROW) {
        if constexpr (!std::is_null_pointer_v<OnRow>) on_row(statement);
      }
    }
    const std::string words = sqlite3_errmsg(database_);
    sqlite3_finalize(statement);
    if (code != SQLITE_DONE) return fail(fmt::format("{}: {}", path_, words));
    return {};
  }

  sqlite3* const database_;
  const std::string path_;
  const std::string table_;
  int lock_ = -1;
};

}  // namespace

Result<std::unique_ptr<OutboxTable>> open_sqlite_outbox(const std::string& path, const std::string& table) {
  sqlite3* database = nullptr;
  // Not made: a file of another name would be an outbox that nobody writes to.
  const int code = sqlite3_open_v2(path.c_str(), &database, SQLITE_OPEN_READWRITE, nullptr);
  auto made = std::make_unique<SqliteOutbox>(database, path, table);
  if (code != SQLITE_OK) return fail(fmt::format("{}: {}", path, sqlite3_errmsg(database)));
  sqlite3_busy_timeout(database, busy_timeout_ms);
  return made;
}

}  // namespace wherry::outbox
