// OutboxTable: the rows of an outbox, as the relay sees them, in SQLite or PostgreSQL.
//
//   auto table = open_outbox("sqlite:/var/lib/shop/shop.db", "wherry_outbox");
//   if (*(*table)->lock()) { auto rows = (*table)->read(100); ...; (*table)->remove(ids); }
//
// Errors: the database's own words. After one, open it anew. Threads: one at a time; calls block as long as the
// database takes, SQLite at most 5 s for a writer that holds its lock.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "base/result.h"

namespace wherry::outbox {

struct Row {
  std::int64_t id = 0;
  std::string task_id = {};
  std::string message = {};
};

class OutboxTable {
 public:
  virtual ~OutboxTable() = default;
  // Makes this the only relay of the table, until it is closed or its process ends. False: another one is.
  virtual Result<bool> lock() = 0;
  // The oldest rows that are not marked.
  virtual Result<std::vector<Row>> read(std::size_t most) = 0;
  virtual Result<void> remove(const std::vector<std::int64_t>& ids) = 0;
  // It stays there, and is not read again.
  virtual Result<void> mark_failed(std::int64_t id, const std::string& reason) = 0;
};

// url: "sqlite:PATH", or "postgresql://..." as libpq reads it. The table must be there by the first read().
Result<std::unique_ptr<OutboxTable>> open_outbox(const std::string& url, const std::string& table);

// The two kinds, for open_outbox().
Result<std::unique_ptr<OutboxTable>> open_sqlite_outbox(const std::string& path, const std::string& table);
Result<std::unique_ptr<OutboxTable>> open_postgresql_outbox(const std::string& url, const std::string& table);

}  // namespace wherry::outbox
