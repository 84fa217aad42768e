#include "broker/ctl/control_output.h"

#include <algorithm>

#include <fmt/format.h>

namespace wherry::broker::ctl {

using amqp::FieldArray;
using amqp::FieldValue;
using amqp::Table;

namespace {

// A cell holds no tab and no end of line.
std::string cell(const FieldValue* value) {
  if (value == nullptr || value->is_null()) return {};
  if (const FieldArray* list = value->get<FieldArray>()) {
    std::vector<std::string> texts;
    for (const FieldValue& each : *list) {
      const std::string* text = each.get<std::string>();
      texts.push_back(text ? *text : control::to_json(each));
    }
    return fmt::format("[{}]", fmt::join(texts, ", "));
  }
  const std::string* text = value->get<std::string>();
  if (text == nullptr) return control::to_json(*value);
  std::string out;
  for (char c : *text) {
    if (c == '\t' || c == '\n' || c == '\r') {
      out += c == '\t' ? "\\t" : c == '\n' ? "\\n" : "\\r";
    } else {
      out += c;
    }
  }
  return out;
}

// RabbitMQ writes objects inside a line as texts that hold JSON.
std::string json_line(const Table& row) {
  Table flat;
  for (const auto& [name, value] : row.entries()) {
    flat.set(name, value.get<Table>() ? FieldValue(control::to_json(value)) : value);
  }
  return control::to_json(flat);
}

}  // namespace

std::string as_table(const FieldValue& answer, const std::vector<std::string>& columns, bool headers) {
  if (answer.is_null()) return {};
  const FieldArray* rows = answer.get<FieldArray>();
  if (rows == nullptr) return control::to_json(answer) + '\n';
  std::string out;
  if (headers && !rows->empty()) out += fmt::format("{}\n", fmt::join(columns, "\t"));
  for (const FieldValue& each : *rows) {
    const Table* row = each.get<Table>();
    if (row == nullptr) continue;
    for (std::size_t at = 0; at < columns.size(); ++at) {
      if (at > 0) out += '\t';
      out += cell(row->find(columns[at]));
    }
    out += '\n';
  }
  return out;
}

std::string as_pretty_table(const FieldValue& answer, const std::vector<std::string>& columns, bool headers) {
  const FieldArray* rows = answer.get<FieldArray>();
  if (rows == nullptr || rows->empty()) return as_table(answer, columns, headers);
  std::vector<std::vector<std::string>> lines;
  if (headers) lines.push_back(columns);
  for (const FieldValue& each : *rows) {
    std::vector<std::string> cells;
    const Table* row = each.get<Table>();
    for (const std::string& column : columns) cells.push_back(cell(row ? row->find(column) : nullptr));
    lines.push_back(std::move(cells));
  }
  std::vector<std::size_t> widths(columns.size(), 0);
  for (const auto& line : lines) {
    for (std::size_t at = 0; at < line.size(); ++at) widths[at] = std::max(widths[at], line[at].size());
  }
  const auto rule = [&](const char* left, const char* middle, const char* right) {
    std::string text = left;
    for (std::size_t at = 0; at < widths.size(); ++at) {
      if (at > 0) text += middle;
      for (std::size_t dash = 0; dash < widths[at] + 2; ++dash) text += "─";
    }
    return text + right + '\n';
  };
  std::string out = rule("┌", "┬", "┐");
  for (std::size_t number = 0; number < lines.size(); ++number) {
    if (number > 0) out += rule("├", "┼", "┤");
    for (std::size_t at = 0; at < widths.size(); ++at) out += fmt::format("│ {:<{}} ", lines[number][at], widths[at]);
    out += "│\n";
  }
  return out + rule("└", "┴", "┘");
}

std::string as_json(const FieldValue& answer) {
  if (answer.is_null()) return {};
  const FieldArray* rows = answer.get<FieldArray>();
  if (rows == nullptr) return control::to_json(answer) + '\n';
  std::string out = "[\n";
  bool first = true;
  for (const FieldValue& each : *rows) {
    const Table* row = each.get<Table>();
    if (!std::exchange(first, false)) out += ',';
    out += (row ? json_line(*row) : control::to_json(each)) + '\n';
  }
  return out + "]\n";
}

}  // namespace wherry::broker::ctl
