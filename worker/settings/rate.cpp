#include "worker/settings/rate.h"

#include <charconv>

#include <fmt/format.h>

namespace wherry {

Result<double> parse_rate(std::string_view text) {
  if (text.empty() || text == "none" || text == "None") return 0.0;
  double count = 0;
  const char* const end = text.data() + text.size();
  const auto [rest, error] = std::from_chars(text.data(), end, count);
  const std::string_view unit(rest, static_cast<std::size_t>(end - rest));
  if (error == std::errc() && count >= 0 && count <= 1e9) {
    if (unit.empty() || unit == "/s") return count;
    if (unit == "/m") return count / 60;
    if (unit == "/h") return count / 3600;
  }
  return fail(fmt::format("'{}' is no rate; write 10/s, 10/m or 10/h", text));
}

}  // namespace wherry
