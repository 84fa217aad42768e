#include "broker/admin/verbs.h"

#include <algorithm>
#include <charconv>
#include <fstream>
#include <sstream>

#include <fmt/format.h>

#include "broker/admin/bridge_verbs.h"
#include "broker/admin/handlers.h"
#include "broker/admin/task_verbs.h"
#include "broker/auth/password_hash.h"
#include "broker/control/json.h"

namespace wherry::broker::admin {

namespace {

namespace h = handlers;
using Names = std::vector<std::string>;

constexpr std::size_t most_definitions_bytes = 64u << 20;

// Runs a handler of the API as the operator who owns the broker.
Outcome<FieldValue> run(Desk& desk, Handler handler, Names parts, Table body = {},
                        std::map<std::string, std::string> query = {}) {
  Request request;
  request.parts = std::move(parts);
  request.body = std::move(body);
  request.query = std::move(query);
  request.caller = Caller::local_operator();
  auto answered = handler(desk, request);
  if (!answered) return tl::unexpected(answered.error());
  return answered->has_body ? std::move(answered->body) : FieldValue();
}

std::string vhost_of(const Table& request) {
  return text_of(request, "vhost", "/");
}
Outcome<void> check_vhost(Desk& desk, const Table& request) {
  if (desk.shared().find_vhost(vhost_of(request))) return {};
  return not_found(fmt::format("Virtual host '{}' does not exist", vhost_of(request)));
}
Outcome<void> check_user(Desk& desk, const Table& request) {
  const std::string name = text_of(request, "user");
  if (desk.access().user(name)) return {};
  return not_found(fmt::format("User '{}' does not exist", name));
}

// A column, and where in a row of the API it is.
struct Column {
  const char* name;
  const char* path;
};
using Columns = std::vector<Column>;

const FieldValue* find(const Table& row, std::string_view path) {
  const std::size_t dot = path.find('.');
  const FieldValue* value = row.find(path.substr(0, dot));
  if (value == nullptr || dot == path.npos) return value;
  const Table* inner = value->get<Table>();
  return inner ? find(*inner, path.substr(dot + 1)) : nullptr;
}

// The columns that were asked for, of each row.
Outcome<FieldValue> choose(const Outcome<FieldValue>& rows, const Table& request, const Columns& known,
                           const Names& usual) {
  if (!rows) return rows;
  Names names = texts_of(request, "columns");
  if (names.empty()) names = usual;
  std::vector<const Column*> chosen;
  std::string unknown;
  for (const std::string& name : names) {
    const auto found = std::find_if(known.begin(), known.end(), [&](const Column& each) { return each.name == name; });
    if (found == known.end()) {
      unknown += (unknown.empty() ? "" : ", ") + name;
    } else {
      chosen.push_back(&*found);
    }
  }
  if (!unknown.empty()) return bad_request(fmt::format("Info key(s) {} are not supported", unknown));
  FieldArray out;
  for (const FieldValue& each : *rows->get<FieldArray>()) {
    const Table& row = *each.get<Table>();
    Table line;
    for (const Column* column : chosen) {
      const FieldValue* value = find(row, column->path);
      line.entries().emplace_back(column->name, value ? *value : FieldValue());
    }
    out.emplace_back(std::move(line));
  }
  return FieldValue(std::move(out));
}

Columns same(std::initializer_list<const char*> names) {
  Columns columns;
  for (const char* name : names) columns.push_back({name, name});
  return columns;
}

// --- listings ---

Outcome<FieldValue> list_queues(Desk& desk, const Table& request) {
  if (auto fine = check_vhost(desk, request); !fine) return tl::unexpected(fine.error());
  static const Columns columns = same({"name",
                                       "durable",
                                       "auto_delete",
                                       "exclusive",
                                       "arguments",
                                       "type",
                                       "state",
                                       "policy",
                                       "operator_policy",
                                       "effective_policy_definition",
                                       "effective_arguments",
                                       "messages",
                                       "messages_ready",
                                       "messages_unacknowledged",
                                       "messages_persistent",
                                       "messages_scheduled",
                                       "duplicates",
                                       "message_bytes",
                                       "message_bytes_ready",
                                       "message_bytes_unacknowledged",
                                       "consumers",
                                       "single_active_consumer_tag",
                                       "head_message_timestamp",
                                       "message_stats",
                                       "home_shard"});
  auto rows = run(desk, h::list_queues, {vhost_of(request)});
  if (rows) {
    // Here what is not there is an empty text.
    for (FieldValue& each : *std::get_if<FieldArray>(&rows->value)) {
      for (auto& [name, value] : std::get_if<Table>(&each.value)->entries()) {
        if (value.is_null()) value = std::string();
      }
    }
  }
  return choose(rows, request, columns, {"name", "messages"});
}

Outcome<FieldValue> list_exchanges(Desk& desk, const Table& request) {
  if (auto fine = check_vhost(desk, request); !fine) return tl::unexpected(fine.error());
  static const Columns columns =
      same({"name", "type", "durable", "auto_delete", "internal", "arguments", "policy", "message_stats"});
  return choose(run(desk, h::list_exchanges, {vhost_of(request)}), request, columns, {"name", "type"});
}

Outcome<FieldValue> list_bindings(Desk& desk, const Table& request) {
  if (auto fine = check_vhost(desk, request); !fine) return tl::unexpected(fine.error());
  static const Columns columns{{"source_name", "source"},
                               {"source_kind", "source_kind"},
                               {"destination_name", "destination"},
                               {"destination_kind", "destination_type"},
                               {"routing_key", "routing_key"},
                               {"arguments", "arguments"},
                               {"vhost", "vhost"}};
  auto rows = run(desk, h::list_bindings, {vhost_of(request)});
  if (rows) {
    for (FieldValue& each : *std::get_if<FieldArray>(&rows->value)) {
      std::get_if<Table>(&each.value)->set("source_kind", std::string("exchange"));
    }
  }
  return choose(rows, request, columns,
                {"source_name", "source_kind", "destination_name", "destination_kind", "routing_key", "arguments"});
}

Outcome<FieldValue> list_connections(Desk& desk, const Table& request) {
  static const Columns columns{{"pid", "name"},
                               {"name", "name"},
                               {"user", "user"},
                               {"vhost", "vhost"},
                               {"host", "host"},
                               {"port", "port"},
                               {"peer_host", "peer_host"},
                               {"peer_port", "peer_port"},
                               {"state", "state"},
                               {"channels", "channels"},
                               {"protocol", "protocol"},
                               {"auth_mechanism", "auth_mechanism"},
                               {"timeout", "timeout"},
                               {"frame_max", "frame_max"},
                               {"channel_max", "channel_max"},
                               {"client_properties", "client_properties"},
                               {"connected_at", "connected_at"},
                               {"recv_oct", "recv_oct"},
                               {"recv_cnt", "recv_cnt"},
                               {"send_oct", "send_oct"},
                               {"send_cnt", "send_cnt"},
                               {"send_pend", "send_pend"},
                               {"ssl", "ssl"}};
  return choose(run(desk, h::list_connections, {}), request, columns, {"user", "peer_host", "peer_port", "state"});
}

Outcome<FieldValue> list_channels(Desk& desk, const Table& request) {
  static const Columns columns{{"pid", "name"},
                               {"name", "name"},
                               {"number", "number"},
                               {"connection", "connection_details.name"},
                               {"user", "user"},
                               {"vhost", "vhost"},
                               {"state", "state"},
                               {"transactional", "transactional"},
                               {"confirm", "confirm"},
                               {"consumer_count", "consumer_count"},
                               {"messages_unacknowledged", "messages_unacknowledged"},
                               {"messages_uncommitted", "messages_uncommitted"},
                               {"messages_unconfirmed", "messages_unconfirmed"},
                               {"prefetch_count", "prefetch_count"},
                               {"global_prefetch_count", "global_prefetch_count"}};
  return choose(run(desk, h::list_channels, {}), request, columns,
                {"pid", "user", "consumer_count", "messages_unacknowledged"});
}

Outcome<FieldValue> list_consumers(Desk& desk, const Table& request) {
  if (auto fine = check_vhost(desk, request); !fine) return tl::unexpected(fine.error());
  static const Columns columns{{"queue_name", "queue.name"},           {"channel_pid", "channel_details.name"},
                               {"consumer_tag", "consumer_tag"},       {"ack_required", "ack_required"},
                               {"prefetch_count", "prefetch_count"},   {"active", "active"},
                               {"activity_status", "activity_status"}, {"arguments", "arguments"}};
  return choose(run(desk, h::list_consumers, {vhost_of(request)}), request, columns,
                {"queue_name", "channel_pid", "consumer_tag", "ack_required", "prefetch_count", "active", "arguments"});
}

// --- users and permissions ---

Outcome<FieldValue> list_users(Desk& desk, const Table& request) {
  static const Columns columns{{"user", "name"}, {"tags", "tags"}};
  return choose(run(desk, h::list_users, {}), request, columns, {"user", "tags"});
}

Outcome<FieldValue> change(Desk& desk, const Result<std::uint64_t>& changed, std::string_view what) {
  // In its own words: whoever sits at a terminal has asked by name.
  if (!changed) return not_found(changed.error().message);
  if (auto kept = desk.kept(changed); !kept) return tl::unexpected(kept.error());
  desk.audit(Caller::local_operator(), what);
  return FieldValue();
}

Outcome<FieldValue> add_user(Desk& desk, const Table& request) {
  const std::string name = text_of(request, "user");
  const std::string password = text_of(request, "password");
  if (desk.access().user(name)) return bad_request(fmt::format("User '{}' already exists", name));
  if (password.empty()) return bad_request("a password is not empty");
  UserSpec spec;
  spec.name = name;
  spec.password_hash = hash_password(password);
  return change(desk, desk.access().put_user(std::move(spec)), fmt::format("added user '{}'", name));
}

Outcome<FieldValue> change_password(Desk& desk, const Table& request) {
  const std::string name = text_of(request, "user");
  const std::string password = text_of(request, "password");
  if (password.empty()) return bad_request("a password is not empty; clear_password takes it away");
  return change(desk,
                desk.access().change_user(name,
                                          [&](UserSpec& spec) {
                                            spec.password_hash = hash_password(password);
                                            spec.hashing = default_hashing;
                                          }),
                fmt::format("changed the password of user '{}'", name));
}

Outcome<FieldValue> clear_password(Desk& desk, const Table& request) {
  const std::string name = text_of(request, "user");
  return change(desk, desk.access().change_user(name, [](UserSpec& spec) { spec.password_hash.clear(); }),
                fmt::format("cleared the password of user '{}'", name));
}

Outcome<FieldValue> delete_user(Desk& desk, const Table& request) {
  const std::string name = text_of(request, "user");
  return change(desk, desk.access().delete_user(name), fmt::format("deleted user '{}'", name));
}

Outcome<FieldValue> set_user_tags(Desk& desk, const Table& request) {
  const std::string name = text_of(request, "user");
  const Names tags = texts_of(request, "tags");
  return change(desk, desk.access().change_user(name, [&](UserSpec& spec) { spec.tags = tags; }),
                fmt::format("set tags of user '{}' to [{}]", name, fmt::join(tags, ", ")));
}

Outcome<FieldValue> authenticate_user(Desk& desk, const Table& request) {
  const auto users = desk.shared().users().now();
  if (users->log_in(text_of(request, "user"), text_of(request, "password"), true)) return FieldValue();
  return not_authorised(fmt::format("failed to authenticate user \"{}\"", text_of(request, "user")));
}

Outcome<FieldValue> set_permissions(Desk& desk, const Table& request) {
  if (auto fine = check_vhost(desk, request); !fine) return tl::unexpected(fine.error());
  const Permission permission{vhost_of(request), text_of(request, "configure"), text_of(request, "write"),
                              text_of(request, "read")};
  return change(desk, desk.access().set_permission(text_of(request, "user"), permission),
                fmt::format("set permissions of user '{}' in vhost '{}' to '{}' '{}' '{}'", text_of(request, "user"),
                            permission.vhost, permission.configure, permission.write, permission.read));
}

Outcome<FieldValue> clear_permissions(Desk& desk, const Table& request) {
  return change(
      desk, desk.access().clear_permission(text_of(request, "user"), vhost_of(request)),
      fmt::format("cleared permissions of user '{}' in vhost '{}'", text_of(request, "user"), vhost_of(request)));
}

Outcome<FieldValue> list_permissions(Desk& desk, const Table& request) {
  if (auto fine = check_vhost(desk, request); !fine) return tl::unexpected(fine.error());
  return choose(run(desk, h::list_permissions, {vhost_of(request)}), request,
                same({"user", "configure", "write", "read"}), {"user", "configure", "write", "read"});
}

Outcome<FieldValue> list_user_permissions(Desk& desk, const Table& request) {
  if (auto fine = check_user(desk, request); !fine) return tl::unexpected(fine.error());
  return choose(run(desk, h::user_permissions, {text_of(request, "user")}), request,
                same({"vhost", "configure", "write", "read"}), {"vhost", "configure", "write", "read"});
}

Outcome<FieldValue> set_topic_permissions(Desk& desk, const Table& request) {
  const TopicPermission permission{vhost_of(request), text_of(request, "exchange"), text_of(request, "write"),
                                   text_of(request, "read")};
  return change(desk, desk.access().set_topic_permission(text_of(request, "user"), permission),
                fmt::format("set topic permissions of user '{}' on '{}' in vhost '{}'", text_of(request, "user"),
                            permission.exchange, permission.vhost));
}

Outcome<FieldValue> clear_topic_permissions(Desk& desk, const Table& request) {
  std::optional<std::string> exchange;
  if (const std::string* given = request.string("exchange")) exchange = *given;
  return change(
      desk, desk.access().clear_topic_permission(text_of(request, "user"), vhost_of(request), exchange),
      fmt::format("cleared topic permissions of user '{}' in vhost '{}'", text_of(request, "user"), vhost_of(request)));
}

Outcome<FieldValue> list_topic_permissions(Desk& desk, const Table& request) {
  if (auto fine = check_vhost(desk, request); !fine) return tl::unexpected(fine.error());
  return choose(run(desk, h::list_topic_permissions, {vhost_of(request)}), request,
                same({"user", "exchange", "write", "read"}), {"user", "exchange", "write", "read"});
}

Outcome<FieldValue> list_user_topic_permissions(Desk& desk, const Table& request) {
  if (auto fine = check_user(desk, request); !fine) return tl::unexpected(fine.error());
  return choose(run(desk, h::user_topic_permissions, {text_of(request, "user")}), request,
                same({"vhost", "exchange", "write", "read"}), {"vhost", "exchange", "write", "read"});
}

// --- virtual hosts ---

Outcome<FieldValue> list_vhosts(Desk& desk, const Table& request) {
  static const Columns columns = same({"name", "description", "tags", "tracing", "messages", "messages_ready",
                                       "messages_unacknowledged", "connections", "cluster_state"});
  return choose(run(desk, h::list_vhosts, {}), request, columns, {"name"});
}

Outcome<FieldValue> add_vhost(Desk& desk, const Table& request) {
  const std::string name = text_of(request, "name");
  if (desk.shared().find_vhost(name)) return bad_request(fmt::format("Virtual host '{}' already exists", name));
  std::optional<VhostNotes> notes;
  if (request.find("description") || request.find("tags")) {
    notes = {text_of(request, "description"), texts_of(request, "tags")};
  }
  return change(desk, desk.access().put_vhost(name, std::move(notes)), fmt::format("added vhost '{}'", name));
}

Outcome<FieldValue> delete_vhost(Desk& desk, const Table& request) {
  const std::string name = text_of(request, "name");
  return change(desk, desk.access().delete_vhost(name), fmt::format("deleted vhost '{}'", name));
}

// --- queues and connections ---

Outcome<FieldValue> in_words(Outcome<FieldValue> outcome, std::string missing) {
  if (!outcome && outcome.error().status == 404) return not_found(std::move(missing));
  return outcome;
}

Outcome<FieldValue> purge_queue(Desk& desk, const Table& request) {
  const std::string queue = text_of(request, "queue");
  return in_words(run(desk, h::purge_queue, {vhost_of(request), queue}),
                  fmt::format("no queue '{}' in vhost '{}'", queue, vhost_of(request)));
}

Outcome<FieldValue> delete_queue(Desk& desk, const Table& request) {
  const std::string queue = text_of(request, "queue");
  std::map<std::string, std::string> query;
  if (flag_of(request, "if_empty")) query["if-empty"] = "true";
  if (flag_of(request, "if_unused")) query["if-unused"] = "true";
  return in_words(run(desk, h::delete_queue, {vhost_of(request), queue}, {}, std::move(query)),
                  fmt::format("no queue '{}' in vhost '{}'", queue, vhost_of(request)));
}

Outcome<FieldValue> move_messages(Desk& desk, const Table& request) {
  Table body;
  put(body, "to", text_of(request, "to"));
  if (const std::string limit = text_of(request, "count"); !limit.empty()) {
    std::int64_t number = 0;
    const auto [end, error] = std::from_chars(limit.data(), limit.data() + limit.size(), number);
    if (error != std::errc{} || end != limit.data() + limit.size() || number < 1) {
      return bad_request(fmt::format("'{}' is no number of messages", limit));
    }
    body.set("limit", number);
  }
  auto report = run(desk, h::move_messages, {vhost_of(request), text_of(request, "queue")}, std::move(body));
  if (!report) return report;
  return FieldValue(FieldArray{std::move(*report)});
}

Outcome<FieldValue> pause_queue(Desk& desk, const Table& request) {
  return run(desk, h::pause_queue, {vhost_of(request), text_of(request, "queue")});
}

Outcome<FieldValue> resume_queue(Desk& desk, const Table& request) {
  return run(desk, h::resume_queue, {vhost_of(request), text_of(request, "queue")});
}

Outcome<FieldValue> close_connection(Desk& desk, const Table& request) {
  const std::string name = text_of(request, "connection");
  auto connections = desk.survey().connections();
  if (!connections) return unavailable(connections.error().message);
  for (const ConnectionState& each : *connections) {
    if (each.name() != name) continue;
    desk.shared().close_where([id = each.info.id](const Session& session) { return session.id() == id; },
                              text_of(request, "reason"));
    desk.audit(Caller::local_operator(), fmt::format("closed connection {}", name));
    return FieldValue();
  }
  return not_found(fmt::format("no connection '{}'; list_connections name shows them", name));
}

Outcome<FieldValue> close_all_connections(Desk& desk, const Table& request) {
  const bool global = flag_of(request, "global");
  const std::string vhost = vhost_of(request);
  auto connections = desk.survey().connections();
  if (!connections) return unavailable(connections.error().message);
  std::int64_t closed = 0;
  for (const ConnectionState& each : *connections) closed += global || each.info.vhost == vhost;
  desk.shared().close_where(
      [global, vhost](const Session& session) {
        return session.vhost() && (global || session.vhost()->name() == vhost);
      },
      text_of(request, "reason"));
  desk.audit(Caller::local_operator(), fmt::format("closed {} connections", closed));
  Table row;
  put(row, "closed", closed);
  return FieldValue(FieldArray{FieldValue(std::move(row))});
}

// --- the whole ---

Outcome<FieldValue> export_definitions(Desk& desk, const Table&) {
  return run(desk, h::export_definitions, {});
}

// The operator's tool names a file: it runs on this machine, as this user.
Outcome<FieldValue> import_definitions(Desk& desk, const Table& request) {
  const std::string path = text_of(request, "file");
  std::ifstream in(path, std::ios::binary);
  std::stringstream text;
  if (!in || !(text << in.rdbuf())) return bad_request(fmt::format("cannot read {}", path));
  auto body = control::parse_object(text.str(), most_definitions_bytes);
  if (!body) return bad_request(fmt::format("{}: {}", path, body.error().message));
  return run(desk, h::import_definitions, {}, std::move(*body));
}

FieldArray pairs(const Table& table) {
  FieldArray rows;
  for (const auto& [name, value] : table.entries()) {
    Table row;
    put(row, "key", name);
    row.entries().emplace_back("value", value);
    rows.emplace_back(std::move(row));
  }
  return rows;
}

Outcome<FieldValue> status(Desk& desk, const Table&) {
  auto node = run(desk, h::get_node, {desk.config().node});
  auto overview = run(desk, h::overview, {});
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

Outcome<FieldValue> environment(Desk& desk, const Table&) {
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

Outcome<FieldValue> ping(Desk& desk, const Table&) {
  if (auto totals = desk.survey().totals(); !totals) return unavailable(totals.error().message);
  return FieldValue();
}

Outcome<FieldValue> set_cluster_name(Desk& desk, const Table& request) {
  Table body;
  put(body, "name", text_of(request, "name"));
  return run(desk, h::put_cluster_name, {}, std::move(body));
}

Outcome<FieldValue> list_global_parameters(Desk& desk, const Table& request) {
  return choose(run(desk, h::list_global_parameters, {}), request, same({"name", "value"}), {"name", "value"});
}

struct KnownVerb {
  std::string_view name;
  Outcome<FieldValue> (*run)(Desk& desk, const Table& request);
};
constexpr KnownVerb verbs[] = {
    {"list_queues", list_queues},
    {"list_exchanges", list_exchanges},
    {"list_bindings", list_bindings},
    {"list_connections", list_connections},
    {"list_channels", list_channels},
    {"list_consumers", list_consumers},
    {"list_users", list_users},
    {"add_user", add_user},
    {"change_password", change_password},
    {"clear_password", clear_password},
    {"delete_user", delete_user},
    {"set_user_tags", set_user_tags},
    {"authenticate_user", authenticate_user},
    {"set_permissions", set_permissions},
    {"clear_permissions", clear_permissions},
    {"list_permissions", list_permissions},
    {"list_user_permissions", list_user_permissions},
    {"set_topic_permissions", set_topic_permissions},
    {"clear_topic_permissions", clear_topic_permissions},
    {"list_topic_permissions", list_topic_permissions},
    {"list_user_topic_permissions", list_user_topic_permissions},
    {"list_vhosts", list_vhosts},
    {"add_vhost", add_vhost},
    {"delete_vhost", delete_vhost},
    {"purge_queue", purge_queue},
    {"delete_queue", delete_queue},
    {"move_messages", move_messages},
    {"pause_queue", pause_queue},
    {"resume_queue", resume_queue},
    {"close_connection", close_connection},
    {"close_all_connections", close_all_connections},
    {"export_definitions", export_definitions},
    {"import_definitions", import_definitions},
    {"status", status},
    {"environment", environment},
    {"ping", ping},
    {"await_startup", ping},
    {"set_cluster_name", set_cluster_name},
    {"list_global_parameters", list_global_parameters},
};

}  // namespace

bool is_verb(std::string_view name) {
  return is_task_verb(name) || is_bridge_verb(name) ||
         std::any_of(std::begin(verbs), std::end(verbs), [&](const KnownVerb& each) { return each.name == name; });
}

Outcome<FieldValue> run_verb(Desk& desk, const Table& request) {
  const std::string name = text_of(request, "verb");
  if (is_task_verb(name)) return run_task_verb(desk, request);
  if (is_bridge_verb(name)) return run_bridge_verb(desk, request);
  for (const KnownVerb& each : verbs) {
    if (each.name == name) return each.run(desk, request);
  }
  return not_found(fmt::format("this broker knows no verb '{}'", name));
}

}  // namespace wherry::broker::admin
