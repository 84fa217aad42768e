// Points in time as the headers eta and expires and a result's date_done spell them: ISO 8601 as Python's isoformat().
#pragma once

#include <string>
#include <string_view>

#include "base/clock.h"
#include "base/result.h"

namespace wherry {

// In UTC with its offset, microseconds only when there are any: "2026-01-31T12:00:00.250000+00:00".
std::string format_iso8601(WallTime time);

// "2026-01-31T12:00:00.25+02:00", "...Z"; a space for the T; seconds, fraction and time may be missing. Without an
// offset it is UTC, which is what Celery means by it. Digits beyond the clock's resolution are cut; times beyond its
// range (a deadline in the year 9999) become its end. Errors: one sentence with the text.
Result<WallTime> parse_iso8601(std::string_view text);

}  // namespace wherry
