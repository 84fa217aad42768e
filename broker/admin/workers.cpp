// Workers: who is there, and what they are told to do.
#include "broker/admin/workers.h"

#include <algorithm>
#include <optional>

#include <fmt/format.h>

#include "base/wall_clock.h"
#include "broker/admin/handlers.h"
#include "broker/admin/task_rows.h"
#include "broker/admin/values.h"

namespace wherry::broker::admin {

namespace {

// An argument of a command, and the name that Celery's workers know it by.
struct Argument {
  enum class Type { text, integer, number };
  const char* name;
  const char* sent_as;
  Type type;
  bool wanted = false;
};
struct KnownCommand {
  const char* name;
  std::vector<Argument> arguments;
};

const std::vector<KnownCommand>& known_commands() {
  using enum Argument::Type;
  static const std::vector<KnownCommand> all{
      {"ping", {}},
      {"heartbeat", {}},
      {"enable_events", {}},
      {"disable_events", {}},
      {"pool_grow", {{"n", "n", integer}}},
      {"pool_shrink", {{"n", "n", integer}}},
      {"pool_restart", {}},
      {"autoscale", {{"max", "max", integer}, {"min", "min", integer}}},
      {"rate_limit", {{"task_name", "task_name", text, true}, {"rate_limit", "rate_limit", text, true}}},
      {"time_limit", {{"task_name", "task_name", text, true}, {"soft", "soft", number}, {"hard", "hard", number}}},
      {"add_consumer", {{"queue", "queue", text, true}}},
      {"cancel_consumer", {{"queue", "queue", text, true}}},
      {"shutdown", {}},
  };
  return all;
}

Outcome<task::Value> argument_of(const Argument& argument, const FieldValue& given) {
  std::int64_t whole = 0;
  switch (argument.type) {
    case Argument::Type::text:
      if (const auto* text = given.get<std::string>(); text && !text->empty()) return task::Value(*text);
      return bad_request(fmt::format("{} is a text", argument.name));
    case Argument::Type::integer:
      if (given.integer(whole) && whole >= 0 && whole <= 1'000'000) return task::Value(whole);
      return bad_request(fmt::format("{} is a number, 0 to 1000000", argument.name));
    case Argument::Type::number:
      break;
  }
  if (given.integer(whole)) return task::Value(whole);
  if (const auto* number = given.get<double>()) return task::Value(*number);
  return bad_request(fmt::format("{} is a number of seconds", argument.name));
}

Outcome<WorkerCommand> command_of(const std::string& name, const Table& body) {
  const auto& all = known_commands();
  const auto known = std::find_if(all.begin(), all.end(), [&](const KnownCommand& each) { return each.name == name; });
  if (known == all.end()) {
    std::string names;
    for (const KnownCommand& each : all) names += (names.empty() ? "" : ", ") + std::string(each.name);
    return bad_request(fmt::format("workers are not told '{}': there are {}", name, names));
  }
  WorkerCommand command{.method = name};
  for (const auto& [key, value] : body.entries()) {
    const auto argument = std::find_if(known->arguments.begin(), known->arguments.end(),
                                       [&key = key](const Argument& each) { return each.name == key; });
    if (argument == known->arguments.end()) return bad_request(fmt::format("{} has no argument '{}'", name, key));
    auto read = argument_of(*argument, value);
    if (!read) return tl::unexpected(read.error());
    command.arguments.emplace_back(argument->sent_as, std::move(*read));
  }
  for (const Argument& each : known->arguments) {
    if (each.wanted && !task::find(command.arguments, each.sent_as)) {
      return bad_request(fmt::format("{} wants {}", name, each.name));
    }
  }
  return command;
}

std::size_t workers_online(Desk& desk, const std::string& vhost) {
  return desk.tasks().look(
      vhost, [](const tasks::Memory& memory, const TaskWatch::Counts&) { return memory.roster().online(wall_now()); });
}

// What one worker says to a question; nothing where it does not answer.
std::optional<FieldValue> said_by(const WorkerAnswers& answers, const std::string& worker) {
  const auto found = answers.find(worker);
  if (found == answers.end()) return std::nullopt;
  return field_of(found->second);
}

}  // namespace

Outcome<void> may_ask_workers(Desk& desk, const Request& request) {
  const std::string& vhost = request.part(0);
  if (!desk.shared().find_vhost(vhost)) return not_found();
  if (!request.caller.may_open(vhost)) return not_authorised("User not authorised to access virtual host");
  return request.caller.check(Access::write, "exchange", vhost, "celery.pidbox");
}

Outcome<WorkerAnswers> ask_workers(Desk& desk, const Request& request, WorkerCommand command,
                                   const std::string& worker) {
  if (auto may = may_ask_workers(desk, request); !may) return tl::unexpected(may.error());
  const std::string& vhost = request.part(0);
  const bool all = worker.empty() || worker == "*";
  if (!all) command.worker = worker;
  // Where no heartbeat was heard nobody knows how many there are: until it is quiet.
  const std::size_t there = workers_online(desk, vhost);
  return desk.workers().ask(
      vhost, command,
      [&](const WorkerAnswers& so_far) { return all ? there > 0 && so_far.size() >= there : so_far.contains(worker); },
      std::chrono::milliseconds(500));
}

Table answers_row(const WorkerAnswers& answers) {
  Table said;
  for (const auto& [name, payload] : answers) said.entries().emplace_back(name, field_of(payload));
  Table row;
  put(row, "answers", std::move(said));
  return row;
}

namespace handlers {

Outcome<Answer> list_workers(Desk& desk, const Request& request) {
  if (auto vhost = desk.vhost(request.caller, request.part(0)); !vhost) return tl::unexpected(vhost.error());
  return listing(desk.tasks().look(request.part(0), [](const tasks::Memory& memory, const TaskWatch::Counts&) {
    FieldArray rows;
    const WallTime now = wall_now();
    for (const auto& [name, worker] : memory.roster().workers()) rows.emplace_back(worker_row(name, &worker, now));
    return rows;
  }));
}

Outcome<Answer> get_worker(Desk& desk, const Request& request) {
  if (auto vhost = desk.vhost(request.caller, request.part(0)); !vhost) return tl::unexpected(vhost.error());
  const std::string& name = request.part(1);
  struct Seen {
    bool known = false;
    bool online = false;
    Table row;
  };
  Seen seen = desk.tasks().look(request.part(0), [&](const tasks::Memory& memory, const TaskWatch::Counts&) {
    const tasks::Worker* worker = memory.roster().find(name);
    const WallTime now = wall_now();
    return Seen{worker != nullptr, worker != nullptr && worker->online(now), worker_row(name, worker, now)};
  });
  // Who may not ask sees what was heard. Who is known to be gone is not waited for.
  const bool asks = (seen.online || !seen.known) && may_ask_workers(desk, request).has_value();
  bool asking = asks;
  bool answered = false;
  struct Question {
    const char* method;
    const char* shown_as;
  };
  for (const Question& each : {Question{"stats", "stats"}, Question{"active", "active"},
                               Question{"reserved", "reserved"}, Question{"scheduled", "scheduled"},
                               Question{"active_queues", "queues"}, Question{"registered", "registered"}}) {
    std::optional<FieldValue> said;
    if (asking) {
      auto answers = ask_workers(desk, request, {.method = each.method}, name);
      if (!answers) return tl::unexpected(answers.error());
      said = said_by(*answers, name);
      // Who does not answer one question is not asked the others.
      asking = said.has_value();
      answered = answered || asking;
    }
    put(seen.row, each.shown_as, said ? std::move(*said) : FieldValue());
  }
  if (!seen.known && !answered) return not_found(fmt::format("no worker '{}' was heard of, and none answers", name));
  put(seen.row, "answered", answered);
  return answer(std::move(seen.row));
}

Outcome<Answer> command_workers(Desk& desk, const Request& request) {
  const std::string& name = request.part(1);
  if (auto may = may_ask_workers(desk, request); !may) return tl::unexpected(may.error());
  auto command = command_of(request.part(2), request.body);
  if (!command) return tl::unexpected(command.error());
  const auto audit = [&] {
    desk.audit(request.caller,
               fmt::format("told {} in vhost '{}': {}", name == "*" ? "all workers" : fmt::format("worker '{}'", name),
                           request.part(0), command->method));
  };
  // Whoever shuts down has no time to answer.
  if (command->method == "shutdown") {
    if (name != "*") command->worker = name;
    if (auto told = desk.workers().tell(request.part(0), *command); !told) return tl::unexpected(told.error());
    audit();
    Answer out = answer(answers_row({}));
    out.status = 202;
    return out;
  }
  auto answers = ask_workers(desk, request, *command, name);
  if (!answers) return tl::unexpected(answers.error());
  if (answers->empty()) {
    return not_found(name == "*" ? std::string("no worker answered") : fmt::format("no worker '{}' answered", name));
  }
  if (command->method != "ping") audit();
  return answer(answers_row(*answers));
}

}  // namespace handlers

}  // namespace wherry::broker::admin
