#include "broker/admin/task_verbs.h"

#include <algorithm>

#include <fmt/format.h>

#include "broker/admin/handlers.h"

namespace wherry::broker::admin {

namespace {

namespace h = handlers;

using Parts = std::vector<std::string>;
using Query = std::map<std::string, std::string>;

Outcome<FieldValue> handle(Desk& desk, Handler handler, const Table& request, Parts more = {}, Table body = {},
                           Query query = {}) {
  Request asked;
  asked.parts = {text_of(request, "vhost", "/")};
  if (!desk.shared().find_vhost(asked.parts.front())) {
    return not_found(fmt::format("Virtual host '{}' does not exist", asked.parts.front()));
  }
  for (std::string& each : more) asked.parts.push_back(std::move(each));
  asked.body = std::move(body);
  asked.query = std::move(query);
  asked.caller = Caller::local_operator();
  auto answered = handler(desk, asked);
  if (!answered) return tl::unexpected(answered.error());
  return answered->has_body ? std::move(answered->body) : FieldValue();
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

Outcome<FieldValue> list_tasks(Desk& desk, const Table& request) {
  if (auto fine = must_watch(desk); !fine) return tl::unexpected(fine.error());
  Query query;
  for (const char* name : {"state", "task", "worker", "queue", "root"}) {
    if (const std::string value = text_of(request, name); !value.empty()) query[name] = value;
  }
  std::int64_t limit = 100;
  request.integer("limit", limit);
  query["limit"] = std::to_string(limit);
  return handle(desk, h::list_tasks, request, {}, {}, std::move(query));
}

// Alone, as a list of one: a table has columns.
Outcome<FieldValue> show_task(Desk& desk, const Table& request) {
  if (auto fine = must_watch(desk); !fine) return tl::unexpected(fine.error());
  auto shown = handle(desk, h::get_task, request, {text_of(request, "id")});
  if (!shown) return shown;
  FieldArray rows;
  for (const auto& [name, value] : shown->get<Table>()->entries()) {
    Table row;
    put(row, "key", name);
    row.entries().emplace_back("value", value);
    rows.emplace_back(std::move(row));
  }
  return FieldValue(std::move(rows));
}

Outcome<FieldValue> task_names(Desk& desk, const Table& request) {
  if (auto fine = must_watch(desk); !fine) return tl::unexpected(fine.error());
  return handle(desk, h::list_task_names, request);
}

Outcome<FieldValue> workers(Desk& desk, const Table& request) {
  if (auto fine = must_watch(desk); !fine) return tl::unexpected(fine.error());
  return handle(desk, h::list_workers, request);
}

Outcome<FieldValue> tell_worker(Desk& desk, const Table& request) {
  Table arguments = table_of(request, "arguments");
  return answers_as_rows(handle(desk, h::command_workers, request,
                                {text_of(request, "worker"), text_of(request, "command")}, std::move(arguments)));
}

Outcome<FieldValue> revoke(Desk& desk, const Table& request) {
  return answers_as_rows(
      handle(desk, h::revoke_task, request, {text_of(request, "id")}, chosen(request, {"terminate", "signal"})));
}

Outcome<FieldValue> retry(Desk& desk, const Table& request) {
  auto retried = handle(desk, h::retry_task, request, {text_of(request, "id")}, chosen(request, {"queue"}));
  if (!retried) return retried;
  return FieldValue(FieldArray{std::move(*retried)});
}

Outcome<FieldValue> enqueue(Desk& desk, const Table& request) {
  Table body = chosen(request, {"task", "args", "kwargs", "id", "queue", "eta", "countdown", "expires", "priority"});
  auto sent = handle(desk, h::post_task, request, {}, std::move(body));
  if (!sent) return sent;
  return FieldValue(FieldArray{std::move(*sent)});
}

Outcome<FieldValue> list_schedules(Desk& desk, const Table& request) {
  return handle(desk, h::list_schedules, request);
}

Outcome<FieldValue> run_schedule(Desk& desk, const Table& request) {
  auto ran = handle(desk, h::run_schedule, request,
                    {text_of(request, "schedule", "wherry.schedule"), text_of(request, "name")});
  if (!ran) return ran;
  return FieldValue(FieldArray{std::move(*ran)});
}

struct TaskVerb {
  std::string_view name;
  Outcome<FieldValue> (*run)(Desk& desk, const Table& request);
};
constexpr TaskVerb task_verbs[] = {
    {"tasks", list_tasks},
    {"task", show_task},
    {"task_names", task_names},
    {"workers", workers},
    {"tell_worker", tell_worker},
    {"revoke", revoke},
    {"retry", retry},
    {"enqueue", enqueue},
    {"list_schedules", list_schedules},
    {"run_schedule", run_schedule},
};

const TaskVerb* find_task_verb(std::string_view name) {
  const auto* found = std::find_if(std::begin(task_verbs), std::end(task_verbs),
                                   [&](const TaskVerb& each) { return each.name == name; });
  return found == std::end(task_verbs) ? nullptr : found;
}

}  // namespace

bool is_task_verb(std::string_view name) {
  return find_task_verb(name) != nullptr;
}

Outcome<FieldValue> run_task_verb(Desk& desk, const Table& request) {
  return find_task_verb(text_of(request, "verb"))->run(desk, request);
}

}  // namespace wherry::broker::admin
