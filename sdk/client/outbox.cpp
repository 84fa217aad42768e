#include "wherry/outbox.h"

#include <chrono>
#include <string_view>
#include <utility>

#include <fmt/format.h>

#include "base/wall_clock.h"
#include "sdk/client/encode.h"
#include "sdk/client/outbox_table.h"
#include "sdk/client/spooler.h"

namespace wherry {

namespace {

std::string hexadecimal(std::string_view bytes) {
  constexpr std::string_view digits = "0123456789abcdef";
  std::string out;
  out.reserve(2 * bytes.size());
  for (const char c : bytes) {
    out += digits[static_cast<std::uint8_t>(c) >> 4];
    out += digits[static_cast<std::uint8_t>(c) & 15];
  }
  return out;
}

}  // namespace

bool sdk::is_table_name(std::string_view name) {
  constexpr std::string_view letters = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ_";
  const std::size_t dot = name.find('.');
  for (const std::string_view part : {name.substr(0, dot), dot == name.npos ? "x" : name.substr(dot + 1)}) {
    if (part.empty() || part.size() > 63 || letters.find(part.front()) == letters.npos) return false;
    for (const char c : part) {
      if (letters.find(c) == letters.npos && (c < '0' || c > '9')) return false;
    }
  }
  return true;
}

Outbox::Outbox(OutboxOptions options) : options_(std::move(options)) {
  if (!sdk::is_table_name(options_.table)) {
    throw ClientError(Errc::invalid_argument, fmt::format("'{}' is no name for the outbox's table", options_.table));
  }
}

std::string Outbox::create_table() const {
  const bool is_sqlite = options_.database == OutboxDatabase::sqlite;
  return fmt::format("CREATE TABLE IF NOT EXISTS {} (id {}, task_id TEXT NOT NULL, message {} NOT NULL, failed TEXT)",
                     options_.table, is_sqlite ? "INTEGER PRIMARY KEY AUTOINCREMENT" : "BIGSERIAL PRIMARY KEY",
                     is_sqlite ? "BLOB" : "BYTEA");
}

Outbox::Insert Outbox::insert_call(Call<void> call, const EnqueueOptions& options) const {
  if (options.unique) throw ClientError(Errc::invalid_argument, "unique does not go with an outbox");
  const sdk::Router router(options_.default_queue);
  const auto now = wall_now();
  const std::string name = call.name;
  const sdk::Outgoing out =
      sdk::encode_call(std::move(call), options, router.route(name, options), {{}, options_.serializer}, now);
  auto message = sdk::encode_spooled(name, out, now);
  if (!message) throw ClientError(Errc::invalid_argument, fmt::format("{}: {}", name, message.error().message));
  // In hexadecimal there is nothing to escape, whatever the database's settings.
  const char* values = options_.database == OutboxDatabase::sqlite
                           ? "INSERT INTO {} (task_id, message) VALUES (CAST(X'{}' AS TEXT), X'{}')"
                           : "INSERT INTO {} (task_id, message) VALUES (convert_from(decode('{}', 'hex'), 'UTF8'), "
                             "decode('{}', 'hex'))";
  return {fmt::format(fmt::runtime(values), options_.table, hexadecimal(out.task_id), hexadecimal(*message)),
          out.task_id};
}

}  // namespace wherry
