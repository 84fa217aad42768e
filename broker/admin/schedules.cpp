// Schedules: what their active schedulers say when they are asked (docs/schedules.md, "Asked from outside").
#include <fmt/format.h>

#include "broker/admin/handlers.h"
#include "broker/admin/values.h"
#include "broker/admin/workers.h"

namespace wherry::broker::admin::handlers {

namespace {

constexpr std::string_view scheduler_prefix = "schedule@";
// Nobody knows how many there are: until it is quiet for so long.
constexpr std::chrono::milliseconds quiet{300};

}  // namespace

Outcome<Answer> list_schedules(Desk& desk, const Request& request) {
  if (auto may = may_ask_workers(desk, request); !may) return tl::unexpected(may.error());
  auto answers = desk.workers().ask(
      request.part(0), {.method = "schedule", .pattern = std::string(scheduler_prefix) + "*"},
      [](const WorkerAnswers&) { return false; }, quiet);
  if (!answers) return tl::unexpected(answers.error());
  FieldArray rows;
  for (const auto& [node, said] : *answers) {
    const auto* entries = said.get<task::Value::Array>();
    if (entries == nullptr || !node.starts_with(scheduler_prefix)) continue;
    for (const task::Value& entry : *entries) {
      const auto* map = entry.get<task::Value::Map>();
      if (map == nullptr) continue;
      Table row;
      put(row, "schedule", node.substr(scheduler_prefix.size()));
      const Table told = table_of_map(*map);
      for (const auto& [name, value] : told.entries()) row.entries().emplace_back(name, value);
      rows.emplace_back(std::move(row));
    }
  }
  return listing(std::move(rows));
}

Outcome<Answer> run_schedule(Desk& desk, const Request& request) {
  const std::string& schedule = request.part(1);
  const std::string& entry = request.part(2);
  const std::string node = std::string(scheduler_prefix) + schedule;
  auto answers = ask_workers(desk, request, {.method = "schedule_run", .arguments = {{"name", entry}}}, node);
  if (!answers) return tl::unexpected(answers.error());
  const auto said = answers->find(node);
  if (said == answers->end()) return not_found(fmt::format("no active scheduler of '{}' answers", schedule));
  if (const task::Value* why = said->second.find("error")) {
    const auto* text = why->get<std::string>();
    return not_found(text ? *text : "the scheduler refused it");
  }
  desk.audit(request.caller,
             fmt::format("ran '{}' of schedule '{}' in vhost '{}' now", entry, schedule, request.part(0)));
  Answer out = answer(field_of(said->second));
  out.status = 202;
  return out;
}

}  // namespace wherry::broker::admin::handlers
