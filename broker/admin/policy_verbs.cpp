// Policies, and limits of users and virtual hosts.
#include <fmt/format.h>

#include "broker/admin/handlers.h"
#include "broker/admin/verb.h"

namespace wherry::broker::admin::verbs {

namespace {

namespace h = handlers;

template <Handler put>
Outcome<FieldValue> set_policy(Desk& desk, const Caller& caller, const Table& request) {
  if (auto fine = check_vhost(desk, request); !fine) return tl::unexpected(fine.error());
  return run(desk, caller, put, {vhost_of(request), text_of(request, "name")}, request);
}

template <Handler remove>
Outcome<FieldValue> clear_policy(Desk& desk, const Caller& caller, const Table& request) {
  if (auto fine = check_vhost(desk, request); !fine) return tl::unexpected(fine.error());
  return in_words(run(desk, caller, remove, {vhost_of(request), text_of(request, "name")}), "Parameter does not exist");
}

template <Handler list>
Outcome<FieldValue> list_policies(Desk& desk, const Caller& caller, const Table& request) {
  if (auto fine = check_vhost(desk, request); !fine) return tl::unexpected(fine.error());
  return run(desk, caller, list, {vhost_of(request)});
}

Outcome<FieldValue> set_vhost_limits(Desk& desk, const Caller& caller, const Table& request) {
  const Table limits = table_of(request, "limits");
  if (std::string fault = limits_fault(LimitScope::vhost, limits); !fault.empty()) {
    return bad_request(fmt::format("Validation failed\n\n{}\n", fault));
  }
  return change(desk, caller, desk.settings().set_vhost_limits(vhost_of(request), limits),
                fmt::format("limits of vhost '{}' are {}", vhost_of(request), amqp::to_string(limits)));
}

Outcome<FieldValue> clear_vhost_limits(Desk& desk, const Caller& caller, const Table& request) {
  return change(desk, caller, desk.settings().set_vhost_limits(vhost_of(request), {}),
                fmt::format("cleared the limits of vhost '{}'", vhost_of(request)));
}

Outcome<FieldValue> set_user_limits(Desk& desk, const Caller& caller, const Table& request) {
  const std::string user = text_of(request, "user");
  const Table limits = table_of(request, "limits");
  return change(desk, caller, desk.settings().set_user_limits(user, limits),
                fmt::format("set limits of user '{}': {}", user, amqp::to_string(limits)));
}

Outcome<FieldValue> clear_user_limits(Desk& desk, const Caller& caller, const Table& request) {
  const std::string user = text_of(request, "user");
  const std::string name = text_of(request, "name", "all");
  return change(desk, caller, desk.settings().clear_user_limits(user, name),
                fmt::format("cleared {} of user '{}'", name, user));
}

FieldArray named_limits(std::string_view what, const std::vector<Limits::Named>& all) {
  FieldArray rows;
  for (const Limits::Named& each : all) {
    Table row;
    row.set(what, each.name);
    row.set("limits", each.limits);
    row.set("origin", each.place.empty() ? "runtime" : each.place);
    rows.emplace_back(std::move(row));
  }
  return rows;
}

// The limits of one; an empty table where it has none.
Table limits_of_one(const std::string& name, const std::vector<Limits::Named>& all) {
  for (const Limits::Named& each : all) {
    if (each.name == name) return each.limits;
  }
  return {};
}

Outcome<FieldValue> list_vhost_limits(Desk& desk, const Caller&, const Table& request) {
  const auto all = desk.settings().list_vhost_limits();
  if (flag_of(request, "global")) return FieldValue(named_limits("vhost", all));
  if (auto fine = check_vhost(desk, request); !fine) return tl::unexpected(fine.error());
  return FieldValue(limits_of_one(vhost_of(request), all));
}

Outcome<FieldValue> list_user_limits(Desk& desk, const Caller&, const Table& request) {
  const auto all = desk.settings().list_user_limits();
  if (flag_of(request, "global")) return FieldValue(named_limits("user", all));
  const std::string user = text_of(request, "user", "guest");
  if (!desk.shared().user_quota(user)) return not_found(fmt::format("User '{}' does not exist", user));
  return FieldValue(limits_of_one(user, all));
}

constexpr Verb known_policy_verbs[] = {
    {"set_policy", Level::policymaker, set_policy<h::put_policy>},
    {"clear_policy", Level::policymaker, clear_policy<h::delete_policy>},
    {"list_policies", Level::management, list_policies<h::list_policies>},
    {"set_operator_policy", Level::administrator, set_policy<h::put_operator_policy>},
    {"clear_operator_policy", Level::administrator, clear_policy<h::delete_operator_policy>},
    {"list_operator_policies", Level::management, list_policies<h::list_operator_policies>},
    {"set_vhost_limits", Level::administrator, set_vhost_limits},
    {"clear_vhost_limits", Level::administrator, clear_vhost_limits},
    {"list_vhost_limits", Level::administrator, list_vhost_limits},
    {"set_user_limits", Level::administrator, set_user_limits},
    {"clear_user_limits", Level::administrator, clear_user_limits},
    {"list_user_limits", Level::administrator, list_user_limits},
};

}  // namespace

std::span<const Verb> policy_verbs() {
  return known_policy_verbs;
}

}  // namespace wherry::broker::admin::verbs
