#include "base/json_writer.h"

#include <fmt/format.h>

namespace wherry {

namespace {

// The length of the UTF-8 sequence at the beginning; 0 when there is none.
std::size_t sequence_length(std::string_view bytes) {
  const auto at = [&](std::size_t index) { return static_cast<unsigned char>(bytes[index]); };
  const unsigned char lead = at(0);
  if (lead < 0x80) return 1;
  const std::size_t length = lead >= 0xf0 ? 4 : lead >= 0xe0 ? 3 : 2;
  if (lead < 0xc2 || lead > 0xf4 || bytes.size() < length) return 0;
  for (std::size_t index = 1; index < length; ++index) {
    if ((at(index) & 0xc0) != 0x80) return 0;
  }
  // Overlong forms, surrogates, and what is beyond Unicode.
  if ((lead == 0xe0 && at(1) < 0xa0) || (lead == 0xed && at(1) > 0x9f)) return 0;
  if ((lead == 0xf0 && at(1) < 0x90) || (lead == 0xf4 && at(1) > 0x8f)) return 0;
  return length;
}

}  // namespace

std::string base64(std::string_view bytes) {
  constexpr std::string_view digits = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
  std::string out;
  for (std::size_t at = 0; at < bytes.size(); at += 3) {
    std::uint32_t three = 0;
    const std::size_t count = std::min<std::size_t>(3, bytes.size() - at);
    for (std::size_t n = 0; n < 3; ++n) {
      three = three << 8 | (n < count ? static_cast<unsigned char>(bytes[at + n]) : 0u);
    }
    for (std::size_t n = 0; n < 4; ++n) out += n <= count ? digits[three >> (18 - 6 * n) & 63] : '=';
  }
  return out;
}

void Json::comma() {
  if (!first_ && !out_.ends_with(':')) out_ += ',';
  first_ = false;
}

void Json::quote(std::string_view value) {
  out_ += '"';
  while (!value.empty()) {
    const std::size_t length = sequence_length(value);
    const char c = value.front();
    if (length == 0) {
      out_ += "\xef\xbf\xbd";
    } else if (c == '"' || c == '\\') {
      out_ += '\\';
      out_ += c;
    } else if (static_cast<unsigned char>(c) < 0x20) {
      out_ += fmt::format("\\u{:04x}", static_cast<unsigned>(c));
    } else {
      out_ += value.substr(0, length);
    }
    value.remove_prefix(std::max<std::size_t>(length, 1));
  }
  out_ += '"';
}

Json& Json::open(char begin, char end) {
  comma();
  out_ += begin;
  open_ += end;
  first_ = true;
  return *this;
}
Json& Json::end() {
  out_ += open_.back();
  open_.pop_back();
  first_ = false;
  return *this;
}
Json& Json::key(std::string_view name) {
  comma();
  quote(name);
  out_ += ':';
  return *this;
}
Json& Json::text(std::string_view value) {
  comma();
  quote(value);
  return *this;
}
Json& Json::number(std::uint64_t value) {
  comma();
  out_ += std::to_string(value);
  return *this;
}
Json& Json::flag(bool value) {
  comma();
  out_ += value ? "true" : "false";
  return *this;
}
Json& Json::null() {
  comma();
  out_ += "null";
  return *this;
}

}  // namespace wherry
