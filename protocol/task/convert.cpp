#include "protocol/task/convert.h"

#include <numeric>

#include "protocol/task/iso8601.h"

namespace wherry::task::detail {

namespace {

// How many letters must be added, dropped or changed to make one of the other.
std::size_t distance(std::string_view a, std::string_view b) {
  std::vector<std::size_t> row(b.size() + 1);
  std::iota(row.begin(), row.end(), std::size_t{0});
  for (std::size_t i = 0; i < a.size(); ++i) {
    std::size_t diagonal = row[0];
    row[0] = i + 1;
    for (std::size_t j = 0; j < b.size(); ++j) {
      const std::size_t above = row[j + 1];
      row[j + 1] = std::min({row[j] + 1, above + 1, diagonal + (a[i] == b[j] ? 0 : 1)});
      diagonal = above;
    }
  }
  return row.back();
}

// Empty when none is near enough to be meant.
std::string_view nearest(std::string_view name, std::span<const std::string_view> known) {
  if (name.size() > 100) return {};
  std::string_view best;
  std::size_t least = std::max<std::size_t>(1, name.size() / 3) + 1;
  for (std::string_view candidate : known) {
    const std::size_t d = distance(name, candidate);
    if (d < least) least = d, best = candidate;
  }
  return best;
}

std::string at(const Path& path) {
  std::string where = path.spell();
  return where.empty() ? "" : "field '" + where + "': ";
}

}  // namespace

std::string Path::spell() const {
  if (parent == nullptr) return {};
  std::string out = parent->spell();
  if (field.data() == nullptr) return out + "[" + std::to_string(index) + "]";
  if (!out.empty()) out += '.';
  return out.append(field);
}

bool Reader::trouble(const Path& path, std::string_view what) {
  error = at(path).append(what);
  return false;
}

bool Reader::expected(const Path& path, std::string_view what, const Value& got) {
  return trouble(path, "expected " + std::string(what) + ", got " + describe(got));
}

bool Reader::missing(const Path& path) {
  return trouble(path, "missing");
}

bool Reader::does_not_fit(const Path& path, const Value& got, const std::string& least, const std::string& most) {
  const auto* small = got.get<std::int64_t>();
  const std::string number = small != nullptr ? std::to_string(*small) : std::to_string(*got.get<std::uint64_t>());
  return trouble(path, number + " does not fit (" + least + " to " + most + ")");
}

bool Reader::unknown(const Path& path, std::string_view key, std::span<const std::string_view> known) {
  const std::string_view meant = nearest(key, known);
  const std::string hint = meant.empty() ? "" : "; did you mean '" + std::string(meant) + "'?";
  return trouble(Path{&path, key.substr(0, 100)}, "unknown" + hint);
}

bool Reader::read_time(const Value& value, WallTime& into, const Path& path) {
  const auto* text = value.get<std::string>();
  const auto time = text == nullptr ? Result<WallTime>(fail("")) : parse_iso8601(*text);
  if (!time) return expected(path, "an ISO 8601 time", value);
  into = *time;
  return true;
}

Value time_value(WallTime from) {
  return format_iso8601(from);
}

}  // namespace wherry::task::detail
