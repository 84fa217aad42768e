// An outbox in PostgreSQL. The lock is an advisory one of the session: the server lets it go with the connection.
#include <array>
#include <charconv>
#include <utility>

#include <fmt/format.h>

#include "sdk/libpq/libpq.h"
#include "worker/outbox/table.h"

namespace wherry::outbox {

namespace {

class PgResult {
 public:
  explicit PgResult(PGresult* result) : result_(result) {}
  ~PgResult() { libpq().PQclear(result_); }
  PgResult(const PgResult&) = delete;
  PgResult& operator=(const PgResult&) = delete;
  const PGresult* get() const { return result_; }
  bool ok() const {
    const auto status = libpq().PQresultStatus(result_);
    return status == PGRES_TUPLES_OK || status == PGRES_COMMAND_OK;
  }
  // In binary format: the bytes as they are.
  std::string text(int row, int column) const {
    return std::string(libpq().PQgetvalue(result_, row, column),
                       static_cast<std::size_t>(libpq().PQgetlength(result_, row, column)));
  }

 private:
  PGresult* result_;
};

std::int64_t big_endian(const std::string& bytes) {
  std::uint64_t value = 0;
  for (const char c : bytes) value = value << 8 | static_cast<std::uint8_t>(c);
  return static_cast<std::int64_t>(value);
}

// libpq's errors end with a newline, and may have several lines.
std::string one_line(std::string text) {
  while (!text.empty() && text.back() == '\n') text.pop_back();
  for (char& c : text) {
    if (c == '\n') c = ' ';
  }
  return text;
}

class PostgresqlOutbox final : public OutboxTable {
 public:
  PostgresqlOutbox(PGconn* connection, std::string table) : connection_(connection), table_(std::move(table)) {}
  ~PostgresqlOutbox() override { libpq().PQfinish(connection_); }
  PostgresqlOutbox(const PostgresqlOutbox&) = delete;
  PostgresqlOutbox& operator=(const PostgresqlOutbox&) = delete;

  Result<bool> lock() override {
    const PgResult result(run(fmt::format("SELECT pg_try_advisory_lock(hashtext('wherry outbox {}'))", table_)));
    if (!result.ok()) return error();
    return result.text(0, 0) == std::string(1, '\1');
  }

  Result<std::vector<Row>> read(std::size_t most) override {
    const PgResult result(run(fmt::format(
        "SELECT id::bigint, task_id, message FROM {} WHERE failed IS NULL ORDER BY id LIMIT {}", table_, most)));
    if (!result.ok()) return error();
    std::vector<Row> rows;
    for (int i = 0; i < libpq().PQntuples(result.get()); ++i) {
      rows.push_back({big_endian(result.text(i, 0)), result.text(i, 1), result.text(i, 2)});
    }
    return rows;
  }

  Result<void> remove(const std::vector<std::int64_t>& ids) override {
    const PgResult result(run(fmt::format("DELETE FROM {} WHERE id IN ({})", table_, fmt::join(ids, ","))));
    if (!result.ok()) return error();
    return {};
  }

  Result<void> mark_failed(std::int64_t id, const std::string& reason) override {
    const std::array<const char*, 1> values{reason.c_str()};
    const std::string sql = fmt::format("UPDATE {} SET failed = $1 WHERE id = {}", table_, id);
    const PgResult result(
        libpq().PQexecParams(connection_, sql.c_str(), 1, nullptr, values.data(), nullptr, nullptr, 1));
    if (!result.ok()) return error();
    return {};
  }

 private:
  PGresult* run(const std::string& sql) {
    return libpq().PQexecParams(connection_, sql.c_str(), 0, nullptr, nullptr, nullptr, nullptr, 1);
  }
  tl::unexpected<Error> error() const { return fail("PostgreSQL: " + one_line(libpq().PQerrorMessage(connection_))); }

  PGconn* const connection_;
  const std::string table_;
};

}  // namespace

Result<std::unique_ptr<OutboxTable>> open_postgresql_outbox(const std::string& url, const std::string& table) {
  if (auto there = load_libpq(); !there) return tl::unexpected(there.error());
  PGconn* connection = libpq().PQconnectdb(url.c_str());
  auto made = std::make_unique<PostgresqlOutbox>(connection, table);
  if (libpq().PQstatus(connection) != CONNECTION_OK) {
    return fail("PostgreSQL: " + one_line(libpq().PQerrorMessage(connection)));
  }
  return made;
}

}  // namespace wherry::outbox
