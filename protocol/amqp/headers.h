// A message's headers: as the bytes that the wire has, or as values, or both.
//
// They are kept as they came. Bytes that are only passed on, or read pair by pair, are never made values; values are
// made the first time that somebody asks for them, and the bytes are forgotten when they are changed.
//
// Threads: as plain data, but that the first look at the values is a change: no two threads may take it at once.
// Lifetime: what find(), string() and table() give stays until the headers are changed or gone.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "protocol/amqp/table.h"
#include "protocol/amqp/table_pairs.h"

namespace wherry::amqp {

class Headers {
 public:
  Headers() = default;
  Headers(Table table) : table_(std::move(table)) {}
  // pairs: as TableView::raw, and well-formed: checked before, or written by PairWriter.
  static Headers of_bytes(std::string pairs);

  // The pairs as the wire has them, for each_pair(): no values are made of them. room keeps them when they have to be
  // written first, and has to stay as long as what is returned.
  std::string_view bytes(std::string& room) const;

  // --- as values; Table has the contract of each ---
  const Table& table() const;
  Table& table();
  bool empty() const { return table().empty(); }
  std::size_t size() const { return table().size(); }
  const FieldValue* find(std::string_view name) const { return table().find(name); }
  const std::string* string(std::string_view name) const { return table().string(name); }
  bool integer(std::string_view name, std::int64_t& into) const { return table().integer(name, into); }
  bool boolean(std::string_view name, bool& into) const { return table().boolean(name, into); }
  const std::vector<Table::Entry>& entries() const { return table().entries(); }
  std::vector<Table::Entry>& entries() { return table().entries(); }
  void set(std::string_view name, FieldValue value) { table().set(name, std::move(value)); }
  bool erase(std::string_view name) { return table().erase(name); }

  friend bool operator==(const Headers& a, const Headers& b) { return a.table() == b.table(); }

 private:
  std::optional<std::string> bytes_;
  mutable std::optional<Table> table_;  // Absent: not made yet; without bytes as well: empty.
};

}  // namespace wherry::amqp
