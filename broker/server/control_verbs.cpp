#include "broker/server/control_verbs.h"

#include <fmt/format.h>

#include "base/iso8601.h"
#include "broker/queueing/held_message.h"
#include "broker/shard/shard.h"

namespace wherry::broker {

using amqp::FieldArray;
using amqp::FieldValue;
using amqp::Table;
using control::done;
using control::failed;
using control::Reply;

namespace {

constexpr std::int64_t most_scheduled_at_once = 1000;

std::string text_of(const Table& request, std::string_view name, std::string_view otherwise) {
  const std::string* given = request.string(name);
  return given ? *given : std::string(otherwise);
}
std::string vhost_of(const Table& request) {
  return text_of(request, "vhost", "/");
}
bool flag_of(const Table& request, std::string_view name) {
  bool flag = false;
  request.boolean(name, flag);
  return flag;
}
Table table_of(const Table& request, std::string_view name) {
  const FieldValue* value = request.find(name);
  const Table* table = value ? value->get<Table>() : nullptr;
  return table ? *table : Table{};
}

Table invalid(std::string_view fault) {
  return failed(fmt::format("Validation failed\n\n{}\n", fault));
}

FieldValue count(std::uint64_t number) {
  return static_cast<std::int64_t>(number);
}

std::string origin(const std::string& place) {
  return place.empty() ? "runtime" : place;
}

FieldArray named_limits(std::string_view what, const std::vector<Limits::Named>& all) {
  FieldArray rows;
  for (const Limits::Named& each : all) {
    Table row;
    row.set(what, each.name);
    row.set("limits", each.limits);
    row.set("origin", origin(each.place));
    rows.emplace_back(std::move(row));
  }
  return rows;
}
// The limits of one; an empty table where it has none.
FieldValue limits_of(const std::string& name, const std::vector<Limits::Named>& all) {
  for (const Limits::Named& each : all) {
    if (each.name == name) return each.limits;
  }
  return Table{};
}

}  // namespace

struct ControlVerbs::Verb {
  std::string_view name;
  void (ControlVerbs::*run)(const Table& request, Reply reply);
};
const ControlVerbs::Verb ControlVerbs::verbs[] = {
    {"set_policy", &ControlVerbs::set_policy<PolicyKind::plain>},
    {"clear_policy", &ControlVerbs::clear_policy<PolicyKind::plain>},
    {"list_policies", &ControlVerbs::list_policies<PolicyKind::plain>},
    {"set_operator_policy", &ControlVerbs::set_policy<PolicyKind::by_operator>},
    {"clear_operator_policy", &ControlVerbs::clear_policy<PolicyKind::by_operator>},
    {"list_operator_policies", &ControlVerbs::list_policies<PolicyKind::by_operator>},
    {"set_vhost_limits", &ControlVerbs::set_vhost_limits},
    {"clear_vhost_limits", &ControlVerbs::clear_vhost_limits},
    {"list_vhost_limits", &ControlVerbs::list_vhost_limits},
    {"set_user_limits", &ControlVerbs::set_user_limits},
    {"clear_user_limits", &ControlVerbs::clear_user_limits},
    {"list_user_limits", &ControlVerbs::list_user_limits},
    {"list_scheduled", &ControlVerbs::list_scheduled},
    {"cancel_scheduled", &ControlVerbs::cancel_scheduled},
    {"list_dead_letters", &ControlVerbs::dead_letters<admin::list_dead_letters>},
    {"show_dead_letter", &ControlVerbs::dead_letters<admin::show_dead_letter>},
    {"replay_dead_letters", &ControlVerbs::dead_letters<admin::replay_dead_letters>},
    {"discard_dead_letters", &ControlVerbs::dead_letters<admin::discard_dead_letters>},
};

void ControlVerbs::answer(const Table& request, Reply reply) {
  const std::string* name = request.string("verb");
  if (name == nullptr) return reply(failed("the request has no verb"));
  for (const Verb& verb : verbs) {
    if (verb.name == *name) return (this->*verb.run)(request, std::move(reply));
  }
  if (!administration_.ask(request, answer_here(reply)))
    reply(failed(fmt::format("this broker knows no verb '{}'", *name)));
}

std::function<void(admin::Outcome<FieldValue> answer)> ControlVerbs::answer_here(Reply reply) {
  return [&loop = loop_, alive = std::weak_ptr<char>(alive_),
          reply = std::move(reply)](admin::Outcome<FieldValue> answer) {
    loop.post([alive, reply, answer = std::move(answer)] {
      if (!alive.expired()) reply(answer ? done(*answer) : failed(answer.error().reason));
    });
  };
}

// --- what changes something ------------------------------------------------------------------------------------------

void ControlVerbs::when_kept(const RuntimeSettings::Change& change, Reply reply) {
  if (!change) return reply(failed(change.error().message));
  waiting_.push_back({*change, std::move(reply)});
  on_committed();
}

void ControlVerbs::on_committed() {
  const Definitions* definitions = broker_.shared().config().definitions;
  const std::uint64_t committed = definitions == nullptr ? UINT64_MAX : definitions->committed();
  while (!waiting_.empty() && waiting_.front().change <= committed) {
    const Reply reply = std::move(waiting_.front().reply);
    waiting_.pop_front();
    reply(done());
  }
}

template <PolicyKind kind>
void ControlVerbs::set_policy(const Table& request, Reply reply) {
  if (const std::string* target = request.string("apply-to"); target && !parse_policy_target(*target)) {
    return reply(invalid(fmt::format("apply-to '{}' unrecognised; should be 'queues', 'exchanges' or 'all'", *target)));
  }
  if (const FieldValue* priority = request.find("priority"); priority && !priority->is_integer()) {
    return reply(invalid(fmt::format("priority should be a number, actually was {}", erlang_term(*priority))));
  }
  auto spec = policy_of(text_of(request, "name", ""), request);
  if (!spec || !request.find("pattern"))
    return reply(failed("a policy needs a pattern that is a text and a definition that is an object"));
  if (std::string fault = policy_fault(kind, *spec); !fault.empty()) return reply(invalid(fault));
  when_kept(broker_.settings().set_policy(vhost_of(request), kind, std::move(*spec)), std::move(reply));
}

template <PolicyKind kind>
void ControlVerbs::clear_policy(const Table& request, Reply reply) {
  when_kept(broker_.settings().clear_policy(vhost_of(request), kind, text_of(request, "name", "")), std::move(reply));
}

void ControlVerbs::set_vhost_limits(const Table& request, Reply reply) {
  const Table limits = table_of(request, "limits");
  if (std::string fault = limits_fault(LimitScope::vhost, limits); !fault.empty()) return reply(invalid(fault));
  when_kept(broker_.settings().set_vhost_limits(vhost_of(request), limits), std::move(reply));
}

void ControlVerbs::clear_vhost_limits(const Table& request, Reply reply) {
  when_kept(broker_.settings().set_vhost_limits(vhost_of(request), {}), std::move(reply));
}

void ControlVerbs::set_user_limits(const Table& request, Reply reply) {
  when_kept(broker_.settings().set_user_limits(text_of(request, "user", ""), table_of(request, "limits")),
            std::move(reply));
}

void ControlVerbs::clear_user_limits(const Table& request, Reply reply) {
  when_kept(broker_.settings().clear_user_limits(text_of(request, "user", ""), text_of(request, "name", "all")),
            std::move(reply));
}

// --- listings --------------------------------------------------------------------------------------------------------

template <PolicyKind kind>
void ControlVerbs::list_policies(const Table& request, Reply reply) {
  const std::string vhost = vhost_of(request);
  auto listed = broker_.settings().list_policies(vhost, kind);
  if (!listed) return reply(failed(listed.error().message));
  FieldArray rows;
  for (const Policies::Listed& each : *listed) {
    Table row;
    row.set("vhost", vhost);
    row.set("name", each.spec.name);
    row.set("pattern", each.spec.pattern);
    row.set("apply-to", std::string(to_string(each.spec.apply_to)));
    row.set("definition", each.spec.definition);
    row.set("priority", each.spec.priority);
    row.set("origin", origin(each.place));
    rows.emplace_back(std::move(row));
  }
  reply(done(std::move(rows)));
}

void ControlVerbs::list_vhost_limits(const Table& request, Reply reply) {
  const auto all = broker_.settings().list_vhost_limits();
  if (flag_of(request, "global")) return reply(done(named_limits("vhost", all)));
  const std::string vhost = vhost_of(request);
  if (!broker_.shared().find_vhost(vhost)) return reply(failed(fmt::format("Virtual host '{}' does not exist", vhost)));
  reply(done(limits_of(vhost, all)));
}

void ControlVerbs::list_user_limits(const Table& request, Reply reply) {
  const auto all = broker_.settings().list_user_limits();
  if (flag_of(request, "global")) return reply(done(named_limits("user", all)));
  const std::string user = text_of(request, "user", "guest");
  if (!broker_.shared().user_quota(user)) return reply(failed(fmt::format("User '{}' does not exist", user)));
  reply(done(limits_of(user, all)));
}

// --- what queues hold ------------------------------------------------------------------------------------------------

namespace {

FieldValue scheduled_row(const HeldMessage& message) {
  Table row;
  row.set("due", format_iso8601(WallTime(std::chrono::milliseconds(message.key.due_ms))));
  row.set("id", !message.task_id.empty() ? message.task_id : message.message_id);
  row.set("task", message.task);
  row.set("bytes", count(message.body_bytes));
  row.set("key", key_text(message.key));
  return row;
}

FieldValue scheduled_rows(const HeldPage& page) {
  FieldArray rows;
  for (const HeldMessage& message : page.messages) rows.emplace_back(scheduled_row(message));
  return rows;
}

FieldValue cancelled_row(const std::size_t& number) {
  Table row;
  row.set("cancelled", count(number));
  return FieldArray{std::move(row)};
}

}  // namespace

template <class Answer>
auto ControlVerbs::answer_here(Reply reply, FieldValue (*row)(const Answer& answer)) {
  return [&loop = loop_, alive = std::weak_ptr<char>(alive_), reply = std::move(reply), row](Result<Answer> answer) {
    loop.post([alive, reply, row, answer = std::move(answer)] {
      if (!alive.expired()) reply(answer ? done(row(*answer)) : failed(answer.error().message));
    });
  };
}

template <void (*ask)(Broker& broker, const Table& request, admin::DeadLettersAnswered answered)>
void ControlVerbs::dead_letters(const Table& request, Reply reply) {
  ask(broker_, request, answer_here(std::move(reply)));
}

void ControlVerbs::list_scheduled(const Table& request, Reply reply) {
  const std::string after = text_of(request, "after", "");
  const auto key = after.empty() ? ScheduleKey{} : parse_key_text(after);
  if (!key) return reply(failed(fmt::format("'{}' is not a key of the listing", after)));
  std::int64_t limit = 100;
  request.integer("limit", limit);
  if (limit < 1 || limit > most_scheduled_at_once) {
    return reply(failed(fmt::format("the limit is 1 to {}, not {}", most_scheduled_at_once, limit)));
  }
  broker_.list_scheduled(vhost_of(request), text_of(request, "queue", ""), *key, static_cast<std::size_t>(limit),
                         answer_here<HeldPage>(std::move(reply), scheduled_rows));
}

void ControlVerbs::cancel_scheduled(const Table& request, Reply reply) {
  broker_.cancel_scheduled(vhost_of(request), text_of(request, "queue", ""), text_of(request, "id", ""),
                           answer_here<std::size_t>(std::move(reply), cancelled_row));
}

}  // namespace wherry::broker
