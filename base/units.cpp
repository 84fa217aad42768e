#include "base/units.h"

#include <array>
#include <charconv>
#include <cmath>
#include <limits>
#include <utility>

#include <fmt/format.h>

namespace wherry {

namespace {

struct Unit {
  std::string_view name;
  std::uint64_t factor;
};

// Largest first; the durations in milliseconds.
constexpr std::array<Unit, 5> durations{{{"d", 86'400'000}, {"h", 3'600'000}, {"m", 60'000}, {"s", 1000}, {"ms", 1}}};
constexpr std::array<Unit, 10> sizes{{{"", 1},
                                      {"b", 1},
                                      {"kb", 1000},
                                      {"mb", 1'000'000},
                                      {"gb", 1'000'000'000},
                                      {"tb", 1'000'000'000'000},
                                      {"kib", 1ull << 10},
                                      {"mib", 1ull << 20},
                                      {"gib", 1ull << 30},
                                      {"tib", 1ull << 40}}};

// Takes "12" or "1.5" from the front; false when there is none.
bool take_number(std::string_view& text, std::uint64_t& whole, double& fraction) {
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), whole);
  if (error != std::errc{}) return false;
  fraction = 0;
  text.remove_prefix(static_cast<std::size_t>(end - text.data()));
  if (!text.starts_with('.')) return true;
  std::size_t length = 1;
  double place = 0.1;
  for (; length < text.size() && text[length] >= '0' && text[length] <= '9'; ++length, place /= 10)
    fraction += place * (text[length] - '0');
  if (length == 1) return false;
  text.remove_prefix(length);
  return true;
}

// False when the product is no whole number or too large.
bool multiply(std::uint64_t whole, double fraction, std::uint64_t factor, std::uint64_t& into) {
  constexpr auto top = static_cast<std::uint64_t>(std::numeric_limits<std::int64_t>::max());
  const double part = fraction * static_cast<double>(factor);
  const double rounded = std::round(part);
  if (std::abs(part - rounded) > 1e-6 * static_cast<double>(factor > 1000 ? 1000 : factor)) return false;
  const auto rest = static_cast<std::uint64_t>(rounded);
  if (whole > (top - rest) / factor) return false;
  into = whole * factor + rest;
  return true;
}

constexpr std::string_view duration_help = "a duration is written as 30s, 1m30s, 250ms or 2h";
constexpr std::string_view size_help = "a size is written as 4096, 128KiB or 16MiB";

}  // namespace

Result<std::chrono::milliseconds> parse_duration(std::string_view text) {
  const auto wrong = [&] { return fail(std::string(duration_help)); };
  std::uint64_t total = 0;
  std::size_t next_unit = 0;
  if (text.empty()) return wrong();
  for (bool first = true; !text.empty(); first = false) {
    std::uint64_t whole = 0;
    double fraction = 0;
    if (!take_number(text, whole, fraction)) return wrong();
    std::size_t length = 0;
    while (length < text.size() && text[length] >= 'a' && text[length] <= 'z') ++length;
    std::string_view name = text.substr(0, length);
    text.remove_prefix(length);
    if (name.empty()) {
      if (!first || !text.empty()) return wrong();
      name = "s";
    }
    std::size_t unit = next_unit;
    while (unit < durations.size() && durations[unit].name != name) ++unit;
    std::uint64_t part = 0;
    if (unit == durations.size() || !multiply(whole, fraction, durations[unit].factor, part)) return wrong();
    next_unit = unit + 1;
    total += part;
    if (total > static_cast<std::uint64_t>(std::numeric_limits<std::int64_t>::max())) return wrong();
  }
  return std::chrono::milliseconds(static_cast<std::int64_t>(total));
}

Result<std::uint64_t> parse_size(std::string_view text) {
  std::uint64_t whole = 0;
  double fraction = 0;
  if (!take_number(text, whole, fraction)) return fail(std::string(size_help));
  if (text.starts_with(' ')) text.remove_prefix(1);
  std::string name(text);
  for (char& c : name)
    if (c >= 'A' && c <= 'Z') c = static_cast<char>(c - 'A' + 'a');
  for (const Unit& unit : sizes) {
    std::uint64_t bytes = 0;
    if (unit.name == name && multiply(whole, fraction, unit.factor, bytes)) return bytes;
  }
  return fail(std::string(size_help));
}

std::string format_duration(std::chrono::milliseconds duration) {
  auto rest = static_cast<std::uint64_t>(duration.count());
  std::string out;
  for (const Unit& unit : durations) {
    if (rest >= unit.factor) {
      out += fmt::format("{}{}", rest / unit.factor, unit.name);
      rest %= unit.factor;
    }
  }
  return out.empty() ? "0s" : out;
}

}  // namespace wherry
