#include "examples/tasks/summary.h"

#include <algorithm>
#include <charconv>
#include <cmath>
#include <limits>
#include <string_view>
#include <unordered_map>

#include "examples/tasks/csv.h"
#include "examples/tasks/failure.h"

namespace examples {

namespace {

constexpr std::size_t kMaxDistinct = 250'000;

// Welford's running mean and variance.
class Moments {
 public:
  void add(double value) {
    ++count_;
    const double distance = value - mean_;
    mean_ += distance / static_cast<double>(count_);
    squares_ += distance * (value - mean_);
    min_ = std::min(min_, value);
    max_ = std::max(max_, value);
  }
  void write_to(ColumnSummary& column) const {
    if (count_ == 0) return;
    column.min = min_;
    column.max = max_;
    column.mean = mean_;
    column.stddev = count_ > 1 ? std::sqrt(squares_ / static_cast<double>(count_ - 1)) : 0.0;
  }

 private:
  std::int64_t count_ = 0;
  double mean_ = 0;
  double squares_ = 0;
  double min_ = std::numeric_limits<double>::infinity();
  double max_ = -std::numeric_limits<double>::infinity();
};

std::string_view trimmed(std::string_view text) {
  const auto first = text.find_first_not_of(" \t");
  if (first == std::string_view::npos) return {};
  return text.substr(first, text.find_last_not_of(" \t") - first + 1);
}

bool is_missing(std::string_view cell) {
  return cell.empty() || cell == "NA" || cell == "NaN" || cell == "nan" || cell == "null" || cell == "NULL";
}

bool parse_number(std::string_view cell, double& number) {
  if (cell.size() > 1 && cell.front() == '+') cell.remove_prefix(1);
  const auto [end, error] = std::from_chars(cell.data(), cell.data() + cell.size(), number);
  return error == std::errc() && end == cell.data() + cell.size() && std::isfinite(number);
}

// Characters of UTF-8: every byte but the continuations.
double length_of(std::string_view text) {
  return static_cast<double>(
      std::count_if(text.begin(), text.end(), [](unsigned char c) { return (c & 0xc0) != 0x80; }));
}

class Column {
 public:
  explicit Column(std::string name) { summary_.name = std::move(name); }

  void add(std::string_view raw) {
    const std::string_view cell = trimmed(raw);
    if (is_missing(cell)) {
      ++summary_.missing;
      return;
    }
    ++summary_.count;
    double number = 0;
    if (all_numbers_ && parse_number(cell, number)) {
      numbers_.add(number);
    } else {
      all_numbers_ = false;
    }
    lengths_.add(length_of(cell));
    count_value(cell);
  }

  ColumnSummary finish() && {
    const bool number = all_numbers_ && summary_.count > 0;
    summary_.kind = number ? "number" : "text";
    (number ? numbers_ : lengths_).write_to(summary_);
    summary_.distinct = static_cast<std::int64_t>(values_.size());
    const Seen* top = nullptr;
    for (const auto& [value, seen] : values_) {
      if (top && (seen.times < top->times || (seen.times == top->times && seen.place > top->place))) continue;
      top = &seen;
      summary_.top = value;
      summary_.top_count = seen.times;
    }
    return std::move(summary_);
  }

 private:
  struct Seen {
    std::int64_t times = 0;
    std::size_t place = 0;
  };

  void count_value(std::string_view cell) {
    key_.assign(cell);
    auto found = values_.find(key_);
    if (found == values_.end()) {
      if (values_.size() >= kMaxDistinct) return;
      found = values_.emplace(key_, Seen{0, values_.size()}).first;
    }
    ++found->second.times;
  }

  ColumnSummary summary_;
  bool all_numbers_ = true;
  Moments numbers_;
  Moments lengths_;
  std::unordered_map<std::string, Seen> values_;
  std::string key_;
};

}  // namespace

TableSummary summarize(const Summarize& task, const Progress& progress) {
  if (task.separator.size() != 1 || task.separator == "\"" || task.separator == "\n") {
    throw PermanentFailure("a separator is one character, not '" + task.separator + "'");
  }
  CsvReader reader(task.path, task.separator[0]);
  TableSummary table;
  table.path = task.path;
  table.bytes = reader.bytes_in_all();

  std::vector<std::string> row;
  if (!reader.next(row)) throw PermanentFailure(task.path + ": is empty");
  std::vector<Column> columns;
  for (const std::string& name : row) columns.emplace_back(std::string(trimmed(name)));

  const std::int64_t step = std::max<std::int64_t>(reader.bytes_in_all() / 100, 1);
  std::int64_t told = 0;
  while (reader.next(row)) {
    ++table.rows;
    if (row.size() != columns.size()) ++table.ragged_rows;
    for (std::size_t i = 0; i < columns.size(); ++i) columns[i].add(i < row.size() ? row[i] : std::string_view{});
    if (progress && reader.bytes_read() >= told + step) {
      told = reader.bytes_read();
      progress(told, reader.bytes_in_all(), table.rows);
    }
  }
  if (progress) progress(reader.bytes_read(), reader.bytes_in_all(), table.rows);
  for (Column& column : columns) table.columns.push_back(std::move(column).finish());
  return table;
}

}  // namespace examples
