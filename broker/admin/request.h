// A request of the management API as a handler sees it, and what it answers. Plain data.
#pragma once

#include <map>
#include <string>
#include <vector>

#include "broker/admin/desk.h"
#include "broker/admin/rows.h"

namespace wherry::broker::admin {

struct Request {
  std::string method;
  std::vector<std::string> parts;              // What stood for {...} in the path, decoded, in order.
  std::map<std::string, std::string> query;    // Decoded.
  std::map<std::string, std::string> headers;  // Names in lower case.
  Table body;                                  // Empty without one.
  Caller caller;

  const std::string& part(std::size_t at) const { return parts.at(at); }
  std::string option(const std::string& name) const {
    const auto found = query.find(name);
    return found == query.end() ? std::string() : found->second;
  }
  bool flag(const std::string& name) const { return option(name) == "true"; }
};

struct Answer {
  int status = 200;
  bool has_body = true;
  FieldValue body = {};
  std::string location = {};  // Of what was made.
  bool is_listing = false;    // Sorted, paged and cut down to columns as the query says.
  std::string text = {};      // Instead of the body, when text_type is there.
  std::string text_type = {};
};

inline Answer answer(FieldValue body) {
  return {.body = std::move(body)};
}
inline Answer listing(FieldArray rows) {
  return {.body = std::move(rows), .is_listing = true};
}
inline Answer created() {
  return {.status = 201, .has_body = false};
}
inline Answer done() {
  return {.status = 204, .has_body = false};
}

using Handler = Outcome<Answer> (*)(Desk& desk, const Request& request);

// What a body says; nothing where it does not, or says it as another type.
std::string text_of(const Table& body, std::string_view name, std::string_view otherwise = "");
bool flag_of(const Table& body, std::string_view name, bool otherwise = false);
Table table_of(const Table& body, std::string_view name);
// Texts, or one text with commas.
std::vector<std::string> texts_of(const Table& body, std::string_view name);

}  // namespace wherry::broker::admin
