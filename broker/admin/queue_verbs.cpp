// What is done to queues and to connections.
#include <charconv>

#include <fmt/format.h>

#include "broker/admin/handlers.h"
#include "broker/admin/verb.h"

namespace wherry::broker::admin::verbs {

namespace {

namespace h = handlers;

Outcome<FieldValue> purge_queue(Desk& desk, const Caller& caller, const Table& request) {
  const std::string queue = text_of(request, "queue");
  return in_words(run(desk, caller, h::purge_queue, {vhost_of(request), queue}),
                  fmt::format("no queue '{}' in vhost '{}'", queue, vhost_of(request)));
}

Outcome<FieldValue> delete_queue(Desk& desk, const Caller& caller, const Table& request) {
  const std::string queue = text_of(request, "queue");
  std::map<std::string, std::string> query;
  if (flag_of(request, "if_empty")) query["if-empty"] = "true";
  if (flag_of(request, "if_unused")) query["if-unused"] = "true";
  return in_words(run(desk, caller, h::delete_queue, {vhost_of(request), queue}, {}, std::move(query)),
                  fmt::format("no queue '{}' in vhost '{}'", queue, vhost_of(request)));
}

Outcome<FieldValue> move_messages(Desk& desk, const Caller& caller, const Table& request) {
  Table body;
  put(body, "to", text_of(request, "to"));
  if (const std::string limit = text_of(request, "count"); !limit.empty()) {
    std::int64_t number = 0;
    const auto [end, error] = std::from_chars(limit.data(), limit.data() + limit.size(), number);
    if (error != std::errc{} || end != limit.data() + limit.size() || number < 1) {
      return bad_request(fmt::format("'{}' is no number of messages", limit));
    }
    body.set("limit", number);
  }
  auto report = run(desk, caller, h::move_messages, {vhost_of(request), text_of(request, "queue")}, std::move(body));
  if (!report) return report;
  return FieldValue(FieldArray{std::move(*report)});
}

Outcome<FieldValue> pause_queue(Desk& desk, const Caller& caller, const Table& request) {
  return run(desk, caller, h::pause_queue, {vhost_of(request), text_of(request, "queue")});
}

Outcome<FieldValue> resume_queue(Desk& desk, const Caller& caller, const Table& request) {
  return run(desk, caller, h::resume_queue, {vhost_of(request), text_of(request, "queue")});
}

Outcome<FieldValue> close_connection(Desk& desk, const Caller& caller, const Table& request) {
  const std::string name = text_of(request, "connection");
  auto connections = desk.survey().connections();
  if (!connections) return unavailable(connections.error().message);
  for (const ConnectionState& each : *connections) {
    if (each.name() != name) continue;
    desk.shared().close_where([id = each.info.id](const Session& session) { return session.id() == id; },
                              text_of(request, "reason"));
    desk.audit(caller, fmt::format("closed connection {}", name));
    return FieldValue();
  }
  return not_found(fmt::format("no connection '{}'; list_connections name shows them", name));
}

Outcome<FieldValue> close_all_connections(Desk& desk, const Caller& caller, const Table& request) {
  const bool global = flag_of(request, "global");
  const std::string vhost = vhost_of(request);
  auto connections = desk.survey().connections();
  if (!connections) return unavailable(connections.error().message);
  std::int64_t closed = 0;
  for (const ConnectionState& each : *connections) closed += global || each.info.vhost == vhost;
  desk.shared().close_where(
      [global, vhost](const Session& session) {
        return session.vhost() && (global || session.vhost()->name() == vhost);
      },
      text_of(request, "reason"));
  desk.audit(caller, fmt::format("closed {} connections", closed));
  Table row;
  put(row, "closed", closed);
  return FieldValue(FieldArray{FieldValue(std::move(row))});
}

constexpr Verb known_queue_verbs[] = {
    {"purge_queue", Level::management, purge_queue},
    {"delete_queue", Level::management, delete_queue},
    {"move_messages", Level::management, move_messages},
    {"pause_queue", Level::management, pause_queue},
    {"resume_queue", Level::management, resume_queue},
    {"close_connection", Level::administrator, close_connection},
    {"close_all_connections", Level::administrator, close_all_connections},
};

}  // namespace

std::span<const Verb> queue_verbs() {
  return known_queue_verbs;
}

}  // namespace wherry::broker::admin::verbs
