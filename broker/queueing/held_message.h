// What the broker reads in a message that may have to wait for its time: Celery's headers eta and expires, and the
// names by which people know it. Pure. Source: Celery's message protocol 2 (docs/tasks-on-the-wire.md).
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "broker/queueing/delay_store.h"

namespace wherry::broker {

struct HoldTimes {                          // POSIX milliseconds.
  std::optional<std::uint64_t> eta_ms;      // Not to be given to anybody before.
  std::optional<std::uint64_t> expires_ms;  // Nor at that time or later.
};
// Of a header that is not there, null, or no time, nothing is known. Cheap where both are null.
HoldTimes hold_times(std::string_view raw_properties);

// The properties of a message that was held: eta is null, and its text stands in x-eta. A worker that is told an eta,
// be it past, makes the message wait for its own timer.
std::string released_properties(std::string_view raw_properties);

HeldMessage describe_held(ScheduleKey key, std::string_view raw_properties, std::uint64_t body_bytes, bool persistent);
// "1764547200000-17": what a message without a name is called.
std::string key_text(ScheduleKey key);
std::optional<ScheduleKey> parse_key_text(std::string_view text);
bool has_name(const HeldMessage& message, std::string_view name);

}  // namespace wherry::broker
