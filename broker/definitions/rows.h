// The checksums of definitions.sqlite: one a row, and the totals over all rows, by which a row that is gone, or one
// that came back, is found. docs/definitions.md has the encoding.
//
// Threads: plain data and functions.
#pragma once

#include <cstdint>
#include <string>

#include "broker/routing/topology_journal.h"

namespace wherry::broker {

// What a row says, as the checksum and the columns have it.
struct VhostRow {
  std::string_view name;
};
struct ExchangeRow {
  std::string_view vhost, name, type;
  bool auto_delete = false, internal = false;
  std::string_view arguments;  // As on the wire.
};
struct QueueRow {
  std::uint64_t id = 0;
  std::string_view vhost, name;
  bool auto_delete = false;
  unsigned home = 0;
  std::string_view arguments;
};
struct BindingRow {
  std::string_view vhost, source;
  DestinationKind kind = DestinationKind::queue;
  std::string_view destination, routing_key, arguments;
};

struct ParameterRow {
  std::string_view vhost, component, name;
  std::string_view value;  // A field table, as on the wire.
};

std::uint32_t checksum_of(const VhostRow& row);
std::uint32_t checksum_of(const ExchangeRow& row);
std::uint32_t checksum_of(const QueueRow& row);
std::uint32_t checksum_of(const BindingRow& row);
std::uint32_t checksum_of(const ParameterRow& row);

struct Totals {
  std::uint64_t queue_ids_below = 1;  // No queue has had this id or a greater one.
  std::int64_t vhosts = 0;
  std::int64_t exchanges = 0;
  std::int64_t queues = 0;
  std::int64_t bindings = 0;
  std::uint64_t rows_checksum = 0;  // The sum of all rows' checksums, those of parameters included.
  friend bool operator==(const Totals&, const Totals&) = default;
};
std::uint32_t checksum_of(const Totals& totals);

}  // namespace wherry::broker
