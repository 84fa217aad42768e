// PgConnection: one connection to PostgreSQL, used from a thread of its own but never waiting longer than it was told:
// libpq's asynchronous calls, and poll() on its socket. Errors are thrown as Failure.
//
//   PgConnection db(url, "app", deadline);
//   for (PgRows rows = db.query("SELECT status FROM celery_taskmeta WHERE task_id = $1", {id}); ...)
//
// Values go both ways as text; bytes as PostgreSQL's hex. After a Failure the connection may be of no more use:
// is_broken().
// Threads: one at a time.
#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "sdk/results/backend.h"

struct pg_conn;
struct pg_result;

namespace wherry::results {

class PgRows {
 public:
  explicit PgRows(pg_result* result) : result_(result) {}
  std::size_t count() const;
  bool is_null(std::size_t row, int column) const;
  std::string_view text(std::size_t row, int column) const;  // Empty for null. Lives as long as the rows.
  std::int64_t integer(std::size_t row, int column) const;
  std::string bytes(std::size_t row, int column) const;

 private:
  struct Clear {
    void operator()(pg_result* result) const;
  };
  std::unique_ptr<pg_result, Clear> result_;
};

class PgConnection {
 public:
  using Parameters = std::vector<std::optional<std::string>>;
  // url: as libpq takes it, postgresql://...
  PgConnection(const std::string& url, const std::string& name, Monotonic deadline);

  // For all that is asked from now on.
  void set_deadline(Monotonic deadline) { deadline_ = deadline; }
  // text: a literal; it is prepared once.
  PgRows query(const char* text, const Parameters& parameters);
  // Several commands without parameters and rows.
  void run(const char* commands);

  // Waits until something arrives, other_fd can be read, or until then. False: the connection is lost.
  bool wait(int other_fd, Monotonic until);
  // The payloads of the notifications that have come.
  std::vector<std::string> notifications();
  bool is_broken() const { return broken_; }

 private:
  struct Finish {
    void operator()(pg_conn* connection) const;
  };
  void await(short events);
  void flush();
  PgRows results(const char* text);
  [[noreturn]] void fail_with(std::string what);

  std::unique_ptr<pg_conn, Finish> connection_;
  std::map<const char*, std::string> prepared_;  // The names of statements.
  Monotonic deadline_;
  bool broken_ = false;
};

// Whether libpq takes it. Errors: its words, without the password.
Result<void> check_postgres_url(const std::string& url);

std::string to_hex(std::string_view bytes);
std::optional<std::string> or_null(std::string_view text);

}  // namespace wherry::results
