// What there is: queues, exchanges, bindings, connections, channels, consumers.
#include "broker/admin/handlers.h"
#include "broker/admin/verb.h"

namespace wherry::broker::admin::verbs {

namespace {

namespace h = handlers;

Outcome<FieldValue> list_queues(Desk& desk, const Caller& caller, const Table& request) {
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
  auto rows = run(desk, caller, h::list_queues, {vhost_of(request)});
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

Outcome<FieldValue> list_exchanges(Desk& desk, const Caller& caller, const Table& request) {
  if (auto fine = check_vhost(desk, request); !fine) return tl::unexpected(fine.error());
  static const Columns columns =
      same({"name", "type", "durable", "auto_delete", "internal", "arguments", "policy", "message_stats"});
  return choose(run(desk, caller, h::list_exchanges, {vhost_of(request)}), request, columns, {"name", "type"});
}

Outcome<FieldValue> list_bindings(Desk& desk, const Caller& caller, const Table& request) {
  if (auto fine = check_vhost(desk, request); !fine) return tl::unexpected(fine.error());
  static const Columns columns{{"source_name", "source"},
                               {"source_kind", "source_kind"},
                               {"destination_name", "destination"},
                               {"destination_kind", "destination_type"},
                               {"routing_key", "routing_key"},
                               {"arguments", "arguments"},
                               {"vhost", "vhost"}};
  auto rows = run(desk, caller, h::list_bindings, {vhost_of(request)});
  if (rows) {
    for (FieldValue& each : *std::get_if<FieldArray>(&rows->value)) {
      std::get_if<Table>(&each.value)->set("source_kind", std::string("exchange"));
    }
  }
  return choose(rows, request, columns,
                {"source_name", "source_kind", "destination_name", "destination_kind", "routing_key", "arguments"});
}

Outcome<FieldValue> list_connections(Desk& desk, const Caller& caller, const Table& request) {
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
  return choose(run(desk, caller, h::list_connections, {}), request, columns,
                {"user", "peer_host", "peer_port", "state"});
}

Outcome<FieldValue> list_channels(Desk& desk, const Caller& caller, const Table& request) {
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
  return choose(run(desk, caller, h::list_channels, {}), request, columns,
                {"pid", "user", "consumer_count", "messages_unacknowledged"});
}

Outcome<FieldValue> list_consumers(Desk& desk, const Caller& caller, const Table& request) {
  if (auto fine = check_vhost(desk, request); !fine) return tl::unexpected(fine.error());
  static const Columns columns{{"queue_name", "queue.name"},           {"channel_pid", "channel_details.name"},
                               {"consumer_tag", "consumer_tag"},       {"ack_required", "ack_required"},
                               {"prefetch_count", "prefetch_count"},   {"active", "active"},
                               {"activity_status", "activity_status"}, {"arguments", "arguments"}};
  return choose(run(desk, caller, h::list_consumers, {vhost_of(request)}), request, columns,
                {"queue_name", "channel_pid", "consumer_tag", "ack_required", "prefetch_count", "active", "arguments"});
}

constexpr Verb known_listing_verbs[] = {
    {"list_queues", Level::management, list_queues},     {"list_exchanges", Level::management, list_exchanges},
    {"list_bindings", Level::management, list_bindings}, {"list_connections", Level::management, list_connections},
    {"list_channels", Level::management, list_channels}, {"list_consumers", Level::management, list_consumers},
};

}  // namespace

std::span<const Verb> listing_verbs() {
  return known_listing_verbs;
}

}  // namespace wherry::broker::admin::verbs
