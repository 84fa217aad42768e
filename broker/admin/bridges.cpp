// What bridges do: shovels and federation links, as RabbitMQ's management plugins for them show it.
#include <fmt/format.h>

#include "broker/admin/handlers.h"

namespace wherry::broker::admin::handlers {

namespace {

using bridges::Bridge;
using bridges::Bridges;
using bridges::ShovelSpec;

std::string clock_time(std::chrono::system_clock::time_point when) {
  return iso_time(static_cast<std::uint64_t>(
      std::chrono::duration_cast<std::chrono::milliseconds>(when.time_since_epoch()).count()));
}

void put_text(Table& row, const char* name, const std::string& text) {
  if (!text.empty()) put(row, name, text);
}

Table shovel_row(Desk& desk, const Bridges::ShovelRow& shovel) {
  const ShovelSpec& spec = shovel.spec;
  Table row;
  put(row, "node", desk.config().node);
  put(row, "timestamp", clock_time(shovel.status.since));
  put(row, "name", spec.name);
  put(row, "vhost", spec.vhost);
  put(row, "type", std::string("dynamic"));
  put(row, "state", std::string(to_string(shovel.status.state)));
  put_text(row, "reason", shovel.status.reason);
  put_text(row, "src_uri", shovel.status.source);
  put(row, "src_protocol", std::string("amqp091"));
  put_text(row, "src_queue", spec.source_queue);
  put_text(row, "src_exchange", spec.source_exchange);
  put_text(row, "src_exchange_key", spec.source_key);
  put_text(row, "dest_uri", shovel.status.destination);
  put(row, "dest_protocol", std::string("amqp091"));
  put_text(row, "dest_queue", spec.destination_queue.value_or(""));
  put_text(row, "dest_exchange", spec.destination_exchange.value_or(""));
  put_text(row, "dest_exchange_key", spec.destination_key.value_or(""));
  put(row, "blocked_status", std::string(shovel.status.blocked ? "blocked" : "running"));
  put(row, "messages", count(shovel.status.passed_on));
  return row;
}

// RabbitMQ's words for a link's states.
std::string link_status(Bridge::State state) {
  return std::string(state == Bridge::State::terminated ? "error" : to_string(state));
}

Table link_row(Desk& desk, const bridges::FederationRow& link) {
  Table row;
  put(row, "node", desk.config().node);
  put(row, "exchange", link.spec.exchange.name);
  put(row, "upstream_exchange", link.spec.upstream_exchange());
  put(row, "type", std::string("exchange"));
  put(row, "vhost", link.spec.upstream.vhost);
  put(row, "upstream", link.spec.upstream.name);
  put(row, "id", link.id);
  put(row, "status", link_status(link.status.state));
  put_text(row, "error", link.status.reason);
  put_text(row, "uri", link.status.source);
  put(row, "timestamp", clock_time(link.status.since));
  put(row, "messages", count(link.status.passed_on));
  return row;
}

// One that the caller sees and may change.
Outcome<void> check_shovel(Desk& desk, const Request& request) {
  auto vhost = desk.vhost(request.caller, request.part(0));
  if (!vhost) return tl::unexpected(vhost.error());
  if (!request.caller.administrator() && !request.caller.may_open(request.part(0))) {
    return not_authorised("User not authorised to access virtual host");
  }
  if (desk.settings().parameters().find(request.part(0), bridges::shovel_component, request.part(1))) return {};
  return not_found(fmt::format("no shovel '{}' in vhost '{}'", request.part(1), request.part(0)));
}

}  // namespace

Outcome<Answer> list_shovels(Desk& desk, const Request& request) {
  if (!request.parts.empty() && !desk.shared().find_vhost(request.part(0))) return not_found();
  FieldArray rows;
  for (const Bridges::ShovelRow& each : desk.bridges().shovels()) {
    if (!request.caller.sees(each.spec.vhost)) continue;
    if (!request.parts.empty() && request.part(0) != each.spec.vhost) continue;
    rows.emplace_back(shovel_row(desk, each));
  }
  return listing(std::move(rows));
}

Outcome<Answer> get_shovel(Desk& desk, const Request& request) {
  auto all = list_shovels(desk, request);
  if (!all) return all;
  for (const FieldValue& each : *all->body.get<FieldArray>()) {
    if (*each.get<Table>()->string("name") == request.part(1)) return answer(each);
  }
  return not_found();
}

Outcome<Answer> delete_shovel(Desk& desk, const Request& request) {
  if (auto fine = check_shovel(desk, request); !fine) return tl::unexpected(fine.error());
  auto kept =
      desk.kept(desk.settings().parameters().clear(request.part(0), bridges::shovel_component, request.part(1)));
  if (!kept) return tl::unexpected(kept.error());
  desk.audit(request.caller, fmt::format("deleted shovel '{}' of vhost '{}'", request.part(1), request.part(0)));
  return done();
}

Outcome<Answer> restart_shovel(Desk& desk, const Request& request) {
  if (auto fine = check_shovel(desk, request); !fine) return tl::unexpected(fine.error());
  if (!desk.bridges().restart_shovel(request.part(0), request.part(1))) return not_found();
  desk.audit(request.caller, fmt::format("restarted shovel '{}' of vhost '{}'", request.part(1), request.part(0)));
  return done();
}

Outcome<Answer> list_federation_links(Desk& desk, const Request& request) {
  if (!request.parts.empty() && !desk.shared().find_vhost(request.part(0))) return not_found();
  FieldArray rows;
  for (const bridges::FederationRow& each : desk.bridges().federation_links()) {
    if (!request.caller.sees(each.spec.upstream.vhost)) continue;
    if (!request.parts.empty() && request.part(0) != each.spec.upstream.vhost) continue;
    rows.emplace_back(link_row(desk, each));
  }
  return listing(std::move(rows));
}

Outcome<Answer> restart_federation_link(Desk& desk, const Request& request) {
  const std::string& id = request.part(1);
  for (const bridges::FederationRow& each : desk.bridges().federation_links()) {
    if (each.id != id || each.spec.upstream.vhost != request.part(0)) continue;
    if (!request.caller.may_open(request.part(0))) break;
    if (!desk.bridges().restart_federation_link(id)) break;
    desk.audit(request.caller, fmt::format("restarted federation link {}", id));
    return done();
  }
  return not_found(fmt::format("no federation link '{}'", id));
}

}  // namespace wherry::broker::admin::handlers
