#include "sdk/results/postgres/connection.h"

#include <algorithm>
#include <charconv>

#include <fmt/format.h>
#include <poll.h>

#include "sdk/libpq/libpq.h"

namespace wherry::results {

namespace {

int milliseconds_until(Monotonic time) {
  const auto left = std::chrono::ceil<std::chrono::milliseconds>(time - std::chrono::steady_clock::now());
  return static_cast<int>(std::clamp<std::int64_t>(left.count(), 0, 3'600'000));
}

// What libpq says ends with a newline, and may be several lines.
std::string one_line(std::string_view text) {
  std::string out;
  for (const char each : text) out += each == '\n' ? ' ' : each;
  while (!out.empty() && out.back() == ' ') out.pop_back();
  return out;
}

// Data exceptions, and limits of the program: asking again would be the same.
bool is_about_the_value(std::string_view sqlstate) {
  return sqlstate.starts_with("22") || sqlstate.starts_with("54");
}

int hex_digit_value(char c) {
  return c <= '9' ? c - '0' : c - 'a' + 10;
}

}  // namespace

// --- rows ------------------------------------------------------------------------------------------------------------

void PgRows::Clear::operator()(pg_result* result) const {
  libpq().PQclear(result);
}
std::size_t PgRows::count() const {
  return static_cast<std::size_t>(libpq().PQntuples(result_.get()));
}
bool PgRows::is_null(std::size_t row, int column) const {
  return libpq().PQgetisnull(result_.get(), static_cast<int>(row), column) != 0;
}
std::string_view PgRows::text(std::size_t row, int column) const {
  const int at = static_cast<int>(row);
  return {libpq().PQgetvalue(result_.get(), at, column),
          static_cast<std::size_t>(libpq().PQgetlength(result_.get(), at, column))};
}
std::int64_t PgRows::integer(std::size_t row, int column) const {
  std::int64_t number = 0;
  const std::string_view digits = text(row, column);
  std::from_chars(digits.data(), digits.data() + digits.size(), number);
  return number;
}
std::string PgRows::bytes(std::size_t row, int column) const {
  std::string_view hex = text(row, column);
  std::string out;
  if (!hex.starts_with("\\x")) return out;
  for (hex.remove_prefix(2); hex.size() >= 2; hex.remove_prefix(2)) {
    out += static_cast<char>(hex_digit_value(hex[0]) * 16 + hex_digit_value(hex[1]));
  }
  return out;
}

std::string to_hex(std::string_view bytes) {
  constexpr std::string_view digits = "0123456789abcdef";
  std::string out = "\\x";
  for (const char each : bytes) {
    const auto byte = static_cast<unsigned char>(each);
    out += digits[byte >> 4];
    out += digits[byte & 15];
  }
  return out;
}

std::optional<std::string> or_null(std::string_view text) {
  return text.empty() ? std::nullopt : std::optional<std::string>(text);
}

Result<void> check_postgres_url(const std::string& url) {
  if (auto there = load_libpq(); !there) return fail("result backend: " + there.error().message);
  char* error = nullptr;
  PQconninfoOption* const options = libpq().PQconninfoParse(url.c_str(), &error);
  if (options != nullptr) {
    libpq().PQconninfoFree(options);
    return {};
  }
  libpq().PQfreemem(error);  // It may repeat what was said.
  return fail("result backend: not a URL that PostgreSQL takes: postgresql://user:password@host:5432/database");
}

// --- connection ------------------------------------------------------------------------------------------------------

void PgConnection::Finish::operator()(pg_conn* connection) const {
  libpq().PQfinish(connection);
}

PgConnection::PgConnection(const std::string& url, const std::string& name, Monotonic deadline) : deadline_(deadline) {
  if (auto there = load_libpq(); !there) throw Failure{Failure::Kind::unavailable, there.error().message};
  // In the order of their weight: what the URL says itself wins over what stands before it.
  const char* keywords[] = {"fallback_application_name", "client_encoding", "dbname", nullptr};
  const char* values[] = {name.c_str(), "UTF8", url.c_str(), nullptr};
  connection_.reset(libpq().PQconnectStartParams(keywords, values, 1));
  if (!connection_) throw Failure{Failure::Kind::unavailable, "PostgreSQL: out of memory"};
  if (libpq().PQstatus(connection_.get()) == CONNECTION_BAD) fail_with("connecting");
  libpq().PQsetNoticeProcessor(
      connection_.get(), [](void*, const char*) {}, nullptr);
  auto next = PGRES_POLLING_WRITING;
  while (next != PGRES_POLLING_OK) {
    if (next == PGRES_POLLING_FAILED) fail_with("connecting");
    await(next == PGRES_POLLING_READING ? POLLIN : POLLOUT);
    next = libpq().PQconnectPoll(connection_.get());
  }
  if (libpq().PQsetnonblocking(connection_.get(), 1) != 0) fail_with("connecting");
}

void PgConnection::fail_with(std::string what) {
  broken_ = true;
  throw Failure{Failure::Kind::unavailable,
                fmt::format("PostgreSQL: {}: {}", what, one_line(libpq().PQerrorMessage(connection_.get())))};
}

void PgConnection::await(short events) {
  pollfd socket{libpq().PQsocket(connection_.get()), events, 0};
  const int ready = ::poll(&socket, 1, milliseconds_until(deadline_));
  if (ready > 0 || (ready < 0 && errno == EINTR)) return;
  // An answer that comes later would be taken for another's.
  broken_ = true;
  throw Failure{Failure::Kind::timed_out, "PostgreSQL did not answer in time"};
}

void PgConnection::flush() {
  while (true) {
    const int left = libpq().PQflush(connection_.get());
    if (left == 0) return;
    if (left < 0) fail_with("sending");
    await(POLLIN | POLLOUT);
    if (libpq().PQconsumeInput(connection_.get()) == 0) fail_with("receiving");
  }
}

PgRows PgConnection::results(const char* text) {
  flush();
  PgRows last(nullptr);
  std::string error;
  auto kind = Failure::Kind::unavailable;
  while (true) {
    while (libpq().PQisBusy(connection_.get()) != 0) {
      await(POLLIN);
      if (libpq().PQconsumeInput(connection_.get()) == 0) fail_with("receiving");
    }
    pg_result* const result = libpq().PQgetResult(connection_.get());
    if (result == nullptr) break;
    const auto status = libpq().PQresultStatus(result);
    if (status != PGRES_TUPLES_OK && status != PGRES_COMMAND_OK) {
      error = one_line(libpq().PQresultErrorMessage(result));
      const char* const state = libpq().PQresultErrorField(result, PG_DIAG_SQLSTATE);
      if (state != nullptr && is_about_the_value(state)) kind = Failure::Kind::refused;
    }
    last = PgRows(result);
  }
  if (libpq().PQstatus(connection_.get()) == CONNECTION_BAD) fail_with("the connection is lost");
  if (!error.empty()) throw Failure{kind, fmt::format("PostgreSQL: {}: {}", error, text)};
  return last;
}

PgRows PgConnection::query(const char* text, const Parameters& parameters) {
  std::vector<const char*> values;
  for (const auto& each : parameters) values.push_back(each ? each->c_str() : nullptr);
  std::string& name = prepared_[text];
  if (name.empty()) {
    const std::string made = fmt::format("wherry_{}", prepared_.size());
    if (libpq().PQsendPrepare(connection_.get(), made.c_str(), text, 0, nullptr) == 0) fail_with(text);
    results(text);
    name = made;
  }
  const int sent = libpq().PQsendQueryPrepared(connection_.get(), name.c_str(), static_cast<int>(values.size()),
                                               values.data(), nullptr, nullptr, 0);
  if (sent == 0) fail_with(text);
  return results(text);
}

void PgConnection::run(const char* commands) {
  if (libpq().PQsendQuery(connection_.get(), commands) == 0) fail_with(commands);
  results(commands);
}

bool PgConnection::wait(int other_fd, Monotonic until) {
  pollfd sockets[2] = {{libpq().PQsocket(connection_.get()), POLLIN, 0}, {other_fd, POLLIN, 0}};
  const int ready = ::poll(sockets, 2, milliseconds_until(until));
  if (ready <= 0 || sockets[0].revents == 0) return true;
  if (libpq().PQconsumeInput(connection_.get()) != 0) return true;
  broken_ = true;
  return false;
}

std::vector<std::string> PgConnection::notifications() {
  std::vector<std::string> payloads;
  while (PGnotify* const each = libpq().PQnotifies(connection_.get())) {
    payloads.emplace_back(each->extra);
    libpq().PQfreemem(each);
  }
  return payloads;
}

}  // namespace wherry::results
