// The tables of definitions.sqlite, and whether a file that is there is ours to open. docs/definitions.md describes
// both.
//
// Threads: plain functions. Errors: one sentence that names the file and says what to do.
#pragma once

#include <cstdint>
#include <filesystem>
#include <string>

#include "base/result.h"
#include "broker/definitions/sqlite.h"

namespace wherry::broker {

constexpr std::uint32_t definitions_application_id = 0x57485259;  // "WHRY"
constexpr std::uint32_t definitions_version = 2;
// Of before there were parameters; still read, and made one of version 2 then.
constexpr std::uint32_t definitions_version_without_parameters = 1;

// "definitions FILE: trouble"
tl::unexpected<Error> definitions_error(const std::filesystem::path& file, const std::string& trouble);
// The same for damage: what is wrong, and the ways out.
tl::unexpected<Error> definitions_damaged(const std::filesystem::path& file, const std::string& detail);
tl::unexpected<Error> definitions_error(const std::filesystem::path& file, const sqlite::SqlError& error);

// Looks without opening it as a database: whether there is a file (true) or none (false). An error for whatever is not
// a database of this program in a version that it knows.
Result<bool> look_at_definitions(const std::filesystem::path& file);
// Makes an empty one. It appears under its name when it is whole and on the disk.
Result<void> create_definitions(const std::filesystem::path& file);
// Opens one that is there, changes nothing in it, and checks its structure: SQLite's own check and the tables' text.
struct OpenedDefinitions {
  sqlite::Database db;
  std::uint32_t version = definitions_version;
};
Result<OpenedDefinitions> open_definitions(const std::filesystem::path& file);
// What makes a file of an older version one of today's, in one transaction; for one that was read and found sound.
std::string upgrade_of_definitions();

}  // namespace wherry::broker
