#include "sdk/results/sqlite/url.h"

namespace wherry::results {

Result<std::string> parse_sqlite_url(std::string_view url) {
  constexpr std::string_view scheme = "sqlite:///";
  if (!url.starts_with(scheme) || url.size() == scheme.size()) {
    return fail("result backend: a file is sqlite:///relative/path or sqlite:////absolute/path");
  }
  return std::string(url.substr(scheme.size()));
}

}  // namespace wherry::results
