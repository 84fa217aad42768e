// The examples' structs as JSON, for the backend's answers.
#pragma once

#include <optional>

#include <nlohmann/json.hpp>

#include "examples/tasks/tasks.h"

namespace nlohmann {
template <class T>
struct adl_serializer<std::optional<T>> {
  static void to_json(json& out, const std::optional<T>& value) {
    if (value) {
      out = *value;
    } else {
      out = nullptr;
    }
  }
};
}  // namespace nlohmann

namespace examples {

inline void to_json(nlohmann::json& out, const EmailReceipt& receipt) {
  out = {{"server", receipt.server}, {"message_id", receipt.message_id}, {"attempts", receipt.attempts}};
}
inline void to_json(nlohmann::json& out, const SmsReceipt& receipt) {
  out = {{"gateway", receipt.gateway},
         {"reference", receipt.reference},
         {"answer", receipt.answer},
         {"attempts", receipt.attempts}};
}
inline void to_json(nlohmann::json& out, const ColumnSummary& column) {
  out = {{"name", column.name},        {"kind", column.kind},
         {"count", column.count},      {"min", column.min},
         {"max", column.max},          {"mean", column.mean},
         {"top", column.top},          {"top_count", column.top_count},
         {"missing", column.missing},  {"stddev", column.stddev},
         {"distinct", column.distinct}};
}
inline void to_json(nlohmann::json& out, const TableSummary& table) {
  out = {{"path", table.path},       {"bytes", table.bytes},
         {"rows", table.rows},       {"ragged_rows", table.ragged_rows},
         {"columns", table.columns}, {"attempts", table.attempts}};
}
inline void to_json(nlohmann::json& out, const SummaryProgress& progress) {
  out = {{"bytes_done", progress.bytes_done}, {"bytes_in_all", progress.bytes_in_all}, {"rows", progress.rows}};
}

}  // namespace examples
