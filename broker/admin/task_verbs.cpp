// Tasks, workers and schedules.
#include "broker/admin/handlers.h"
#include "broker/admin/verb.h"

namespace wherry::broker::admin::verbs {

namespace {

namespace h = handlers;

using Query = std::map<std::string, std::string>;

// In a virtual host that there is.
Outcome<FieldValue> handle(Desk& desk, const Caller& caller, Handler handler, const Table& request,
                           const Names& more = {}, Table body = {}, Query query = {}) {
  if (auto fine = check_vhost(desk, request); !fine) return tl::unexpected(fine.error());
  Names parts{vhost_of(request)};
  parts.insert(parts.end(), more.begin(), more.end());
  return run(desk, caller, handler, std::move(parts), std::move(body), std::move(query));
}

Table chosen(const Table& request, std::initializer_list<const char*> names) {
  Table body;
  for (const char* name : names) {
    if (const FieldValue* value = request.find(name); value && !value->is_null()) body.set(name, *value);
  }
  return body;
}

// A table shows a row for each that answered.
Outcome<FieldValue> answers_as_rows(Outcome<FieldValue> outcome) {
  const Table* row = outcome ? outcome->get<Table>() : nullptr;
  const FieldValue* answers = row ? row->find("answers") : nullptr;
  const Table* by_name = answers ? answers->get<Table>() : nullptr;
  if (by_name == nullptr) return outcome;
  FieldArray rows;
  for (const auto& [name, said] : by_name->entries()) {
    Table line;
    put(line, "worker", name);
    line.entries().emplace_back("answer", said);
    rows.emplace_back(std::move(line));
  }
  return FieldValue(std::move(rows));
}

// An empty listing and one that cannot be: who looks has to know which it is.
Outcome<void> must_watch(Desk& desk) {
  if (desk.tasks().watches()) return {};
  return bad_request(desk.config().observe_tasks
                         ? "tasks are watched while the management API listens: see listen.management"
                         : "tasks are not watched: tasks.observe is false");
}

Outcome<FieldValue> list_tasks(Desk& desk, const Caller& caller, const Table& request) {
  if (auto fine = must_watch(desk); !fine) return tl::unexpected(fine.error());
  Query query;
  for (const char* name : {"state", "task", "worker", "queue", "root"}) {
    if (const std::string value = text_of(request, name); !value.empty()) query[name] = value;
  }
  std::int64_t limit = 100;
  request.integer("limit", limit);
  query["limit"] = std::to_string(limit);
  return handle(desk, caller, h::list_tasks, request, {}, {}, std::move(query));
}

// Alone, as a list of one: a table has columns.
Outcome<FieldValue> show_task(Desk& desk, const Caller& caller, const Table& request) {
  if (auto fine = must_watch(desk); !fine) return tl::unexpected(fine.error());
  auto shown = handle(desk, caller, h::get_task, request, {text_of(request, "id")});
  if (!shown) return shown;
  return FieldValue(pairs(*shown->get<Table>()));
}

Outcome<FieldValue> task_names(Desk& desk, const Caller& caller, const Table& request) {
  if (auto fine = must_watch(desk); !fine) return tl::unexpected(fine.error());
  return handle(desk, caller, h::list_task_names, request);
}

Outcome<FieldValue> workers(Desk& desk, const Caller& caller, const Table& request) {
  if (auto fine = must_watch(desk); !fine) return tl::unexpected(fine.error());
  return handle(desk, caller, h::list_workers, request);
}

Outcome<FieldValue> tell_worker(Desk& desk, const Caller& caller, const Table& request) {
  Table arguments = table_of(request, "arguments");
  return answers_as_rows(handle(desk, caller, h::command_workers, request,
                                {text_of(request, "worker"), text_of(request, "command")}, std::move(arguments)));
}

Outcome<FieldValue> revoke(Desk& desk, const Caller& caller, const Table& request) {
  return answers_as_rows(handle(desk, caller, h::revoke_task, request, {text_of(request, "id")},
                                chosen(request, {"terminate", "signal"})));
}

Outcome<FieldValue> retry(Desk& desk, const Caller& caller, const Table& request) {
  auto retried = handle(desk, caller, h::retry_task, request, {text_of(request, "id")}, chosen(request, {"queue"}));
  if (!retried) return retried;
  return FieldValue(FieldArray{std::move(*retried)});
}

Outcome<FieldValue> enqueue(Desk& desk, const Caller& caller, const Table& request) {
  Table body = chosen(request, {"task", "args", "kwargs", "id", "queue", "eta", "countdown", "expires", "priority"});
  auto sent = handle(desk, caller, h::post_task, request, {}, std::move(body));
  if (!sent) return sent;
  return FieldValue(FieldArray{std::move(*sent)});
}

Outcome<FieldValue> list_schedules(Desk& desk, const Caller& caller, const Table& request) {
  return handle(desk, caller, h::list_schedules, request);
}

Outcome<FieldValue> run_schedule(Desk& desk, const Caller& caller, const Table& request) {
  auto ran = handle(desk, caller, h::run_schedule, request,
                    {text_of(request, "schedule", "wherry.schedule"), text_of(request, "name")});
  if (!ran) return ran;
  return FieldValue(FieldArray{std::move(*ran)});
}

constexpr Verb known_task_verbs[] = {
    {"tasks", Level::management, list_tasks},
    {"task", Level::management, show_task},
    {"task_names", Level::management, task_names},
    {"workers", Level::management, workers},
    {"tell_worker", Level::management, tell_worker},
    {"revoke", Level::management, revoke},
    {"retry", Level::management, retry},
    {"enqueue", Level::management, enqueue},
    {"list_schedules", Level::management, list_schedules},
    {"run_schedule", Level::management, run_schedule},
};

}  // namespace

std::span<const Verb> task_verbs() {
  return known_task_verbs;
}

}  // namespace wherry::broker::admin::verbs
