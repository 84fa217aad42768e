#include "worker/schedule/state.h"

#include <algorithm>
#include <utility>

#include <fmt/format.h>

#include "base/assert.h"
#include "base/iso8601.h"
#include "protocol/task/json.h"

namespace wherry::schedule {

namespace {

constexpr std::int64_t state_version = 1;

const std::string* text_of(const task::Value& map, std::string_view key) {
  const task::Value* value = map.find(key);
  return value ? value->get<std::string>() : nullptr;
}

Result<EntryState> decode_entry(const std::string& name, const task::Value& value) {
  const std::string* timetable = text_of(value, "timetable");
  const std::string* until = text_of(value, "until");
  const std::string* seen = text_of(value, "seen");
  if (!timetable || !until || !seen) return fail(fmt::format("entry '{}' lacks timetable, until or seen", name));
  auto until_time = parse_iso8601(*until);
  if (!until_time) return tl::unexpected(until_time.error());
  auto seen_time = parse_iso8601(*seen);
  if (!seen_time) return tl::unexpected(seen_time.error());
  return EntryState{*timetable, *until_time, *seen_time};
}

}  // namespace

void merge(State& into, const State& other) {
  for (const auto& [name, theirs] : other) {
    const auto [at, is_new] = into.try_emplace(name, theirs);
    EntryState& ours = at->second;
    if (is_new) continue;
    if (ours.timetable == theirs.timetable) {
      ours.until = std::max(ours.until, theirs.until);
      ours.seen = std::max(ours.seen, theirs.seen);
    } else if (std::tie(theirs.seen, theirs.timetable) > std::tie(ours.seen, ours.timetable)) {
      ours = theirs;
    }
  }
}

void forget(State& state, WallTime not_seen_since) {
  std::erase_if(state, [&](const auto& each) { return each.second.seen < not_seen_since; });
}

std::string encode_state(const State& state) {
  task::Value::Map entries;
  for (const auto& [name, entry] : state) {
    entries.emplace_back(name, task::Value::Map{{"timetable", entry.timetable},
                                                {"until", format_iso8601(entry.until)},
                                                {"seen", format_iso8601(entry.seen)}});
  }
  auto text = task::encode_json(task::Value::Map{{"version", state_version}, {"entries", std::move(entries)}});
  WHERRY_ASSERT(text);  // Names were checked to be UTF-8 as they were read.
  return *std::move(text);
}

Result<State> decode_state(std::string_view body) {
  auto value = task::decode_json(body);
  if (!value) return tl::unexpected(value.error());
  const task::Value* version = value->find("version");
  if (!version || *version != task::Value(state_version)) return fail("it is of another version");
  const task::Value* entries = value->find("entries");
  const auto* map = entries ? entries->get<task::Value::Map>() : nullptr;
  if (!map) return fail("it has no entries");
  State out;
  for (const auto& [name, each] : *map) {
    auto entry = decode_entry(name, each);
    if (!entry) return tl::unexpected(entry.error());
    out.emplace(name, *std::move(entry));
  }
  return out;
}

}  // namespace wherry::schedule
