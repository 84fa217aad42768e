#include "perf/json_line.h"

#include <cmath>

#include <fmt/format.h>

namespace wherry::perf {

namespace {

std::string quoted(std::string_view text) {
  std::string out = "\"";
  for (const char c : text) {
    if (c == '"' || c == '\\') {
      out += '\\';
      out += c;
    } else if (static_cast<unsigned char>(c) < 0x20) {
      out += fmt::format("\\u{:04x}", static_cast<unsigned>(c));
    } else {
      out += c;
    }
  }
  return out + '"';
}

}  // namespace

void JsonLine::add(std::string_view key, std::string_view value) {
  if (!fields_.empty()) fields_ += ", ";
  fields_ += quoted(key);
  fields_ += ": ";
  fields_ += value;
}

JsonLine& JsonLine::text(std::string_view key, std::string_view value) {
  add(key, quoted(value));
  return *this;
}

JsonLine& JsonLine::number(std::string_view key, double value) {
  // JSON has no infinities; a rate over no time is such a number.
  if (!std::isfinite(value)) value = 0;
  add(key, std::fabs(value) >= 1000 ? fmt::format("{:.0f}", value) : fmt::format("{:.4g}", value));
  return *this;
}

JsonLine& JsonLine::count(std::string_view key, std::uint64_t value) {
  add(key, fmt::format("{}", value));
  return *this;
}

JsonLine& JsonLine::flag(std::string_view key, bool value) {
  add(key, value ? "true" : "false");
  return *this;
}

}  // namespace wherry::perf
