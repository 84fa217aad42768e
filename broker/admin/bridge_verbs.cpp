// Bridges, and the parameters that tell them what to do.
#include <fmt/format.h>

#include "broker/admin/handlers.h"
#include "broker/admin/verb.h"

namespace wherry::broker::admin::verbs {

namespace {

namespace h = handlers;

// At a terminal a refusal is one line.
Outcome<FieldValue> in_one_line(Desk& desk, const Caller& caller, Handler handler, Names parts, Table body = {}) {
  auto outcome = run(desk, caller, handler, std::move(parts), std::move(body));
  if (outcome) return outcome;
  Refusal refusal = outcome.error();
  constexpr std::string_view begins = "Validation failed\n\n";
  if (refusal.reason.starts_with(begins)) {
    refusal.reason = fmt::format("Validation failed: {}", refusal.reason.substr(begins.size()));
    while (refusal.reason.ends_with('\n')) refusal.reason.pop_back();
  }
  return tl::unexpected(std::move(refusal));
}

Outcome<FieldValue> set_parameter(Desk& desk, const Caller& caller, const Table& request) {
  if (auto fine = check_vhost(desk, request); !fine) return tl::unexpected(fine.error());
  Table body;
  if (const FieldValue* value = request.find("value")) body.set("value", *value);
  return in_one_line(desk, caller, h::put_parameter,
                     {text_of(request, "component"), vhost_of(request), text_of(request, "name")}, std::move(body));
}

Outcome<FieldValue> clear_parameter(Desk& desk, const Caller& caller, const Table& request) {
  if (auto fine = check_vhost(desk, request); !fine) return tl::unexpected(fine.error());
  auto cleared = in_one_line(desk, caller, h::delete_parameter,
                             {text_of(request, "component"), vhost_of(request), text_of(request, "name")});
  if (!cleared && cleared.error().status == 404) return not_found("Parameter does not exist");
  return cleared;
}

Outcome<FieldValue> list_parameters(Desk& desk, const Caller& caller, const Table& request) {
  if (auto fine = check_vhost(desk, request); !fine) return tl::unexpected(fine.error());
  auto all = in_one_line(desk, caller, h::list_parameters, {});
  if (!all) return all;
  FieldArray rows;
  for (const FieldValue& each : *all->get<FieldArray>()) {
    if (*each.get<Table>()->string("vhost") == vhost_of(request)) rows.push_back(each);
  }
  return FieldValue(std::move(rows));
}

// The columns of rabbitmqctl's shovel_status.
Outcome<FieldValue> shovel_status(Desk& desk, const Caller& caller, const Table&) {
  auto all = in_one_line(desk, caller, h::list_shovels, {});
  if (!all) return all;
  FieldArray rows;
  for (const FieldValue& each : *all->get<FieldArray>()) {
    const Table& row = *each.get<Table>();
    const auto first_of = [&row](std::initializer_list<const char*> names) {
      for (const char* name : names) {
        if (const std::string* text = row.string(name)) return *text;
      }
      return std::string();
    };
    Table line;
    for (const char* name : {"name", "vhost", "type", "state"}) put(line, name, first_of({name}));
    put(line, "source_uri", first_of({"src_uri"}));
    put(line, "source", first_of({"src_queue", "src_exchange"}));
    put(line, "destination_uri", first_of({"dest_uri"}));
    put(line, "destination", first_of({"dest_queue", "dest_exchange"}));
    put(line, "reason", first_of({"reason"}));
    rows.emplace_back(std::move(line));
  }
  return FieldValue(std::move(rows));
}

Outcome<FieldValue> restart_shovel(Desk& desk, const Caller& caller, const Table& request) {
  if (auto fine = check_vhost(desk, request); !fine) return tl::unexpected(fine.error());
  return in_one_line(desk, caller, h::restart_shovel, {vhost_of(request), text_of(request, "name")});
}

Outcome<FieldValue> delete_shovel(Desk& desk, const Caller& caller, const Table& request) {
  if (auto fine = check_vhost(desk, request); !fine) return tl::unexpected(fine.error());
  return in_one_line(desk, caller, h::delete_shovel, {vhost_of(request), text_of(request, "name")});
}

Outcome<FieldValue> federation_status(Desk& desk, const Caller& caller, const Table&) {
  return in_one_line(desk, caller, h::list_federation_links, {});
}

Outcome<FieldValue> restart_federation_link(Desk& desk, const Caller& caller, const Table& request) {
  const std::string id = text_of(request, "id");
  for (const bridges::FederationRow& each : desk.bridges().federation_links()) {
    if (each.id == id) return in_one_line(desk, caller, h::restart_federation_link, {each.spec.upstream.vhost, id});
  }
  return not_found(fmt::format("no federation link '{}'; federation_status shows them", id));
}

constexpr Verb known_bridge_verbs[] = {
    {"set_parameter", Level::policymaker, set_parameter},
    {"clear_parameter", Level::policymaker, clear_parameter},
    {"list_parameters", Level::policymaker, list_parameters},
    {"shovel_status", Level::monitoring, shovel_status},
    {"restart_shovel", Level::policymaker, restart_shovel},
    {"delete_shovel", Level::policymaker, delete_shovel},
    {"federation_status", Level::monitoring, federation_status},
    {"restart_federation_link", Level::policymaker, restart_federation_link},
};

}  // namespace

std::span<const Verb> bridge_verbs() {
  return known_bridge_verbs;
}

}  // namespace wherry::broker::admin::verbs
