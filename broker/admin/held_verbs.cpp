// What queues hold back: messages that wait for their time, and dead letters.
#include <fmt/format.h>

#include "base/iso8601.h"
#include "broker/admin/handlers.h"
#include "broker/admin/verb.h"
#include "broker/admin/wait.h"
#include "broker/queueing/held_message.h"

namespace wherry::broker::admin::verbs {

namespace {

namespace h = handlers;

constexpr std::int64_t most_scheduled_at_once = 1000;
constexpr const char* too_late = "the broker is busy: it did not answer in time";

FieldValue scheduled_row(const HeldMessage& message) {
  Table row;
  row.set("due", format_iso8601(WallTime(std::chrono::milliseconds(message.key.due_ms))));
  row.set("id", !message.task_id.empty() ? message.task_id : message.message_id);
  row.set("task", message.task);
  row.set("bytes", count(message.body_bytes));
  row.set("key", key_text(message.key));
  return row;
}

Outcome<FieldValue> list_scheduled(Desk& desk, const Caller&, const Table& request) {
  const std::string after = text_of(request, "after");
  const auto key = after.empty() ? ScheduleKey{} : parse_key_text(after);
  if (!key) return bad_request(fmt::format("'{}' is not a key of the listing", after));
  std::int64_t limit = 100;
  request.integer("limit", limit);
  if (limit < 1 || limit > most_scheduled_at_once) {
    return bad_request(fmt::format("the limit is 1 to {}, not {}", most_scheduled_at_once, limit));
  }
  const auto page = wait_for<Result<HeldPage>>([&](auto answered) {
    desk.broker().list_scheduled(vhost_of(request), text_of(request, "queue"), *key, static_cast<std::size_t>(limit),
                                 std::move(answered));
  });
  if (!page) return unavailable(too_late);
  if (!*page) return not_found(page->error().message);
  FieldArray rows;
  for (const HeldMessage& message : (*page)->messages) rows.emplace_back(scheduled_row(message));
  return FieldValue(std::move(rows));
}

Outcome<FieldValue> cancel_scheduled(Desk& desk, const Caller& caller, const Table& request) {
  const std::string queue = text_of(request, "queue");
  const std::string id = text_of(request, "id");
  const auto cancelled = wait_for<Result<std::size_t>>(
      [&](auto answered) { desk.broker().cancel_scheduled(vhost_of(request), queue, id, std::move(answered)); });
  if (!cancelled) return unavailable(too_late);
  if (!*cancelled) return not_found(cancelled->error().message);
  if (**cancelled > 0)
    desk.audit(caller, fmt::format("cancelled {} of queue '{}', vhost '{}'", id, queue, vhost_of(request)));
  Table row;
  row.set("cancelled", count(**cancelled));
  return FieldValue(FieldArray{FieldValue(std::move(row))});
}

template <Handler handler>
Outcome<FieldValue> dead_letters(Desk& desk, const Caller& caller, const Table& request) {
  if (auto fine = check_vhost(desk, request); !fine) return tl::unexpected(fine.error());
  return run(desk, caller, handler, {vhost_of(request)}, request);
}

Outcome<FieldValue> show_dead_letter(Desk& desk, const Caller& caller, const Table& request) {
  if (auto fine = check_vhost(desk, request); !fine) return tl::unexpected(fine.error());
  return run(desk, caller, h::dead_letter, {vhost_of(request), text_of(request, "id")}, request);
}

constexpr Verb known_held_verbs[] = {
    {"list_scheduled", Level::administrator, list_scheduled},
    {"cancel_scheduled", Level::administrator, cancel_scheduled},
    {"list_dead_letters", Level::management, dead_letters<h::dead_letters>},
    {"show_dead_letter", Level::management, show_dead_letter},
    {"replay_dead_letters", Level::management, dead_letters<h::replay>},
    {"discard_dead_letters", Level::management, dead_letters<h::discard>},
};

}  // namespace

std::span<const Verb> held_verbs() {
  return known_held_verbs;
}

}  // namespace wherry::broker::admin::verbs
