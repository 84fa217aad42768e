// Policies and limits.
#include <fmt/format.h>

#include "broker/admin/handlers.h"

namespace wherry::broker::admin::handlers {

namespace {

std::string origin_of(const std::string& place) {
  return place.empty() ? "runtime" : place;
}

Table policy_row(std::string_view vhost, const Policies::Listed& policy) {
  Table row;
  put(row, "vhost", std::string(vhost));
  put(row, "name", policy.spec.name);
  put(row, "pattern", policy.spec.pattern);
  put(row, "apply-to", std::string(to_string(policy.spec.apply_to)));
  put(row, "definition", policy.spec.definition);
  put(row, "priority", policy.spec.priority);
  put(row, "origin", origin_of(policy.place));
  return row;
}

template <PolicyKind kind>
Outcome<Answer> list(Desk& desk, const Request& request) {
  if (!request.parts.empty() && !desk.shared().find_vhost(request.part(0))) return not_found();
  FieldArray rows;
  for (const SharedVhostRef& vhost : desk.shared().vhosts()) {
    if (!request.caller.sees(vhost->name())) continue;
    if (!request.parts.empty() && vhost->name() != request.part(0)) continue;
    auto listed = desk.settings().list_policies(vhost->name(), kind);
    if (!listed) continue;
    for (const Policies::Listed& each : *listed) rows.emplace_back(policy_row(vhost->name(), each));
  }
  return listing(std::move(rows));
}

template <PolicyKind kind>
Outcome<Answer> get_one(Desk& desk, const Request& request) {
  const Outcome<Answer> all = list<kind>(desk, request);
  if (!all) return all;
  for (const FieldValue& each : *all->body.get<FieldArray>()) {
    if (*each.get<Table>()->string("name") == request.part(1)) return answer(each);
  }
  return not_found();
}

template <PolicyKind kind>
Outcome<Answer> set(Desk& desk, const Request& request) {
  auto vhost = desk.vhost(request.caller, request.part(0));
  if (!vhost) return tl::unexpected(vhost.error());
  const Table& body = request.body;
  if (!body.string("pattern")) return bad_request("key_missing: pattern, a regular expression");
  if (!body.find("definition") || !body.find("definition")->get<Table>()) {
    return bad_request("key_missing: definition, an object");
  }
  if (const std::string* to = body.string("apply-to"); to && !parse_policy_target(*to)) {
    return bad_request(fmt::format(
        "Validation failed\n\napply-to '{}' unrecognised; should be 'queues', 'exchanges' or 'all'\n", *to));
  }
  if (const FieldValue* priority = body.find("priority"); priority && !priority->is_integer()) {
    return bad_request(
        fmt::format("Validation failed\n\npriority should be a number, actually was {}\n", erlang_term(*priority)));
  }
  auto spec = policy_of(request.part(1), body);
  if (!spec) return bad_request("priority is a number, apply-to a text");
  if (std::string fault = policy_fault(kind, *spec); !fault.empty()) {
    return bad_request(fmt::format("Validation failed\n\n{}\n", fault));
  }
  const bool fresh = !get_one<kind>(desk, request);
  const std::string what = fmt::format("set {} '{}' of vhost '{}' for '{}' to {}", component_of(kind), spec->name,
                                       request.part(0), spec->pattern, amqp::to_string(spec->definition));
  auto kept = desk.kept(desk.settings().set_policy(request.part(0), kind, std::move(*spec)));
  if (!kept) return tl::unexpected(kept.error());
  desk.audit(request.caller, what);
  return fresh ? created() : done();
}

template <PolicyKind kind>
Outcome<Answer> clear(Desk& desk, const Request& request) {
  auto vhost = desk.vhost(request.caller, request.part(0));
  if (!vhost) return tl::unexpected(vhost.error());
  auto kept = desk.kept(desk.settings().clear_policy(request.part(0), kind, request.part(1)));
  if (!kept) return tl::unexpected(kept.error());
  desk.audit(request.caller,
             fmt::format("cleared {} '{}' of vhost '{}'", component_of(kind), request.part(1), request.part(0)));
  return done();
}

constexpr PolicyKind plain = PolicyKind::plain;
constexpr PolicyKind by_operator = PolicyKind::by_operator;

Outcome<Answer> limits_of(const Request& request, const char* what, const std::vector<Limits::Named>& all) {
  FieldArray rows;
  for (const Limits::Named& each : all) {
    if (!request.parts.empty() && each.name != request.part(0)) continue;
    Table row;
    put(row, what, each.name);
    put(row, "value", each.limits);
    put(row, "origin", origin_of(each.place));
    rows.emplace_back(std::move(row));
  }
  return listing(std::move(rows));
}

Outcome<std::int64_t> value_of(const Request& request) {
  std::int64_t value = 0;
  if (request.body.integer("value", value)) return value;
  return bad_request("key_missing: value, a number");
}

}  // namespace

Outcome<Answer> list_policies(Desk& desk, const Request& request) {
  return list<plain>(desk, request);
}
Outcome<Answer> get_policy(Desk& desk, const Request& request) {
  return get_one<plain>(desk, request);
}
Outcome<Answer> put_policy(Desk& desk, const Request& request) {
  return set<plain>(desk, request);
}
Outcome<Answer> delete_policy(Desk& desk, const Request& request) {
  return clear<plain>(desk, request);
}
Outcome<Answer> list_operator_policies(Desk& desk, const Request& request) {
  return list<by_operator>(desk, request);
}
Outcome<Answer> get_operator_policy(Desk& desk, const Request& request) {
  return get_one<by_operator>(desk, request);
}
Outcome<Answer> put_operator_policy(Desk& desk, const Request& request) {
  return set<by_operator>(desk, request);
}
Outcome<Answer> delete_operator_policy(Desk& desk, const Request& request) {
  return clear<by_operator>(desk, request);
}

// --- limits ---

Outcome<Answer> list_vhost_limits(Desk& desk, const Request& request) {
  if (!request.parts.empty() && !desk.shared().find_vhost(request.part(0))) return not_found();
  return limits_of(request, "vhost", desk.settings().list_vhost_limits());
}

namespace {
// One of them changed; nothing: taken away.
Outcome<Answer> change_vhost_limit(Desk& desk, const Request& request, std::optional<std::int64_t> value) {
  const std::string& vhost = request.part(0);
  if (!desk.shared().find_vhost(vhost)) return not_found();
  Table limits;
  for (const Limits::Named& each : desk.settings().list_vhost_limits()) {
    if (each.name == vhost) limits = each.limits;
  }
  if (value) {
    limits.set(request.part(1), *value);
    if (std::string fault = limits_fault(LimitScope::vhost, limits); !fault.empty()) return bad_request(fault);
  } else if (!limits.erase(request.part(1))) {
    return not_found();
  }
  auto kept = desk.kept(desk.settings().set_vhost_limits(vhost, limits));
  if (!kept) return tl::unexpected(kept.error());
  desk.audit(request.caller, fmt::format("limits of vhost '{}' are {}", vhost, amqp::to_string(limits)));
  return done();
}
}  // namespace

Outcome<Answer> put_vhost_limit(Desk& desk, const Request& request) {
  auto value = value_of(request);
  if (!value) return tl::unexpected(value.error());
  return change_vhost_limit(desk, request, *value);
}

Outcome<Answer> delete_vhost_limit(Desk& desk, const Request& request) {
  return change_vhost_limit(desk, request, std::nullopt);
}

Outcome<Answer> list_user_limits(Desk& desk, const Request& request) {
  if (!request.parts.empty() && !desk.access().user(request.part(0))) return not_found();
  return limits_of(request, "user", desk.settings().list_user_limits());
}

Outcome<Answer> put_user_limit(Desk& desk, const Request& request) {
  auto value = value_of(request);
  if (!value) return tl::unexpected(value.error());
  Table limits;
  limits.set(request.part(1), *value);
  auto kept = desk.kept(desk.settings().set_user_limits(request.part(0), limits));
  if (!kept) return tl::unexpected(kept.error());
  desk.audit(request.caller, fmt::format("set {} of user '{}' to {}", request.part(1), request.part(0), *value));
  return done();
}

Outcome<Answer> delete_user_limit(Desk& desk, const Request& request) {
  auto kept = desk.kept(desk.settings().clear_user_limits(request.part(0), request.part(1)));
  if (!kept) return tl::unexpected(kept.error());
  desk.audit(request.caller, fmt::format("cleared {} of user '{}'", request.part(1), request.part(0)));
  return done();
}

}  // namespace wherry::broker::admin::handlers
