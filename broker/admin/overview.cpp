// The broker as a whole: overview, the one node, health, who one is.
#include <fmt/format.h>

#include "broker/admin/handlers.h"
#include "broker/queueing/alarms.h"

namespace wherry::broker::admin {

namespace handlers {

namespace {

Table totals_of(const std::vector<QueueState>& queues) {
  std::uint64_t ready = 0, unacked = 0;
  for (const QueueState& each : queues) {
    ready += each.ready;
    unacked += each.unacked;
  }
  Table row;
  put(row, "messages", count(ready + unacked));
  put(row, "messages_ready", count(ready));
  put(row, "messages_unacknowledged", count(unacked));
  return row;
}

FieldArray listeners_of(Desk& desk) {
  FieldArray rows;
  for (const DeskConfig::Listener& each : desk.listeners()) {
    Table row;
    put(row, "node", desk.config().node);
    put(row, "protocol", each.protocol);
    put(row, "ip_address", each.address.host);
    put(row, "port", count(each.address.port));
    put(row, "socket_opts", Table{});
    rows.emplace_back(std::move(row));
  }
  return rows;
}

constexpr std::pair<const char*, const char*> known_exchange_types[] = {
    {"direct", "AMQP direct exchange, as per the AMQP specification"},
    {"fanout", "AMQP fanout exchange, as per the AMQP specification"},
    {"topic", "AMQP topic exchange, as per the AMQP specification"},
    {"headers", "AMQP headers exchange, as per the AMQP specification"},
    {"x-consistent-hash", "Consistent Hashing Exchange"},
    {"x-random", "To one of its queues, at random"},
    {"x-delayed-message", "Holds each message for its x-delay, then routes as x-delayed-type says"}};

FieldArray rows_of_exchange_types() {
  FieldArray rows;
  for (const auto& [name, description] : known_exchange_types) {
    Table row;
    put(row, "name", std::string(name));
    put(row, "description", std::string(description));
    put(row, "enabled", true);
    rows.emplace_back(std::move(row));
  }
  return rows;
}

FieldArray rows_of_mechanisms(Desk& desk) {
  FieldArray rows;
  const BrokerConfig& config = desk.shared().config();
  for (const std::string& name : (config.tls ? config.tls_session : config.session).amqp.mechanisms) {
    Table row;
    put(row, "name", name);
    put(row, "description", std::string(name == "EXTERNAL" ? "By the client's certificate" : "By user and password"));
    put(row, "enabled", true);
    rows.emplace_back(std::move(row));
  }
  return rows;
}

Table node_row(Desk& desk) {
  const DeskConfig& config = desk.config();
  const Alarms& alarms = *desk.shared().config().alarms;
  const Machine machine = desk.machine();
  Table row;
  put(row, "name", config.node);
  put(row, "type", std::string("disc"));
  put(row, "running", true);
  put(row, "being_drained", false);
  put(row, "partitions", FieldArray{});
  put(row, "os_pid", std::to_string(::getpid()));
  put(row, "uptime", count(desk.uptime_ms()));
  put(row, "processors", count(desk.shared().config().shards));
  put(row, "proc_used", count(machine.threads));
  put(row, "fd_used", count(machine.open_files));
  put(row, "fd_total", count(machine.most_files));
  put(row, "sockets_used", count(machine.sockets));
  const std::uint64_t most = desk.shared().config().connection_max;
  put(row, "sockets_total", count(most > 0 ? most : machine.most_files));
  put(row, "mem_used", count(config.resident ? config.resident() : 0));
  put(row, "mem_limit", count(config.memory_limit));
  put(row, "mem_alarm", alarms.raised(Alarm::memory));
  put(row, "disk_free", count(config.disk_free ? config.disk_free() : 0));
  put(row, "disk_free_limit", count(config.disk_free_limit));
  put(row, "disk_free_alarm", alarms.raised(Alarm::disk) || alarms.raised(Alarm::store_full));
  put(row, "disk_stalled", alarms.disk_stalled());
  put(row, "disk_stalls", count(alarms.disk_stalls()));
  put(row, "rates_mode", std::string("basic"));
  put(row, "db_dir", config.data_dir);
  put(row, "log_files", FieldArray{FieldValue("stderr")});
  put(row, "exchange_types", rows_of_exchange_types());
  put(row, "auth_mechanisms", rows_of_mechanisms(desk));
  put(row, "contexts", FieldArray{});
  put(row, "cluster_links", FieldArray{});
  put(row, "enabled_plugins", FieldArray{});
  put(row, "applications", FieldArray{});
  return row;
}

Outcome<Answer> fine() {
  Table row;
  put(row, "status", std::string("ok"));
  return answer(std::move(row));
}

// And what is.
template <class T>
Outcome<Answer> fine(const char* what, T value) {
  Table row;
  put(row, "status", std::string("ok"));
  put(row, what, std::move(value));
  return answer(std::move(row));
}

Answer failed(std::string reason) {
  Table row;
  put(row, "status", std::string("failed"));
  put(row, "reason", std::move(reason));
  return {.status = 503, .body = std::move(row)};
}

// What was looked for, and what there is.
void say_missing(Answer& into, const std::string& wanted, const char* what, FieldArray there) {
  auto& row = std::get<Table>(into.body.value);
  put(row, "missing", wanted);
  put(row, what, std::move(there));
}

}  // namespace

Outcome<Answer> overview(Desk& desk, const Request& request) {
  const bool all = request.caller.monitoring();
  auto queues = desk.survey().queues_of("");
  if (!queues) return unavailable(queues.error().message);
  std::erase_if(*queues, [&](const QueueState& each) { return !request.caller.sees(each.entry->vhost); });
  auto totals = desk.survey().totals();
  if (!totals) return unavailable(totals.error().message);
  std::uint64_t exchanges = 0, consumers = 0;
  for (const SharedVhostRef& vhost : desk.shared().vhosts()) {
    if (request.caller.sees(vhost->name())) {
      exchanges += vhost->read([](const Vhost& topology) { return topology.exchanges().size(); });
    }
  }
  for (const QueueState& each : *queues) consumers += each.consumers;
  Table row, objects;
  put(row, "management_version", std::string(rabbitmq_version));
  put(row, "rabbitmq_version", std::string(rabbitmq_version));
  put(row, "product_name", desk.config().product);
  put(row, "product_version", desk.config().version);
  put(row, "rates_mode", std::string("basic"));
  put(row, "cluster_name", desk.cluster_name());
  put(row, "node", desk.config().node);
  put(row, "erlang_version", std::string());
  put(row, "erlang_full_version", std::string());
  put(row, "disable_stats", false);
  put(row, "enable_queue_totals", false);
  put(row, "exchange_types", rows_of_exchange_types());
  put(objects, "channels", count(totals->open_channels));
  put(objects, "connections", count(totals->connections));
  put(objects, "consumers", count(consumers));
  put(objects, "exchanges", count(exchanges));
  put(objects, "queues", count(queues->size()));
  put(row, "object_totals", std::move(objects));
  put(row, "queue_totals", totals_of(*queues));
  put(row, "message_stats", channel_stats(totals->channels, desk.sampler().all()));
  Table churn;
  put(churn, "connection_created", count(totals->counts.connections_opened));
  put(churn, "connection_closed", count(totals->counts.connections_closed));
  put(churn, "channel_created", count(totals->counts.channels_opened));
  put(churn, "channel_closed", count(totals->counts.channels_closed));
  put(churn, "queue_declared", count(totals->counts.queues_declared));
  put(churn, "queue_created", count(totals->counts.queues_created));
  put(churn, "queue_deleted", count(totals->counts.queues_deleted));
  put(row, "churn_rates", std::move(churn));
  if (all) {
    put(row, "listeners", listeners_of(desk));
    put(row, "contexts", FieldArray{});
  }
  return answer(std::move(row));
}

Outcome<Answer> list_nodes(Desk& desk, const Request&) {
  return listing(FieldArray{FieldValue(node_row(desk))});
}

Outcome<Answer> get_node(Desk& desk, const Request& request) {
  if (request.part(0) != desk.config().node) return not_found();
  return answer(node_row(desk));
}

Outcome<Answer> cluster_name(Desk& desk, const Request&) {
  Table row;
  put(row, "name", desk.cluster_name());
  return answer(std::move(row));
}

Outcome<Answer> put_cluster_name(Desk& desk, const Request& request) {
  const std::string* name = request.body.string("name");
  if (name == nullptr || name->empty()) return bad_request("key_missing: name, a text");
  auto kept = desk.kept(desk.access().set_global_parameter("cluster_name", *name));
  if (!kept) return tl::unexpected(kept.error());
  desk.audit(request.caller, fmt::format("named the cluster '{}'", *name));
  return done();
}

Outcome<Answer> whoami(Desk&, const Request& request) {
  Table row;
  put(row, "name", request.caller.name());
  FieldArray tags;
  if (request.caller.user()) {
    const std::vector<std::string>& all = request.caller.user()->spec().tags;
    tags.assign(all.begin(), all.end());
  }
  put(row, "tags", std::move(tags));
  return answer(std::move(row));
}

Outcome<Answer> auth(Desk&, const Request&) {
  Table row;
  put(row, "enable_uaa", false);
  put(row, "uaa_client_id", std::string());
  put(row, "uaa_location", std::string());
  return answer(std::move(row));
}

Outcome<Answer> extensions(Desk&, const Request&) {
  return answer(FieldArray{});
}

Outcome<Answer> feature_flags(Desk&, const Request&) {
  FieldArray rows;
  for (const char* name : {"classic_mirrored_queue_version", "implicit_default_bindings", "maintenance_mode_status",
                           "quorum_queue", "user_limits", "virtual_host_metadata"}) {
    Table row;
    put(row, "name", std::string(name));
    put(row, "state", std::string("enabled"));
    put(row, "stability", std::string("stable"));
    put(row, "desc", std::string());
    put(row, "doc_url", std::string());
    put(row, "provided_by", std::string("rabbit"));
    rows.emplace_back(std::move(row));
  }
  return listing(std::move(rows));
}

// Publishes to a queue of its own and gets it back.
Outcome<Answer> aliveness(Desk& desk, const Request& request) {
  constexpr const char* queue = "aliveness-test";
  const std::string& vhost = request.part(0);
  if (!desk.shared().find_vhost(vhost)) return not_found();
  for (Access access : {Access::configure, Access::write, Access::read}) {
    if (!request.caller.may_open(vhost)) return not_authorised("User not authorised to access virtual host");
    if (auto may = request.caller.check(access, "queue", vhost, queue); !may) return tl::unexpected(may.error());
  }
  Operations operations = desk.operations();
  if (auto declared = operations.declare_queue(vhost, {.name = queue, .arguments = {}}); !declared) {
    return refusal_of(declared.error());
  }
  auto published = operations.publish(vhost, "", queue, {}, "test_message");
  if (!published) return refusal_of(published.error());
  auto got = operations.get(vhost, queue, 1, Settlement::ack);
  if (!got) return refusal_of(got.error());
  if (got->empty()) return failed("the message that was published did not come back");
  return fine();
}

Outcome<Answer> check_alarms(Desk& desk, const Request&) {
  const std::string reason = desk.shared().config().alarms->reason();
  if (reason.empty()) return fine();
  return failed(fmt::format("resource alarm(s) in effect: {}", reason));
}

Outcome<Answer> check_virtual_hosts(Desk& desk, const Request&) {
  if (desk.shared().vhosts().empty()) return failed("there is no virtual host");
  return fine();
}

// One node without mirrors or quorums: nothing that could be critical to others.
Outcome<Answer> check_fine(Desk&, const Request&) {
  return fine("reason", std::string("single node cluster"));
}

Outcome<Answer> check_port(Desk& desk, const Request& request) {
  for (const DeskConfig::Listener& each : desk.listeners()) {
    if (std::to_string(each.address.port) == request.part(0)) return fine("port", count(each.address.port));
  }
  Answer answer = failed(fmt::format("there is no listener on port {}", request.part(0)));
  FieldArray ports;
  for (const DeskConfig::Listener& each : desk.listeners()) ports.emplace_back(count(each.address.port));
  say_missing(answer, request.part(0), "ports", std::move(ports));
  return answer;
}

Outcome<Answer> check_protocol(Desk& desk, const Request& request) {
  std::string wanted = request.part(0);
  if (wanted == "amqp091" || wanted == "amqp0.9.1" || wanted == "amqp0-9-1") wanted = "amqp";
  if (wanted == "management") wanted = "http";
  for (const DeskConfig::Listener& each : desk.listeners()) {
    if (each.protocol == wanted) return fine("protocol", request.part(0));
  }
  Answer answer = failed(fmt::format("there is no listener for protocol {}", request.part(0)));
  FieldArray protocols;
  for (const DeskConfig::Listener& each : desk.listeners()) protocols.emplace_back(std::string(each.protocol));
  say_missing(answer, request.part(0), "protocols", std::move(protocols));
  return answer;
}

}  // namespace handlers
}  // namespace wherry::broker::admin
