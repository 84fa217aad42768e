#include "broker/admin/rows.h"

#include <fmt/format.h>

#include "base/crc32c.h"
#include "base/iso8601.h"
#include "broker/routing/arguments.h"
#include "protocol/amqp/properties.h"

namespace wherry::broker::admin {

namespace {

// "publish": 7, "publish_details": {"rate": 0.4}
template <class T>
struct Counted {
  const char* name;
  std::uint64_t T::*count;
};

void put_rate(Table& row, const char* name, std::uint64_t number, double rate) {
  put(row, name, count(number));
  Table details;
  put(details, "rate", rate);
  row.entries().emplace_back(fmt::format("{}_details", name), std::move(details));
}

template <class T>
void put_counts(Table& row, std::initializer_list<Counted<T>> all, const T& now, const Before<T>& before) {
  for (const Counted<T>& each : all) put_rate(row, each.name, now.*each.count, before.rate(each.count, now));
}

Table queue_stats(const QueueFlow& now, const Before<QueueFlow>& before) {
  Table row;
  put_counts<QueueFlow>(row,
                        {{"publish", &QueueFlow::publish},
                         {"deliver", &QueueFlow::deliver},
                         {"deliver_no_ack", &QueueFlow::deliver_no_ack},
                         {"get", &QueueFlow::get},
                         {"get_no_ack", &QueueFlow::get_no_ack},
                         {"get_empty", &QueueFlow::get_empty},
                         {"redeliver", &QueueFlow::redeliver},
                         {"ack", &QueueFlow::ack}},
                        now, before);
  double rate = 0;
  for (auto each : {&QueueFlow::deliver, &QueueFlow::deliver_no_ack, &QueueFlow::get, &QueueFlow::get_no_ack}) {
    rate += before.rate(each, now);
  }
  put_rate(row, "deliver_get", now.deliver + now.deliver_no_ack + now.get + now.get_no_ack, rate);
  return row;
}

void put_no_rate(Table& row, const char* name, std::uint64_t number) {
  put_rate(row, name, number, 0);
}

Table peer_details(const ConnectionState& connection) {
  Table details;
  put(details, "name", connection.name());
  put(details, "peer_host", connection.peer.host);
  put(details, "peer_port", count(connection.peer.port));
  return details;
}

Table channel_details(Desk& desk, const ConnectionState& connection, const ChannelInfo& channel) {
  Table details;
  put(details, "connection_name", connection.name());
  put(details, "name", channel_name(connection, channel));
  put(details, "node", desk.config().node);
  put(details, "number", count(channel.number));
  put(details, "peer_host", connection.peer.host);
  put(details, "peer_port", count(connection.peer.port));
  put(details, "user", connection.info.user);
  return details;
}

}  // namespace

std::string iso_time(std::uint64_t ms) {
  return format_iso8601(WallTime(std::chrono::milliseconds(ms)));
}

std::string properties_key(const BindingSpec& binding) {
  if (binding.routing_key.empty() && binding.arguments.empty()) return "~";
  if (binding.arguments.empty()) return binding.routing_key;
  return fmt::format("{}~{:08x}", binding.routing_key, crc32c(amqp::encode_table(binding.arguments)));
}

std::string channel_name(const ConnectionState& connection, const ChannelInfo& channel) {
  return fmt::format("{} ({})", connection.name(), channel.number);
}

Table properties_row(const amqp::Properties& properties) {
  Table row;
  const auto text = [&](const char* name, const std::optional<std::string>& value) {
    if (value) put(row, name, *value);
  };
  text("content_type", properties.content_type);
  text("content_encoding", properties.content_encoding);
  if (properties.headers) put(row, "headers", properties.headers->table());
  if (properties.delivery_mode) put(row, "delivery_mode", count(*properties.delivery_mode));
  if (properties.priority) put(row, "priority", count(*properties.priority));
  text("correlation_id", properties.correlation_id);
  text("reply_to", properties.reply_to);
  text("expiration", properties.expiration);
  text("message_id", properties.message_id);
  if (properties.timestamp) put(row, "timestamp", count(*properties.timestamp));
  text("type", properties.type);
  text("user_id", properties.user_id);
  text("app_id", properties.app_id);
  text("cluster_id", properties.cluster_id);
  return row;
}

Table queue_row(Desk& desk, const QueueState& queue, Stats stats) {
  const QueueSpec& spec = queue.entry->spec;
  const QueueFlow flow = flow_of(queue.stats);
  Table row;
  row.entries().reserve(40);
  put(row, "name", spec.name);
  put(row, "vhost", queue.entry->vhost);
  put(row, "node", desk.config().node);
  put(row, "type", std::string(is_quorum(spec.arguments) ? "quorum" : "classic"));
  put(row, "durable", spec.durable);
  put(row, "auto_delete", spec.auto_delete);
  put(row, "exclusive", spec.exclusive);
  put(row, "arguments", spec.arguments);
  put(row, "state", std::string(queue.stopped ? "paused" : "running"));
  if (queue.effective && !queue.effective->policy.empty()) {
    put(row, "policy", queue.effective->policy);
  } else {
    put(row, "policy", FieldValue());
  }
  if (queue.effective && !queue.effective->operator_policy.empty()) {
    put(row, "operator_policy", queue.effective->operator_policy);
  } else {
    put(row, "operator_policy", FieldValue());
  }
  put(row, "effective_policy_definition", queue.effective ? queue.effective->definition : Table{});
  put(row, "effective_arguments", queue.effective ? queue.effective->arguments : spec.arguments);
  put(row, "messages", count(std::uint64_t{queue.ready} + queue.unacked));
  put(row, "messages_ready", count(queue.ready));
  put(row, "messages_unacknowledged", count(queue.unacked));
  put(row, "messages_persistent", count(std::uint64_t{queue.stats.ready_persistent} + queue.stats.unacked_persistent));
  put(row, "messages_scheduled", count(queue.held));
  put(row, "duplicates", count(queue.stats.duplicates));
  put(row, "message_bytes", count(queue.stats.ready_bytes + queue.stats.unacked_bytes));
  put(row, "message_bytes_ready", count(queue.stats.ready_bytes));
  put(row, "message_bytes_unacknowledged", count(queue.stats.unacked_bytes));
  put(row, "consumers", count(queue.consumers));
  put(row, "home_shard", count(queue.entry->home));
  if (!queue.single_active.empty()) {
    put(row, "single_active_consumer_tag", queue.single_active);
  } else {
    put(row, "single_active_consumer_tag", FieldValue());
  }
  if (queue.head_published_ms > 0) {
    put(row, "head_message_timestamp", count(queue.head_published_ms / 1000));
  } else {
    put(row, "head_message_timestamp", FieldValue());
  }
  if (const auto idle = desk.sampler().idle_since_ms(queue.entry->id)) put(row, "idle_since", iso_time(*idle));
  if (stats == Stats::without) return row;
  const Before<QueueFlow> before = desk.sampler().queue(queue.entry->id);
  put_no_rate(row, "messages_expired", queue.stats.expired);
  put_no_rate(row, "messages_dropped", queue.stats.dropped);
  put_no_rate(row, "messages_dead_lettered", queue.stats.dead_lettered);
  put(row, "message_stats", queue_stats(flow, before));
  return row;
}

Table exchange_row(Desk& desk, std::string_view vhost, const ExchangeSpec& exchange, const EffectiveRef& effective,
                   const ExchangeCounts* counts) {
  Table row;
  put(row, "name", exchange.name);
  put(row, "vhost", std::string(vhost));
  put(row, "type", exchange.type);
  put(row, "durable", exchange.durable);
  put(row, "auto_delete", exchange.auto_delete);
  put(row, "internal", exchange.internal);
  put(row, "arguments", exchange.arguments);
  if (effective && !effective->policy.empty()) {
    put(row, "policy", effective->policy);
  } else {
    put(row, "policy", FieldValue());
  }
  put(row, "user_who_performed_action", std::string());
  if (counts != nullptr) {
    Table stats;
    put_counts<ExchangeCounts>(stats, {{"publish_in", &ExchangeCounts::in}, {"publish_out", &ExchangeCounts::out}},
                               *counts, desk.sampler().exchange({std::string(vhost), exchange.name}));
    put(row, "message_stats", std::move(stats));
  }
  return row;
}

Table binding_row(std::string_view vhost, const BindingSpec& binding) {
  Table row;
  put(row, "source", binding.source);
  put(row, "vhost", std::string(vhost));
  put(row, "destination", binding.destination);
  put(row, "destination_type", std::string(binding.kind == DestinationKind::queue ? "queue" : "exchange"));
  put(row, "routing_key", binding.routing_key);
  put(row, "arguments", binding.arguments);
  put(row, "properties_key", properties_key(binding));
  return row;
}

Table connection_row(Desk& desk, const ConnectionState& connection) {
  const ConnectionInfo& info = connection.info;
  Table row;
  put(row, "name", connection.name());
  put(row, "node", desk.config().node);
  put(row, "type", std::string("network"));
  put(row, "protocol", std::string("AMQP 0-9-1"));
  put(row, "user", info.user);
  put(row, "user_who_performed_action", info.user);
  put(row, "vhost", info.vhost);
  put(row, "state", std::string(info.closing ? "closing" : info.blocked ? "blocked" : "running"));
  put(row, "host", connection.local.host);
  put(row, "port", count(connection.local.port));
  put(row, "peer_host", connection.peer.host);
  put(row, "peer_port", count(connection.peer.port));
  put(row, "ssl", connection.tls.has_value());
  if (connection.tls) {
    put(row, "ssl_protocol", connection.tls->protocol);
    put(row, "ssl_cipher", connection.tls->cipher);
    put(row, "peer_cert_subject", connection.tls->subject);
  } else {
    for (const char* name : {"ssl_protocol", "ssl_cipher", "peer_cert_subject"}) put(row, name, FieldValue());
  }
  put(row, "auth_mechanism", info.mechanism);
  put(row, "channels", count(info.channels.size()));
  put(row, "channel_max", count(info.tuning.channel_max));
  put(row, "frame_max", count(info.tuning.frame_max));
  put(row, "timeout", count(info.tuning.heartbeat_s));
  put(row, "connected_at", count(info.connected_ms));
  put(row, "client_properties", info.client_properties);
  if (const std::string* given = info.client_properties.string("connection_name")) {
    put(row, "user_provided_name", *given);
  }
  const auto before = desk.sampler().connection(info.id);
  const Sampler::Bytes now{connection.received, connection.sent};
  put_rate(row, "recv_oct", now.received, before.rate(&Sampler::Bytes::received, now));
  put_rate(row, "send_oct", now.sent, before.rate(&Sampler::Bytes::sent, now));
  put(row, "recv_cnt", count(connection.reads));
  put(row, "send_cnt", count(connection.writes));
  put(row, "send_pend", count(connection.pending));
  put(row, "shard", count(connection.shard));
  return row;
}

Table channel_stats(const ChannelCounts& now, const Before<ChannelCounts>& before) {
  using C = ChannelCounts;
  Table row;
  put_counts<C>(row,
                {{"publish", &C::published},
                 {"confirm", &C::confirmed},
                 {"return_unroutable", &C::returned},
                 {"drop_unroutable", &C::dropped},
                 {"deliver", &C::delivered},
                 {"deliver_no_ack", &C::delivered_no_ack},
                 {"get", &C::got},
                 {"get_no_ack", &C::got_no_ack},
                 {"get_empty", &C::got_empty},
                 {"redeliver", &C::redelivered},
                 {"ack", &C::acked}},
                now, before);
  double rate = 0;
  for (auto each : {&C::delivered, &C::delivered_no_ack, &C::got, &C::got_no_ack}) rate += before.rate(each, now);
  put_rate(row, "deliver_get", now.delivered + now.delivered_no_ack + now.got + now.got_no_ack, rate);
  return row;
}

Table channel_row(Desk& desk, const ConnectionState& connection, const ChannelInfo& channel) {
  Table row;
  put(row, "name", channel_name(connection, channel));
  put(row, "number", count(channel.number));
  put(row, "node", desk.config().node);
  put(row, "vhost", connection.info.vhost);
  put(row, "user", connection.info.user);
  put(row, "user_who_performed_action", connection.info.user);
  put(row, "state", std::string(connection.info.blocked ? "flow" : "running"));
  put(row, "confirm", channel.confirming);
  put(row, "transactional", channel.transactional);
  put(row, "consumer_count", count(channel.consumers.size()));
  put(row, "messages_unacknowledged", count(channel.unacknowledged));
  put(row, "messages_unconfirmed", count(channel.unconfirmed));
  put(row, "messages_uncommitted", count(channel.uncommitted));
  put(row, "prefetch_count", count(channel.prefetch));
  put(row, "global_prefetch_count", count(channel.global_prefetch));
  put(row, "connection_details", peer_details(connection));
  put(row, "message_stats",
      channel_stats(channel.counts, desk.sampler().channel({connection.info.id, channel.incarnation})));
  return row;
}

Table consumer_row(Desk& desk, const ConnectionState& connection, const ChannelInfo& channel,
                   const ConsumerInfo& consumer) {
  Table row, queue;
  put(queue, "name", consumer.queue->spec.name);
  put(queue, "vhost", consumer.queue->vhost);
  put(row, "queue", std::move(queue));
  put(row, "consumer_tag", consumer.options.tag);
  put(row, "ack_required", !consumer.options.no_ack);
  put(row, "exclusive", consumer.options.exclusive);
  put(row, "prefetch_count", count(consumer.options.prefetch));
  put(row, "arguments", consumer.options.arguments);
  put(row, "channel_details", channel_details(desk, connection, channel));
  return row;
}

}  // namespace wherry::broker::admin
