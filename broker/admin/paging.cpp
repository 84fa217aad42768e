#include "broker/admin/paging.h"

#include <algorithm>
#include <charconv>
#include <optional>

#include <fmt/format.h>
#include <re2/re2.h>

namespace wherry::broker::admin {

using amqp::FieldArray;
using amqp::FieldValue;
using amqp::Table;

namespace {

constexpr std::size_t most_rows = 500;

std::vector<std::string_view> split(std::string_view text, char by) {
  std::vector<std::string_view> parts;
  for (std::size_t at = 0; at <= text.size();) {
    const std::size_t end = std::min(text.find(by, at), text.size());
    if (end > at) parts.push_back(text.substr(at, end - at));
    at = end + 1;
  }
  return parts;
}

const FieldValue* find(const FieldValue& row, std::string_view path) {
  const FieldValue* at = &row;
  for (std::string_view name : split(path, '.')) {
    const Table* table = at->get<Table>();
    at = table ? table->find(name) : nullptr;
    if (at == nullptr) return nullptr;
  }
  return at;
}

// Numbers before texts; what is not there comes first.
struct SortKey {
  int kind = 0;
  double number = 0;
  std::string text;

  explicit SortKey(const FieldValue* value) {
    if (value == nullptr || value->is_null()) return;
    std::int64_t whole = 0;
    if (value->integer(whole)) {
      kind = 1;
      number = static_cast<double>(whole);
    } else if (const double* real = value->get<double>()) {
      kind = 1;
      number = *real;
    } else if (const bool* flag = value->get<bool>()) {
      kind = 1;
      number = *flag ? 1 : 0;
    } else if (const std::string* given = value->get<std::string>()) {
      kind = 2;
      text = *given;
    } else {
      kind = 2;
      text = amqp::to_string(*value);
    }
  }
  bool operator<(const SortKey& other) const {
    return std::tie(kind, number, text) < std::tie(other.kind, other.number, other.text);
  }
};

void sort_by(FieldArray& rows, const std::string& path, bool reverse) {
  std::vector<std::pair<SortKey, std::size_t>> keys;
  for (std::size_t at = 0; at < rows.size(); ++at) keys.emplace_back(SortKey(find(rows[at], path)), at);
  std::stable_sort(keys.begin(), keys.end(), [](const auto& a, const auto& b) { return a.first < b.first; });
  if (reverse) std::reverse(keys.begin(), keys.end());
  FieldArray sorted;
  for (const auto& [key, at] : keys) sorted.push_back(std::move(rows[at]));
  rows = std::move(sorted);
}

tl::unexpected<Refusal> wrong_page(const char* error, std::string reason) {
  return tl::unexpected<Refusal>(Refusal{400, error, std::move(reason)});
}

Outcome<std::size_t> number(const std::map<std::string, std::string>& query, const char* name, std::size_t otherwise) {
  const auto found = query.find(name);
  if (found == query.end()) return otherwise;
  std::size_t value = 0;
  const std::string& text = found->second;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (error != std::errc{} || end != text.data() + text.size()) {
    return bad_request(fmt::format("page and page_size are positive numbers, not '{}'", text));
  }
  if (value == 0) {
    return wrong_page("invalid_pagination_parameters",
                      fmt::format("page and page_size are positive numbers, not '{}'", text));
  }
  return value;
}

std::string of(const std::map<std::string, std::string>& query, const char* name) {
  const auto found = query.find(name);
  return found == query.end() ? std::string() : found->second;
}

Outcome<void> keep_named(FieldArray& rows, const std::string& wanted, bool as_regex) {
  if (wanted.empty()) return {};
  std::optional<RE2> regex;
  if (as_regex) {
    RE2::Options options(RE2::Quiet);
    options.set_case_sensitive(false);
    regex.emplace(wanted, options);
    if (!regex->ok()) return bad_request(fmt::format("name is no regular expression: {}", regex->error()));
  }
  const auto lower = [](std::string text) {
    std::transform(text.begin(), text.end(), text.begin(), [](unsigned char c) { return std::tolower(c); });
    return text;
  };
  const std::string part = lower(wanted);
  std::erase_if(rows, [&](const FieldValue& row) {
    const FieldValue* value = find(row, "name");
    const std::string* name = value ? value->get<std::string>() : nullptr;
    if (name == nullptr) return true;
    return regex ? !RE2::PartialMatch(*name, *regex) : lower(*name).find(part) == std::string::npos;
  });
  return {};
}

}  // namespace

FieldValue with_columns(const FieldValue& value, const std::string& columns) {
  if (columns.empty() || value.get<Table>() == nullptr) return value;
  // A column of an object inside keeps that object around it.
  Table out;
  for (std::string_view column : split(columns, ',')) {
    const FieldValue* found = find(value, column);
    if (found == nullptr) continue;
    Table* into = &out;
    const auto path = split(column, '.');
    for (std::size_t at = 0; at + 1 < path.size(); ++at) {
      if (into->find(path[at]) == nullptr) into->set(path[at], Table{});
      for (auto& [name, inner] : into->entries()) {
        if (name == path[at]) into = std::get_if<Table>(&inner.value);
      }
      if (into == nullptr) break;
    }
    if (into != nullptr) into->set(path.back(), *found);
  }
  return out;
}

Outcome<FieldValue> paged(FieldArray rows, const std::map<std::string, std::string>& query) {
  if (const std::string by = of(query, "sort"); !by.empty()) sort_by(rows, by, of(query, "sort_reverse") == "true");
  const std::string columns = of(query, "columns");
  const auto cut = [&](FieldArray& some) {
    if (columns.empty()) return;
    for (FieldValue& each : some) each = with_columns(each, columns);
  };
  const bool pages = query.contains("page") || of(query, "pagination") == "true";
  if (!pages) {
    cut(rows);
    return FieldValue(std::move(rows));
  }
  auto page = number(query, "page", 1);
  if (!page) return tl::unexpected(page.error());
  auto size = number(query, "page_size", 100);
  if (!size) return tl::unexpected(size.error());
  if (*size > most_rows) {
    return wrong_page("invalid_pagination_parameters", fmt::format("page_size is at most {}", most_rows));
  }
  const std::size_t total = rows.size();
  if (auto kept = keep_named(rows, of(query, "name"), of(query, "use_regex") == "true"); !kept) {
    return tl::unexpected(kept.error());
  }
  const std::size_t count = rows.size();
  const std::size_t last = std::max<std::size_t>(1, (count + *size - 1) / *size);
  if (*page > last) return wrong_page("page_out_of_range", fmt::format("there are {} pages", last));
  const auto first = rows.begin() + static_cast<std::ptrdiff_t>((*page - 1) * *size);
  FieldArray items(std::make_move_iterator(first),
                   std::make_move_iterator(rows.begin() + static_cast<std::ptrdiff_t>(std::min(count, *page * *size))));
  cut(items);
  Table out;
  const auto say = [&](const char* name, std::size_t value) { out.set(name, static_cast<std::int64_t>(value)); };
  say("filtered_count", count);
  say("item_count", items.size());
  say("page", *page);
  say("page_count", last);
  say("page_size", *size);
  say("total_count", total);
  out.set("items", std::move(items));
  return FieldValue(std::move(out));
}

}  // namespace wherry::broker::admin
