#include "broker/admin/verb.h"

#include <algorithm>

#include <fmt/format.h>

namespace wherry::broker::admin::verbs {

Outcome<FieldValue> run(Desk& desk, const Caller& caller, Handler handler, Names parts, Table body,
                        std::map<std::string, std::string> query) {
  Request request;
  request.parts = std::move(parts);
  request.body = std::move(body);
  request.query = std::move(query);
  request.caller = caller;
  auto answered = handler(desk, request);
  if (!answered) return tl::unexpected(answered.error());
  return answered->has_body ? std::move(answered->body) : FieldValue();
}

std::string vhost_of(const Table& request) {
  return text_of(request, "vhost", "/");
}

Outcome<void> check_vhost(Desk& desk, const Table& request) {
  if (desk.shared().find_vhost(vhost_of(request))) return {};
  return not_found(fmt::format("Virtual host '{}' does not exist", vhost_of(request)));
}

namespace {

const FieldValue* find(const Table& row, std::string_view path) {
  const std::size_t dot = path.find('.');
  const FieldValue* value = row.find(path.substr(0, dot));
  if (value == nullptr || dot == path.npos) return value;
  const Table* inner = value->get<Table>();
  return inner ? find(*inner, path.substr(dot + 1)) : nullptr;
}

}  // namespace

Outcome<FieldValue> choose(const Outcome<FieldValue>& rows, const Table& request, const Columns& known,
                           const Names& usual) {
  if (!rows) return rows;
  Names names = texts_of(request, "columns");
  if (names.empty()) names = usual;
  std::vector<const Column*> chosen;
  std::string unknown;
  for (const std::string& name : names) {
    const auto found = std::find_if(known.begin(), known.end(), [&](const Column& each) { return each.name == name; });
    if (found == known.end()) {
      unknown += (unknown.empty() ? "" : ", ") + name;
    } else {
      chosen.push_back(&*found);
    }
  }
  if (!unknown.empty()) return bad_request(fmt::format("Info key(s) {} are not supported", unknown));
  FieldArray out;
  for (const FieldValue& each : *rows->get<FieldArray>()) {
    const Table& row = *each.get<Table>();
    Table line;
    for (const Column* column : chosen) {
      const FieldValue* value = find(row, column->path);
      line.entries().emplace_back(column->name, value ? *value : FieldValue());
    }
    out.emplace_back(std::move(line));
  }
  return FieldValue(std::move(out));
}

Columns same(std::initializer_list<const char*> names) {
  Columns columns;
  for (const char* name : names) columns.push_back({name, name});
  return columns;
}

Outcome<FieldValue> change(Desk& desk, const Caller& caller, const Result<std::uint64_t>& changed,
                           std::string_view what) {
  // In its own words: whoever sits at a terminal has asked by name.
  if (!changed) return not_found(changed.error().message);
  if (auto kept = desk.kept(changed); !kept) return tl::unexpected(kept.error());
  desk.audit(caller, what);
  return FieldValue();
}

Outcome<FieldValue> in_words(Outcome<FieldValue> outcome, std::string missing) {
  if (!outcome && outcome.error().status == 404) return not_found(std::move(missing));
  return outcome;
}

FieldArray pairs(const Table& table) {
  FieldArray rows;
  for (const auto& [name, value] : table.entries()) {
    Table row;
    put(row, "key", name);
    row.entries().emplace_back("value", value);
    rows.emplace_back(std::move(row));
  }
  return rows;
}

}  // namespace wherry::broker::admin::verbs
