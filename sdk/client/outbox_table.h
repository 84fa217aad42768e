// What the writer and the relay of an outbox share about its table. Threads: plain functions.
#pragma once

#include <string_view>

namespace wherry::sdk {

// Safe to stand in SQL as it is: letters, digits and _, 63 bytes at most, and one dot between a schema and a table.
bool is_table_name(std::string_view name);

}  // namespace wherry::sdk
