// The broker as a whole: its state, its name, its definitions.
#include <fstream>
#include <sstream>

#include <fmt/format.h>

#include "broker/admin/handlers.h"
#include "broker/admin/verb.h"
#include "broker/control/json.h"

namespace wherry::broker::admin::verbs {

namespace {

namespace h = handlers;

constexpr std::size_t most_definitions_bytes = 64u << 20;

Outcome<FieldValue> export_definitions(Desk& desk, const Caller& caller, const Table&) {
  return run(desk, caller, h::export_definitions, {});
}

// Who sits at this machine names a file: it may be larger than what the control socket takes. From elsewhere a path
// would let an operator of the broker read what the broker's user can.
Outcome<FieldValue> import_definitions(Desk& desk, const Caller& caller, const Table& request) {
  if (request.find("definitions"))
    return run(desk, caller, h::import_definitions, {}, table_of(request, "definitions"));
  if (!caller.local()) return bad_request("import_definitions wants the definitions themselves, not a file's name");
  const std::string path = text_of(request, "file");
  std::ifstream in(path, std::ios::binary);
  std::stringstream text;
  if (!in || !(text << in.rdbuf())) return bad_request(fmt::format("cannot read {}", path));
  auto body = control::parse_object(text.str(), most_definitions_bytes);
  if (!body) return bad_request(fmt::format("{}: {}", path, body.error().message));
  return run(desk, caller, h::import_definitions, {}, std::move(*body));
}

Outcome<FieldValue> status(Desk& desk, const Caller& caller, const Table&) {
  auto node = run(desk, caller, h::get_node, {desk.config().node});
  auto overview = run(desk, caller, h::overview, {});
  if (!node) return node;
  if (!overview) return overview;
  Table all;
  const Table& whole = *overview->get<Table>();
  for (const char* name : {"product_name", "product_version", "rabbitmq_version", "cluster_name", "node",
                           "object_totals", "queue_totals", "listeners"}) {
    if (const FieldValue* value = whole.find(name)) all.entries().emplace_back(name, *value);
  }
  const Table& one = *node->get<Table>();
  for (const char* name : {"os_pid", "uptime", "processors", "mem_used", "mem_limit", "mem_alarm", "disk_free",
                           "disk_free_limit", "disk_free_alarm", "disk_stalled", "disk_stalls", "fd_used", "fd_total",
                           "sockets_used", "proc_used", "db_dir"}) {
    if (const FieldValue* value = one.find(name)) all.entries().emplace_back(name, *value);
  }
  return FieldValue(pairs(all));
}

Outcome<FieldValue> environment(Desk& desk, const Caller&, const Table&) {
  const BrokerConfig& config = desk.shared().config();
  Table all;
  put(all, "channel_max", count(config.session.amqp.tuning.channel_max));
  put(all, "frame_max", count(config.session.amqp.tuning.frame_max));
  put(all, "heartbeat", count(config.session.amqp.tuning.heartbeat_s));
  put(all, "max_message_size", count(config.session.amqp.max_message_size));
  put(all, "shards", count(config.shards));
  put(all, "consumer_timeout", count(config.consumer_timeout_ms));
  put(all, "durability",
      std::string(config.durability == Durability::sync ? "sync"
                  : config.durability == Durability::os ? "os"
                                                        : "none"));
  put(all, "memory_high_watermark", count(desk.config().memory_limit));
  put(all, "disk_free_limit", count(desk.config().disk_free_limit));
  put(all, "data_dir", desk.config().data_dir);
  return FieldValue(pairs(all));
}

Outcome<FieldValue> ping(Desk& desk, const Caller&, const Table&) {
  if (auto totals = desk.survey().totals(); !totals) return unavailable(totals.error().message);
  return FieldValue();
}

Outcome<FieldValue> set_cluster_name(Desk& desk, const Caller& caller, const Table& request) {
  Table body;
  put(body, "name", text_of(request, "name"));
  return run(desk, caller, h::put_cluster_name, {}, std::move(body));
}

Outcome<FieldValue> list_global_parameters(Desk& desk, const Caller& caller, const Table& request) {
  return choose(run(desk, caller, h::list_global_parameters, {}), request, same({"name", "value"}), {"name", "value"});
}

constexpr Verb known_broker_verbs[] = {
    {"export_definitions", Level::administrator, export_definitions},
    {"import_definitions", Level::administrator, import_definitions},
    {"status", Level::monitoring, status},
    {"environment", Level::administrator, environment},
    {"ping", Level::management, ping},
    {"await_startup", Level::management, ping},
    {"set_cluster_name", Level::administrator, set_cluster_name},
    {"list_global_parameters", Level::policymaker, list_global_parameters},
};

}  // namespace

std::span<const Verb> broker_verbs() {
  return known_broker_verbs;
}

}  // namespace wherry::broker::admin::verbs
