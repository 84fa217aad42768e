#include <fmt/format.h>

#include "sdk/results/backend.h"
#include "sdk/results/postgres/connection.h"
#include "sdk/results/postgres/database_thread.h"
#include "sdk/results/postgres/tables.h"
#include "sdk/results/redis/redis_backend.h"
#include "sdk/results/sqlite/database_thread.h"
#include "sdk/results/sqlite/tables.h"
#include "sdk/results/sqlite/url.h"
#include "sdk/results/table_backend.h"

namespace wherry::results {

namespace {

// No more than its letters: what follows may hold a password.
std::string_view scheme_of(std::string_view url) {
  return url.substr(0, url.find_first_not_of("abcdefghijklmnopqrstuvwxyz+"));
}

tl::unexpected<Error> unknown(std::string_view scheme) {
  return fail(fmt::format("result backend: \"{}\" is none of rpc, none, redis, sqlite, postgresql", scheme));
}

}  // namespace

bool is_stored(std::string_view url) {
  return !url.empty() && url != "none" && url != "rpc" && !url.starts_with("rpc://");
}

Result<void> check(const std::string& url) {
  if (!is_stored(url)) return {};
  const std::string_view scheme = scheme_of(url);
  if (scheme == "redis" || scheme == "rediss") {
    auto parsed = parse_redis_url(url);
    if (!parsed) return tl::unexpected(std::move(parsed.error()));
    return parsed->read_files();
  }
  if (scheme == "sqlite") {
    if (auto parsed = parse_sqlite_url(url); !parsed) return tl::unexpected(std::move(parsed.error()));
    return {};
  }
  if (scheme == "postgresql" || scheme == "postgres") return check_postgres_url(url);
  return unknown(scheme);
}

Result<std::unique_ptr<ResultBackend>> open(net::EventLoop& loop, const std::string& url, BackendOptions options) {
  const std::string_view scheme = scheme_of(url);
  if (scheme == "redis" || scheme == "rediss") {
    auto endpoint = parse_redis_url(url);
    if (!endpoint) return tl::unexpected(std::move(endpoint.error()));
    if (auto read = endpoint->read_files(); !read) return tl::unexpected(std::move(read.error()));
    return std::make_unique<RedisBackend>(loop, *std::move(endpoint), std::move(options));
  }
  if (scheme == "sqlite") {
    auto path = parse_sqlite_url(url);
    if (!path) return tl::unexpected(std::move(path.error()));
    return std::make_unique<TableBackend<DatabaseThread>>(loop, std::move(options), *std::move(path));
  }
  if (scheme == "postgresql" || scheme == "postgres") {
    if (auto usable = check_postgres_url(url); !usable) return tl::unexpected(std::move(usable.error()));
    return std::make_unique<TableBackend<PgThread>>(loop, options, url, options);
  }
  return unknown(scheme);
}

}  // namespace wherry::results
