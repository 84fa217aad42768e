// Tasks as their workers tell of them: listed, shown, revoked, tried again.
#include <charconv>

#include <fmt/format.h>

#include "base/wall_clock.h"
#include "broker/admin/handlers.h"
#include "broker/admin/task_rows.h"
#include "broker/admin/workers.h"
#include "broker/session/tap.h"

namespace wherry::broker::admin::handlers {

namespace {

constexpr std::size_t usual_limit = 1'000;
constexpr std::size_t most_listed_tasks = 10'000;

Contents contents_for(const Request& request) {
  const bool may = request.caller.check(Access::read, "exchange", request.part(0), event_exchange).has_value() &&
                   request.caller.may_open(request.part(0));
  return may ? Contents::shown : Contents::hidden;
}

Outcome<tasks::Filter> filter_of(const Request& request) {
  tasks::Filter filter;
  filter.name = request.option("task");
  filter.worker = request.option("worker");
  filter.queue = request.option("queue");
  filter.root = request.option("root");
  const std::string states = request.option("state");
  for (std::size_t at = 0; at < states.size();) {
    const std::size_t end = std::min(states.find(',', at), states.size());
    const std::string name = states.substr(at, end - at);
    const auto state = tasks::state_of(name);
    if (!state) {
      return bad_request(fmt::format(
          "'{}' is no state: there are PENDING, RECEIVED, STARTED, RETRY, SUCCESS, FAILURE, REVOKED, REJECTED", name));
    }
    filter.states.push_back(*state);
    at = end + 1;
  }
  return filter;
}

Outcome<std::size_t> limit_of(const Request& request) {
  const std::string text = request.option("limit");
  if (text.empty()) return request.query.contains("page") ? most_listed_tasks : usual_limit;
  std::size_t limit = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), limit);
  if (error == std::errc{} && end == text.data() + text.size() && limit > 0 && limit <= most_listed_tasks) return limit;
  return bad_request(fmt::format("limit is 1 to {}, not '{}'", most_listed_tasks, text));
}

}  // namespace

Outcome<Answer> list_tasks(Desk& desk, const Request& request) {
  if (auto vhost = desk.vhost(request.caller, request.part(0)); !vhost) return tl::unexpected(vhost.error());
  auto filter = filter_of(request);
  if (!filter) return tl::unexpected(filter.error());
  auto limit = limit_of(request);
  if (!limit) return tl::unexpected(limit.error());
  const Contents contents = contents_for(request);
  return listing(desk.tasks().look(request.part(0), [&](const tasks::Memory& memory, const TaskWatch::Counts&) {
    FieldArray rows;
    for (const tasks::Life* each : memory.newest(*filter, *limit)) rows.emplace_back(task_row(*each, contents));
    return rows;
  }));
}

Outcome<Answer> get_task(Desk& desk, const Request& request) {
  if (auto vhost = desk.vhost(request.caller, request.part(0)); !vhost) return tl::unexpected(vhost.error());
  const std::string& id = request.part(1);
  auto row = desk.tasks().look(request.part(0),
                               [&](const tasks::Memory& memory, const TaskWatch::Counts&) -> std::optional<Table> {
                                 const tasks::Life* life = memory.find(id);
                                 if (life == nullptr) return std::nullopt;
                                 return whole_task(memory, *life, contents_for(request));
                               });
  if (!row) return not_found(fmt::format("no event told of a task '{}', or it is forgotten", id));
  return answer(*std::move(row));
}

Outcome<Answer> list_task_names(Desk& desk, const Request& request) {
  if (auto vhost = desk.vhost(request.caller, request.part(0)); !vhost) return tl::unexpected(vhost.error());
  return listing(desk.tasks().look(
      request.part(0), [](const tasks::Memory& memory, const TaskWatch::Counts&) { return task_name_rows(memory); }));
}

Outcome<Answer> task_overview(Desk& desk, const Request& request) {
  if (auto vhost = desk.vhost(request.caller, request.part(0)); !vhost) return tl::unexpected(vhost.error());
  Table row;
  put(row, "observing", desk.tasks().watches());
  put(row, "why",
      std::string(desk.tasks().watches()        ? ""
                  : desk.config().observe_tasks ? "the management API does not listen (listen.management)"
                                                : "tasks.observe is false in broker.yaml"));
  desk.tasks().look(request.part(0), [&](const tasks::Memory& memory, const TaskWatch::Counts& counts) {
    put(row, "tasks", count(memory.size()));
    put(row, "most_tasks", count(memory.bounds().tasks));
    put(row, "bytes", count(memory.bytes()));
    put(row, "most_bytes", count(memory.bounds().bytes));
    put(row, "states", state_counts(memory));
    put(row, "events", count(memory.events()));
    put(row, "refused", count(counts.refused));
    put(row, "missed", count(counts.missed));
    put(row, "forgotten", count(memory.forgotten()));
    put(row, "workers", count(memory.roster().workers().size()));
    put(row, "workers_online", count(memory.roster().online(wall_now())));
  });
  return answer(std::move(row));
}

Outcome<Answer> revoke_task(Desk& desk, const Request& request) {
  const std::string& id = request.part(1);
  for (const auto& [name, value] : request.body.entries()) {
    if (name != "terminate" && name != "signal") {
      return bad_request(fmt::format("unknown key '{}': there are terminate, signal", name));
    }
  }
  WorkerCommand command{.method = "revoke"};
  const bool terminate = flag_of(request.body, "terminate");
  const std::string signal = text_of(request.body, "signal", "TERM");
  command.arguments = {{"task_id", id}, {"terminate", terminate}, {"signal", signal}};
  auto answers = ask_workers(desk, request, command, "");
  if (!answers) return tl::unexpected(answers.error());
  if (answers->empty()) return not_found("no worker answered: a revoke is kept by workers, and one has to hear it");
  desk.audit(request.caller, fmt::format("revoked task '{}' in vhost '{}'{}", id, request.part(0),
                                         terminate ? ", terminating it" : ""));
  return answer(answers_row(*answers));
}

Outcome<Answer> retry_task(Desk& desk, const Request& request) {
  const std::string& id = request.part(1);
  Request replaying = request;
  replaying.parts = {request.part(0)};
  replaying.query.clear();
  replaying.body = Table{};
  replaying.body.set("ids", FieldArray{FieldValue(id)});
  if (const std::string queue = text_of(request.body, "queue"); !queue.empty()) replaying.body.set("queue", queue);
  auto replayed = replay(desk, replaying);
  if (!replayed) return replayed;
  std::int64_t matched = 0;
  const Table* said = replayed->body.get<Table>();
  if (said == nullptr || !said->integer("matched", matched) || matched == 0) {
    return not_found(
        fmt::format("there is no dead letter of task '{}' in '{}'", id, text_of(request.body, "queue", "wherry.dead")));
  }
  return replayed;
}

}  // namespace wherry::broker::admin::handlers
