#include "broker/definitions/schema.h"

#include <cstring>
#include <fstream>
#include <map>
#include <system_error>

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/stat.h>
#include <unistd.h>

namespace wherry::broker {

namespace fs = std::filesystem;

namespace {

// As SQLite keeps it: the text of each table is compared with this when a file is opened.
const std::map<std::string, std::string>& tables() {
  static const std::map<std::string, std::string> all{
      {"state",
       "CREATE TABLE state (one INTEGER PRIMARY KEY, queue_ids_below INTEGER NOT NULL, vhosts INTEGER NOT NULL, "
       "exchanges INTEGER NOT NULL, queues INTEGER NOT NULL, bindings INTEGER NOT NULL, rows_checksum INTEGER NOT "
       "NULL, "
       "checksum INTEGER NOT NULL) STRICT"},
      {"vhosts", "CREATE TABLE vhosts (name TEXT PRIMARY KEY, checksum INTEGER NOT NULL) STRICT, WITHOUT ROWID"},
      {"exchanges",
       "CREATE TABLE exchanges (vhost TEXT NOT NULL, name TEXT NOT NULL, type TEXT NOT NULL, auto_delete INTEGER NOT "
       "NULL, internal INTEGER NOT NULL, arguments BLOB NOT NULL, checksum INTEGER NOT NULL, PRIMARY KEY (vhost, "
       "name)) "
       "STRICT, WITHOUT ROWID"},
      {"queues",
       "CREATE TABLE queues (id INTEGER PRIMARY KEY, vhost TEXT NOT NULL, name TEXT NOT NULL, auto_delete INTEGER NOT "
       "NULL, home INTEGER NOT NULL, arguments BLOB NOT NULL, checksum INTEGER NOT NULL) STRICT"},
      {"bindings",
       "CREATE TABLE bindings (vhost TEXT NOT NULL, source TEXT NOT NULL, kind INTEGER NOT NULL, destination TEXT NOT "
       "NULL, routing_key TEXT NOT NULL, arguments BLOB NOT NULL, checksum INTEGER NOT NULL, PRIMARY KEY (vhost, "
       "source, "
       "kind, destination, routing_key, arguments)) STRICT, WITHOUT ROWID"},
      {"parameters",
       "CREATE TABLE parameters (vhost TEXT NOT NULL, component TEXT NOT NULL, name TEXT NOT NULL, value BLOB NOT "
       "NULL, checksum INTEGER NOT NULL, PRIMARY KEY (vhost, component, name)) STRICT, WITHOUT ROWID"},
  };
  return all;
}

std::uint32_t big_endian(const unsigned char* bytes) {
  return std::uint32_t{bytes[0]} << 24 | std::uint32_t{bytes[1]} << 16 | std::uint32_t{bytes[2]} << 8 | bytes[3];
}

constexpr const char* start_anew = "move the whole data directory away to begin with nothing";

Result<void> sync_directory(const fs::path& directory) {
  const int fd = ::open(directory.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  const bool synced = fd >= 0 && ::fsync(fd) == 0;
  const int trouble = errno;
  if (fd >= 0) ::close(fd);
  if (!synced) return fail(std::generic_category().message(trouble));
  return {};
}

sqlite::SqlResult<void> write_tables(const fs::path& file) {
  auto db = sqlite::Database::open(file.string(), true);
  if (!db) return tl::unexpected(db.error());
  std::string sql = fmt::format("PRAGMA synchronous=FULL; BEGIN; PRAGMA application_id={}; PRAGMA user_version={};",
                                definitions_application_id, definitions_version);
  for (const auto& [name, text] : tables()) sql += text + ";";
  return db->run((sql + "COMMIT").c_str());
}

}  // namespace

tl::unexpected<Error> definitions_error(const fs::path& file, const std::string& trouble) {
  return fail(fmt::format("definitions {}: {}", file.string(), trouble));
}

tl::unexpected<Error> definitions_damaged(const fs::path& file, const std::string& detail) {
  return definitions_error(
      file, fmt::format("the file is damaged ({}); nothing was changed in it. Restore it from a backup, or {}", detail,
                        start_anew));
}

tl::unexpected<Error> definitions_error(const fs::path& file, const sqlite::SqlError& error) {
  if (error.busy()) return definitions_error(file, "another program has it open: close that one first");
  if (error.damaged()) return definitions_damaged(file, error.message);
  return definitions_error(file, error.message);
}

Result<bool> look_at_definitions(const fs::path& file) {
  struct stat status {};
  if (::lstat(file.c_str(), &status) != 0) {
    if (errno != ENOENT) return definitions_error(file, std::generic_category().message(errno));
    for (const char* beside : {"-wal", "-journal"}) {
      std::error_code ignored;
      if (fs::exists(file.string() + beside, ignored)) {
        return definitions_error(file,
                                 fmt::format("the file is missing, but its log {}{} is there; restore the file, or "
                                             "move the log away to begin without durable queues and exchanges",
                                             file.filename().string(), beside));
      }
    }
    // Made before the first message is kept: without it nobody would know whose they are.
    std::error_code unreadable;
    for (const auto& entry : fs::directory_iterator(file.parent_path(), unreadable)) {
      if (!entry.path().filename().string().starts_with("shard-")) continue;
      return definitions_error(file, fmt::format("the file is missing, but messages are there ({}), and it says whose "
                                                 "they are. Restore it from a backup, or move the messages away too",
                                                 entry.path().filename().string()));
    }
    return false;
  }
  if (!S_ISREG(status.st_mode)) {
    return definitions_error(file,
                             fmt::format("{}, where the broker keeps a file; move it away, or give --data-dir "
                                         "another",
                                         S_ISDIR(status.st_mode) ? "this is a directory" : "this is no plain file"));
  }
  unsigned char head[100];
  std::ifstream in(file, std::ios::binary);
  if (!in) return definitions_error(file, "it cannot be read: " + std::generic_category().message(errno));
  in.read(reinterpret_cast<char*>(head), sizeof head);
  if (in.gcount() == 0) {
    return definitions_error(file, fmt::format("the file is empty. Restore it from a backup, or {}", start_anew));
  }
  if (in.gcount() < static_cast<std::streamsize>(sizeof head) || std::memcmp(head, "SQLite format 3", 16) != 0) {
    return definitions_error(
        file, fmt::format("this is not an SQLite database. Restore the file from a backup, or {}", start_anew));
  }
  if (const std::uint32_t id = big_endian(head + 68); id != definitions_application_id) {
    return definitions_error(file, fmt::format("this is another program's SQLite database (application_id {:#x}); move "
                                               "it away, or give --data-dir another",
                                               id));
  }
  const std::uint32_t version = big_endian(head + 60);
  if (version < definitions_version_without_parameters || version > definitions_version) {
    return definitions_error(file, fmt::format("its format is version {}, and this wherry-broker knows version {}: run "
                                               "the wherry-broker that wrote it, or restore a backup of before",
                                               version, definitions_version));
  }
  if ((status.st_mode & 0222) == 0) {
    return definitions_error(file, "the file is read-only: allow its owner to write to it (chmod u+w)");
  }
  return true;
}

Result<void> create_definitions(const fs::path& file) {
  const fs::path made = file.string() + ".new";
  std::error_code error;
  for (const char* beside : {"", "-journal", "-wal"}) fs::remove(made.string() + beside, error);
  if (auto written = write_tables(made); !written) return definitions_error(made, written.error());
  fs::rename(made, file, error);
  if (error) return definitions_error(file, error.message());
  if (auto synced = sync_directory(file.parent_path()); !synced) return definitions_error(file, synced.error().message);
  return {};
}

Result<OpenedDefinitions> open_definitions(const fs::path& file) {
  auto db = sqlite::Database::open(file.string(), false);
  if (!db) return definitions_error(file, db.error());
  db->leave_log_at_close(true);
  if (db->read_only()) return definitions_error(file, "it cannot be written to: its owner, its rights or its disk");
  // Exclusive: nobody else looks at or changes it while the broker runs, and no shared memory file is needed.
  auto ready = db->run(
      "PRAGMA locking_mode=EXCLUSIVE; PRAGMA cache_size=-2000; PRAGMA cell_size_check=ON; PRAGMA trusted_schema=OFF");
  if (!ready) return definitions_error(file, ready.error());
  auto check = db->value("PRAGMA quick_check(1)");
  if (!check) return definitions_error(file, check.error());
  if (*check != "ok") return definitions_damaged(file, *check);

  auto found = db->prepare("SELECT name, sql FROM sqlite_schema");
  if (!found) return definitions_error(file, found.error());
  std::size_t known = 0;
  while (true) {
    auto row = found->step();
    if (!row) return definitions_error(file, row.error());
    if (!*row) break;
    if (found->text(0).starts_with("sqlite_")) continue;  // What ANALYZE leaves.
    auto table = tables().find(std::string(found->text(0)));
    if (table == tables().end() || table->second != found->text(1)) {
      return definitions_damaged(file, fmt::format("'{}' is none of its tables", found->text(0)));
    }
    ++known;
  }
  auto version = db->value("PRAGMA user_version");
  if (!version) return definitions_error(file, version.error());
  const bool old = *version == std::to_string(definitions_version_without_parameters);
  if (known != tables().size() - (old ? 1 : 0)) return definitions_damaged(file, "a table is missing");
  return OpenedDefinitions{std::move(*db), old ? definitions_version_without_parameters : definitions_version};
}

std::string upgrade_of_definitions() {
  return fmt::format("BEGIN IMMEDIATE; {}; PRAGMA user_version={}; COMMIT", tables().at("parameters"),
                     definitions_version);
}

}  // namespace wherry::broker
