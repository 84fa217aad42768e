// The file of an SQLite database of results: sqlite:///relative/path or sqlite:////absolute/path.
#pragma once

#include <string>
#include <string_view>

#include "base/result.h"

namespace wherry::results {

Result<std::string> parse_sqlite_url(std::string_view url);

}  // namespace wherry::results
