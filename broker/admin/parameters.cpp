// Runtime parameters: limits of virtual hosts, and what bridges are told to do; and those that belong to nobody.
#include "broker/bridges/parameters.h"

#include <fmt/format.h>

#include "broker/admin/handlers.h"

namespace wherry::broker::admin::handlers {

namespace {

constexpr std::string_view limits_component = "vhost-limits";

Table parameter_row(const std::string& component, const std::string& vhost, const std::string& name,
                    const FieldValue& value) {
  Table row;
  put(row, "vhost", vhost);
  put(row, "component", component);
  put(row, "name", name);
  row.entries().emplace_back("value", value);
  return row;
}

// Of a component that this broker has, by the words of RabbitMQ for one that it has not.
Outcome<void> check_component(const Request& request) {
  if (request.part(0) == limits_component || bridges::is_bridge_component(request.part(0))) return {};
  return bad_request(fmt::format("Validation failed\n\ncomponent {} not found\n", request.part(0)));
}

// Limits are an administrator's; a bridge is a policymaker's, in a virtual host that is open to it.
Outcome<void> check_caller(Desk& desk, const Request& request) {
  if (request.caller.administrator()) return {};
  if (request.part(0) == limits_component) return not_authorised("User must be an administrator");
  if (request.caller.may_open(request.part(1))) return {};
  return desk.shared().find_vhost(request.part(1)) ? not_authorised("User not authorised to access virtual host")
                                                   : not_found();
}

Outcome<void> put_limits(Desk& desk, const Request& request, const FieldValue& value) {
  const Table* limits = value.get<Table>();
  if (limits == nullptr) return bad_request("key_missing: value, an object");
  if (std::string fault = limits_fault(LimitScope::vhost, *limits); !fault.empty()) {
    return bad_request(fmt::format("Validation failed\n\n{}\n", fault));
  }
  auto kept = desk.kept(desk.settings().set_vhost_limits(request.part(1), *limits));
  if (!kept) return tl::unexpected(kept.error());
  desk.audit(request.caller, fmt::format("limits of vhost '{}' are {}", request.part(1), amqp::to_string(*limits)));
  return {};
}

// The value is not for the log: it may hold passwords.
Outcome<void> put_bridge(Desk& desk, const Request& request, const FieldValue& value) {
  const std::string& component = request.part(0);
  const std::string& vhost = request.part(1);
  const std::string& name = request.part(2);
  if (std::string fault = bridges::parameter_fault(component, vhost, name, value); !fault.empty()) {
    return bad_request(fmt::format("Validation failed\n\n{}\n", fault));
  }
  for (const std::string& reached : bridges::local_vhosts(component, vhost, name, value)) {
    if (request.caller.may_open(reached)) continue;
    return bad_request(fmt::format("Validation failed\n\nuser \"{}\" may not connect to vhost \"{}\"\n",
                                   request.caller.name(), reached));
  }
  auto kept = desk.kept(desk.settings().parameters().set(vhost, component, name, value));
  if (!kept) return tl::unexpected(kept.error());
  desk.audit(request.caller, fmt::format("set {} '{}' of vhost '{}'", component, name, vhost));
  return {};
}

}  // namespace

Outcome<Answer> list_parameters(Desk& desk, const Request& request) {
  FieldArray rows;
  const auto wanted = [&](const std::string& component, const std::string& vhost) {
    return request.caller.sees(vhost) && (request.parts.empty() || request.part(0) == component) &&
           (request.parts.size() < 2 || request.part(1) == vhost);
  };
  for (const RuntimeParameters::Parameter& each : desk.settings().parameters().list()) {
    if (!wanted(each.component, each.vhost)) continue;
    rows.emplace_back(parameter_row(each.component, each.vhost, each.name, each.value));
  }
  for (const Limits::Named& each : desk.settings().list_vhost_limits()) {
    const std::string component(limits_component);
    if (!wanted(component, each.name)) continue;
    rows.emplace_back(parameter_row(component, each.name, "limits", FieldValue(each.limits)));
  }
  return listing(std::move(rows));
}

Outcome<Answer> get_parameter(Desk& desk, const Request& request) {
  auto all = list_parameters(desk, request);
  if (!all) return all;
  for (const FieldValue& each : *all->body.get<FieldArray>()) {
    if (*each.get<Table>()->string("name") == request.part(2)) return answer(each);
  }
  return not_found();
}

Outcome<Answer> put_parameter(Desk& desk, const Request& request) {
  if (auto fine = check_component(request); !fine) return tl::unexpected(fine.error());
  if (auto fine = check_caller(desk, request); !fine) return tl::unexpected(fine.error());
  const FieldValue* value = request.body.find("value");
  if (value == nullptr) return bad_request("key_missing: value");
  const bool fresh = !get_parameter(desk, request);
  const bool limits = request.part(0) == limits_component;
  auto put = limits ? put_limits(desk, request, *value) : put_bridge(desk, request, *value);
  if (!put) return tl::unexpected(put.error());
  return fresh ? created() : done();
}

Outcome<Answer> delete_parameter(Desk& desk, const Request& request) {
  if (auto fine = check_caller(desk, request); !fine) return tl::unexpected(fine.error());
  if (!get_parameter(desk, request)) return not_found();
  const bool limits = request.part(0) == limits_component;
  auto kept = desk.kept(limits ? desk.settings().set_vhost_limits(request.part(1), {})
                               : desk.settings().parameters().clear(request.part(1), request.part(0), request.part(2)));
  if (!kept) return tl::unexpected(kept.error());
  desk.audit(request.caller,
             fmt::format("cleared {} '{}' of vhost '{}'", request.part(0), request.part(2), request.part(1)));
  return done();
}

// --- global ---

namespace {
Table global_row(const std::string& name, const FieldValue& value) {
  Table row;
  put(row, "name", name);
  row.entries().emplace_back("value", value);
  return row;
}
}  // namespace

Outcome<Answer> list_global_parameters(Desk& desk, const Request&) {
  FieldArray rows;
  for (const auto& [name, value] : desk.access().global_parameters()) rows.emplace_back(global_row(name, value));
  return listing(std::move(rows));
}

Outcome<Answer> get_global_parameter(Desk& desk, const Request& request) {
  const auto all = desk.access().global_parameters();
  const auto found = all.find(request.part(0));
  if (found == all.end()) return not_found();
  return answer(global_row(found->first, found->second));
}

Outcome<Answer> put_global_parameter(Desk& desk, const Request& request) {
  const FieldValue* value = request.body.find("value");
  if (value == nullptr) return bad_request("key_missing: value");
  const bool fresh = !desk.access().global_parameters().contains(request.part(0));
  auto kept = desk.kept(desk.access().set_global_parameter(request.part(0), *value));
  if (!kept) return tl::unexpected(kept.error());
  desk.audit(request.caller, fmt::format("set global parameter '{}'", request.part(0)));
  return fresh ? created() : done();
}

Outcome<Answer> delete_global_parameter(Desk& desk, const Request& request) {
  auto kept = desk.kept(desk.access().clear_global_parameter(request.part(0)));
  if (!kept) return tl::unexpected(kept.error());
  desk.audit(request.caller, fmt::format("cleared global parameter '{}'", request.part(0)));
  return done();
}

}  // namespace wherry::broker::admin::handlers
