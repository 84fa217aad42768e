#include "worker/outbox/table.h"

#include <string_view>

#include <fmt/format.h>

#include "sdk/client/outbox_table.h"

namespace wherry::outbox {

Result<std::unique_ptr<OutboxTable>> open_outbox(const std::string& url, const std::string& table) {
  if (!sdk::is_table_name(table)) return fail(fmt::format("'{}' is no name for the outbox's table", table));
  constexpr std::string_view sqlite = "sqlite:";
  if (url.starts_with(sqlite)) return open_sqlite_outbox(url.substr(sqlite.size()), table);
  if (url.starts_with("postgresql://") || url.starts_with("postgres://")) return open_postgresql_outbox(url, table);
  return fail("an outbox is sqlite:PATH or postgresql://USER@HOST/DATABASE");
}

}  // namespace wherry::outbox
