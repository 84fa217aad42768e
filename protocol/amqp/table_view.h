// TableView: a field table as it stands on the wire, without its length. Nothing is decoded until somebody asks.
//
// Lifetime: a view; the bytes belong to the frame, message or std::string it was taken from.
#pragma once

#include <string_view>

namespace wherry::amqp {

struct TableView {
  std::string_view raw;  // The name/value pairs; empty for an empty table. See table.h for decoding.
  friend constexpr bool operator==(const TableView&, const TableView&) = default;
};

}  // namespace wherry::amqp
