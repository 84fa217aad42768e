#include "protocol/task/convert.h"

#include "base/iso8601.h"
#include "base/nearest.h"
#include "protocol/task/repr.h"

namespace wherry::task::detail {

namespace {

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
  constexpr std::size_t longest = 100;  // What is longer is shown cut, and was meant to be no field.
  std::optional<std::string> meant;
  if (key.size() <= longest) meant = nearest(key, {known.begin(), known.end()});
  const std::string hint = meant ? "; did you mean '" + *meant + "'?" : "";
  return trouble(Path{&path, cut_utf8(key, longest)}, "unknown" + hint);
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
