#include "broker/admin/bridge_verbs.h"

#include <algorithm>

#include <fmt/format.h>

#include "broker/admin/handlers.h"

namespace wherry::broker::admin {

namespace {

namespace h = handlers;

Outcome<FieldValue> handle(Desk& desk, Handler handler, std::vector<std::string> parts, Table body = {}) {
  Request asked;
  asked.parts = std::move(parts);
  asked.body = std::move(body);
  asked.caller = Caller::local_operator();
  auto answered = handler(desk, asked);
  if (!answered) {
    // At a terminal a refusal is one line.
    Refusal refusal = answered.error();
    constexpr std::string_view begins = "Validation failed\n\n";
    if (refusal.reason.starts_with(begins)) {
      refusal.reason = fmt::format("Validation failed: {}", refusal.reason.substr(begins.size()));
      while (refusal.reason.ends_with('\n')) refusal.reason.pop_back();
    }
    return tl::unexpected(std::move(refusal));
  }
  return answered->has_body ? std::move(answered->body) : FieldValue();
}

std::string vhost_of(const Table& request) {
  return text_of(request, "vhost", "/");
}

Outcome<void> must_be_there(Desk& desk, const Table& request) {
  if (desk.shared().find_vhost(vhost_of(request))) return {};
  return not_found(fmt::format("Virtual host '{}' does not exist", vhost_of(request)));
}

Outcome<FieldValue> set_parameter(Desk& desk, const Table& request) {
  if (auto fine = must_be_there(desk, request); !fine) return tl::unexpected(fine.error());
  Table body;
  if (const FieldValue* value = request.find("value")) body.set("value", *value);
  return handle(desk, h::put_parameter, {text_of(request, "component"), vhost_of(request), text_of(request, "name")},
                std::move(body));
}

Outcome<FieldValue> clear_parameter(Desk& desk, const Table& request) {
  if (auto fine = must_be_there(desk, request); !fine) return tl::unexpected(fine.error());
  auto cleared =
      handle(desk, h::delete_parameter, {text_of(request, "component"), vhost_of(request), text_of(request, "name")});
  if (!cleared && cleared.error().status == 404) return not_found("Parameter does not exist");
  return cleared;
}

Outcome<FieldValue> list_parameters(Desk& desk, const Table& request) {
  if (auto fine = must_be_there(desk, request); !fine) return tl::unexpected(fine.error());
  auto all = handle(desk, h::list_parameters, {});
  if (!all) return all;
  FieldArray rows;
  for (const FieldValue& each : *all->get<FieldArray>()) {
    if (*each.get<Table>()->string("vhost") == vhost_of(request)) rows.push_back(each);
  }
  return FieldValue(std::move(rows));
}

// The columns of rabbitmqctl's shovel_status.
Outcome<FieldValue> shovel_status(Desk& desk, const Table&) {
  auto all = handle(desk, h::list_shovels, {});
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

Outcome<FieldValue> restart_shovel(Desk& desk, const Table& request) {
  if (auto fine = must_be_there(desk, request); !fine) return tl::unexpected(fine.error());
  return handle(desk, h::restart_shovel, {vhost_of(request), text_of(request, "name")});
}

Outcome<FieldValue> delete_shovel(Desk& desk, const Table& request) {
  if (auto fine = must_be_there(desk, request); !fine) return tl::unexpected(fine.error());
  return handle(desk, h::delete_shovel, {vhost_of(request), text_of(request, "name")});
}

Outcome<FieldValue> federation_status(Desk& desk, const Table&) {
  return handle(desk, h::list_federation_links, {});
}

Outcome<FieldValue> restart_federation_link(Desk& desk, const Table& request) {
  const std::string id = text_of(request, "id");
  for (const bridges::FederationRow& each : desk.bridges().federation_links()) {
    if (each.id == id) return handle(desk, h::restart_federation_link, {each.spec.upstream.vhost, id});
  }
  return not_found(fmt::format("no federation link '{}'; federation_status shows them", id));
}

struct BridgeVerb {
  std::string_view name;
  Outcome<FieldValue> (*run)(Desk& desk, const Table& request);
};
constexpr BridgeVerb bridge_verbs[] = {
    {"set_parameter", set_parameter},         {"clear_parameter", clear_parameter},
    {"list_parameters", list_parameters},     {"shovel_status", shovel_status},
    {"restart_shovel", restart_shovel},       {"delete_shovel", delete_shovel},
    {"federation_status", federation_status}, {"restart_federation_link", restart_federation_link},
};

const BridgeVerb* find_bridge_verb(std::string_view name) {
  const auto* found = std::find_if(std::begin(bridge_verbs), std::end(bridge_verbs),
                                   [&](const BridgeVerb& each) { return each.name == name; });
  return found == std::end(bridge_verbs) ? nullptr : found;
}

}  // namespace

bool is_bridge_verb(std::string_view name) {
  return find_bridge_verb(name) != nullptr;
}

Outcome<FieldValue> run_bridge_verb(Desk& desk, const Table& request) {
  return find_bridge_verb(text_of(request, "verb"))->run(desk, request);
}

}  // namespace wherry::broker::admin
