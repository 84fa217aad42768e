#include "broker/admin/metrics.h"

#include <algorithm>
#include <set>

#include <fmt/format.h>

#include "broker/queueing/alarms.h"
#include "broker/routing/arguments.h"

namespace wherry::broker::admin {

namespace {

constexpr const char* text_type = "text/plain; version=0.0.4; charset=utf-8";

// A label's value between its quotes.
std::string label(std::string_view value) {
  std::string out = "\"";
  for (char c : value) {
    if (c == '\\' || c == '"') out += '\\';
    if (c == '\n') {
      out += "\\n";
    } else {
      out += c;
    }
  }
  return out += '"';
}

class Page {
 public:
  explicit Page(std::string prefix) : prefix_(std::move(prefix)) {}

  // The lines that follow are of this series.
  void series(const char* name, const char* type, const char* help) {
    name_ = prefix_ + name;
    fmt::format_to(std::back_inserter(text_), "# TYPE {} {}\n# HELP {} {}\n", name_, type, name_, help);
  }
  template <class Number>
  void line(std::string_view labels, Number value) {
    text_ += name_;
    if (!labels.empty()) fmt::format_to(std::back_inserter(text_), "{{{}}}", labels);
    fmt::format_to(std::back_inserter(text_), " {}\n", value);
  }
  template <class Number>
  void one(const char* name, const char* type, const char* help, Number value, std::string_view labels = {}) {
    series(name, type, help);
    line(labels, value);
  }
  std::string take() { return std::move(text_); }

  std::string& text() { return text_; }
  const std::string& name() const { return name_; }

 private:
  const std::string prefix_;
  std::string name_;
  std::string text_;
};

void put_node(Page& page, Desk& desk) {
  const DeskConfig& config = desk.config();
  const Alarms& alarms = *desk.shared().config().alarms;
  const Machine machine = desk.machine();
  page.one("identity_info", "untyped", "RabbitMQ node & cluster identity info", 1,
           fmt::format("rabbitmq_node={},rabbitmq_cluster={},rabbitmq_cluster_permanent_id={}", label(config.node),
                       label(desk.cluster_name()), label(desk.cluster_name())));
  page.one("build_info", "untyped", "RabbitMQ & Erlang/OTP version info", 1,
           fmt::format("rabbitmq_version={},product_name={},product_version={},erlang_version=\"\"",
                       label(rabbitmq_version), label(config.product), label(config.version)));
  page.one("erlang_uptime_seconds", "gauge", "Node uptime", static_cast<double>(desk.uptime_ms()) / 1000);
  page.one("process_open_fds", "gauge", "Open file descriptors", machine.open_files);
  page.one("process_max_fds", "gauge", "Open file descriptors limit", machine.most_files);
  page.one("process_open_tcp_sockets", "gauge", "Open TCP sockets", machine.sockets);
  page.one("process_max_tcp_sockets", "gauge", "Open TCP sockets limit", machine.most_files);
  page.one("process_resident_memory_bytes", "gauge", "Memory used in bytes", config.resident ? config.resident() : 0);
  page.one("resident_memory_limit_bytes", "gauge", "Memory high watermark in bytes", config.memory_limit);
  page.one("disk_space_available_bytes", "gauge", "Disk space available in bytes",
           config.disk_free ? config.disk_free() : 0);
  page.one("disk_space_available_limit_bytes", "gauge", "Free disk space low watermark in bytes",
           config.disk_free_limit);
  page.one("alarms_memory_used_watermark", "gauge", "is 1 if VM memory watermark alarm is in effect",
           alarms.raised(Alarm::memory) ? 1 : 0);
  page.one("alarms_free_disk_space_watermark", "gauge", "is 1 if free disk space watermark alarm is in effect",
           alarms.raised(Alarm::disk) || alarms.raised(Alarm::store_full) ? 1 : 0);
  page.one("disk_stalled", "gauge", "is 1 while a write to the disk takes longer than disk_stall_warning",
           alarms.disk_stalled() ? 1 : 0);
  page.one("disk_stalls_total", "counter", "Writes to the disk that took longer than disk_stall_warning",
           alarms.disk_stalls());
}

void put_churn(Page& page, const ShardCounts& counts) {
  page.one("connections_opened_total", "counter", "Total number of connections opened", counts.connections_opened);
  page.one("connections_closed_total", "counter", "Total number of connections closed or terminated",
           counts.connections_closed);
  page.one("channels_opened_total", "counter", "Total number of channels opened", counts.channels_opened);
  page.one("channels_closed_total", "counter", "Total number of channels closed", counts.channels_closed);
  page.one("queues_declared_total", "counter", "Total number of queues declared", counts.queues_declared);
  page.one("queues_created_total", "counter", "Total number of queues created", counts.queues_created);
  page.one("queues_deleted_total", "counter", "Total number of queues deleted", counts.queues_deleted);
}

struct GlobalSeries {
  const char* name;
  const char* help;
  std::uint64_t ChannelCounts::*count;
  bool by_queue_type;
};

void put_global(Page& page, const ShardState& totals, std::uint64_t publishers, std::uint64_t consumers) {
  using C = ChannelCounts;
  constexpr std::string_view protocol = R"(protocol="amqp091")";
  constexpr std::string_view typed = R"(protocol="amqp091",queue_type="rabbit_classic_queue")";
  static const GlobalSeries all[] = {
      {"messages_received_total", "Total number of messages received from publishers", &C::published, false},
      {"messages_received_confirm_total", "Total number of messages received from publishers expecting confirmations",
       &C::published_confirming, false},
      {"messages_confirmed_total", "Total number of messages confirmed to publishers", &C::confirmed, false},
      {"messages_routed_total", "Total number of messages routed to queues or streams", &C::routed, false},
      {"messages_unroutable_dropped_total",
       "Total number of messages published as non-mandatory and dropped as unroutable", &C::dropped, false},
      {"messages_unroutable_returned_total",
       "Total number of messages published as mandatory into an exchange and returned as unroutable", &C::returned,
       false},
      {"messages_delivered_consume_manual_ack_total",
       "Total number of messages delivered to consumers that acknowledge", &C::delivered, true},
      {"messages_delivered_consume_auto_ack_total",
       "Total number of messages delivered to consumers without acknowledgement", &C::delivered_no_ack, true},
      {"messages_delivered_get_manual_ack_total", "Total number of messages got that are acknowledged", &C::got, true},
      {"messages_delivered_get_auto_ack_total", "Total number of messages got without acknowledgement", &C::got_no_ack,
       true},
      {"messages_get_empty_total", "Total number of times basic.get found no message", &C::got_empty, true},
      {"messages_redelivered_total", "Total number of messages redelivered", &C::redelivered, true},
      {"messages_acknowledged_total", "Total number of message acknowledgements", &C::acked, true}};
  for (const GlobalSeries& each : all) {
    page.one((std::string("global_") + each.name).c_str(), "counter", each.help, totals.channels.*each.count,
             each.by_queue_type ? typed : protocol);
  }
  const C& c = totals.channels;
  page.one("global_messages_delivered_total", "counter", "Total number of messages delivered to consumers",
           c.delivered + c.delivered_no_ack + c.got + c.got_no_ack, typed);
  page.one("global_publishers", "gauge", "Channels that have published and are open", publishers, protocol);
  page.one("global_consumers", "gauge", "Consumers", consumers, protocol);
  constexpr std::pair<const char*, DeadLetterReason> reasons[] = {
      {"global_messages_dead_lettered_rejected_total", DeadLetterReason::rejected},
      {"global_messages_dead_lettered_expired_total", DeadLetterReason::expired},
      {"global_messages_dead_lettered_maxlen_total", DeadLetterReason::maxlen},
      {"global_messages_dead_lettered_delivery_limit_total", DeadLetterReason::delivery_limit}};
  std::uint64_t dead = 0;
  for (const auto& [name, reason] : reasons) {
    const std::uint64_t number = totals.counts.dead_lettered[static_cast<std::size_t>(reason)];
    dead += number;
    page.one(name, "counter", "Total number of messages dead-lettered for that reason", number,
             R"(queue_type="rabbit_classic_queue",dead_letter_strategy="at_least_once")");
  }
  page.one("global_messages_dead_lettered_confirmed_total", "counter",
           "Total number of messages that were dead-lettered and are in their next queue", dead,
           R"(queue_type="rabbit_classic_queue",dead_letter_strategy="at_least_once")");
  page.series("message_size_bytes", "histogram", "Size of messages received from publishers");
  const SizeCounts& sizes = totals.counts.sizes;
  std::uint64_t below = 0;
  const auto bucket = [&](const std::string& bound) {
    fmt::format_to(std::back_inserter(page.text()), "{}_bucket{{{},le=\"{}\"}} {}\n", page.name(), protocol, bound,
                   below);
  };
  for (std::size_t at = 0; at < SizeCounts::bounds.size(); ++at) {
    below += sizes.counts[at];
    bucket(std::to_string(SizeCounts::bounds[at]));
  }
  below += sizes.counts.back();
  bucket("+Inf");
  fmt::format_to(std::back_inserter(page.text()), "{}_sum{{{}}} {}\n{}_count{{{}}} {}\n", page.name(), protocol,
                 sizes.sum, page.name(), protocol, below);
}

// --- families of objects ---

struct QueueSeries {
  const char* name;
  const char* type;
  const char* help;
  std::uint64_t (*value)(const QueueState& queue);
};

constexpr QueueSeries coarse_series[] = {
    {"queue_messages_ready", "gauge", "Messages ready to be delivered to consumers",
     [](const QueueState& queue) { return std::uint64_t{queue.ready}; }},
    {"queue_messages_unacked", "gauge", "Messages delivered to consumers but not yet acknowledged",
     [](const QueueState& queue) { return std::uint64_t{queue.unacked}; }},
    {"queue_messages", "gauge", "Sum of ready and unacknowledged messages",
     [](const QueueState& queue) { return std::uint64_t{queue.ready} + queue.unacked; }}};
constexpr QueueSeries consumer_series[] = {{"queue_consumers", "gauge", "Consumers on a queue",
                                            [](const QueueState& queue) { return std::uint64_t{queue.consumers}; }}};
constexpr QueueSeries full_series[] = {
    {"queue_messages_persistent", "gauge", "Persistent messages",
     [](const QueueState& queue) {
       return std::uint64_t{queue.stats.ready_persistent} + queue.stats.unacked_persistent;
     }},
    {"queue_message_bytes", "gauge", "Size in bytes of ready and unacknowledged messages",
     [](const QueueState& queue) { return queue.stats.ready_bytes + queue.stats.unacked_bytes; }},
    {"queue_message_ready_bytes", "gauge", "Size in bytes of ready messages",
     [](const QueueState& queue) { return queue.stats.ready_bytes; }},
    {"queue_message_unacked_bytes", "gauge", "Size in bytes of all unacknowledged messages",
     [](const QueueState& queue) { return queue.stats.unacked_bytes; }},
    {"queue_messages_scheduled", "gauge", "Messages that wait for their time",
     [](const QueueState& queue) { return queue.held; }},
    {"queue_messages_published_total", "counter", "Total number of messages published to queues",
     [](const QueueState& queue) { return queue.stats.published; }}};

void put_queues(Page& page, std::span<const QueueSeries> all, const std::vector<QueueState>& queues, bool each_one,
                const std::vector<std::string>& labels) {
  for (const QueueSeries& series : all) {
    page.series(series.name, series.type, series.help);
    std::uint64_t sum = 0;
    for (std::size_t at = 0; at < queues.size(); ++at) {
      const std::uint64_t value = series.value(queues[at]);
      sum += value;
      if (each_one) page.line(labels[at], value);
    }
    if (!each_one) page.line({}, sum);
  }
}

std::vector<std::string> labels_of(const std::vector<QueueState>& queues) {
  std::vector<std::string> labels;
  for (const QueueState& queue : queues) {
    labels.push_back(fmt::format("vhost={},queue={}", label(queue.entry->vhost), label(queue.entry->spec.name)));
  }
  return labels;
}

void put_connections(Page& page, const std::vector<ConnectionState>& connections) {
  struct Series {
    const char* name;
    const char* type;
    const char* help;
    std::uint64_t (*value)(const ConnectionState& connection);
  };
  constexpr Series all[] = {
      {"connection_incoming_bytes_total", "counter", "Total number of bytes received on a connection",
       [](const ConnectionState& connection) { return connection.received; }},
      {"connection_outgoing_bytes_total", "counter", "Total number of bytes sent on a connection",
       [](const ConnectionState& connection) { return connection.sent; }},
      {"connection_pending_packets", "gauge", "Number of bytes waiting to be sent on a connection",
       [](const ConnectionState& connection) { return connection.pending; }},
      {"connection_channels", "gauge", "Channels on a connection",
       [](const ConnectionState& connection) { return std::uint64_t{connection.info.channels.size()}; }}};
  for (const Series& series : all) {
    page.series(series.name, series.type, series.help);
    for (const ConnectionState& each : connections) {
      page.line(fmt::format("connection={},vhost={}", label(each.name()), label(each.info.vhost)), series.value(each));
    }
  }
}

void put_channels(Page& page, const std::vector<ConnectionState>& connections) {
  struct Series {
    const char* name;
    const char* type;
    const char* help;
    std::uint64_t (*value)(const ChannelInfo& channel);
  };
  constexpr Series all[] = {
      {"channel_consumers", "gauge", "Consumers on a channel",
       [](const ChannelInfo& channel) { return std::uint64_t{channel.consumers.size()}; }},
      {"channel_messages_unacked", "gauge", "Delivered but not yet acknowledged messages",
       [](const ChannelInfo& channel) { return channel.unacknowledged; }},
      {"channel_messages_unconfirmed", "gauge", "Published but not yet confirmed messages",
       [](const ChannelInfo& channel) { return channel.unconfirmed; }},
      {"channel_prefetch", "gauge", "Total limit of unacknowledged messages for all consumers on a channel",
       [](const ChannelInfo& channel) { return std::uint64_t{channel.global_prefetch}; }},
      {"channel_messages_published_total", "counter",
       "Total number of messages published into an exchange on a channel",
       [](const ChannelInfo& channel) { return channel.counts.published; }},
      {"channel_messages_confirmed_total", "counter",
       "Total number of messages published into an exchange and confirmed on the channel",
       [](const ChannelInfo& channel) { return channel.counts.confirmed; }},
      {"channel_messages_acked_total", "counter", "Total number of messages acknowledged by consumers",
       [](const ChannelInfo& channel) { return channel.counts.acked; }}};
  for (const Series& series : all) {
    page.series(series.name, series.type, series.help);
    for (const ConnectionState& connection : connections) {
      for (const ChannelInfo& channel : connection.info.channels) {
        page.line(
            fmt::format("channel={},vhost={}", label(channel_name(connection, channel)), label(connection.info.vhost)),
            series.value(channel));
      }
    }
  }
}

void put_exchanges(Page& page, const ShardState& totals, const std::set<std::string>& vhosts) {
  for (const bool in : {true, false}) {
    page.series(in ? "exchange_messages_published_in_total" : "exchange_messages_published_out_total", "counter",
                in ? "Total number of messages published into an exchange"
                   : "Total number of messages an exchange routed to queues");
    for (const auto& [id, counts] : totals.exchanges) {
      if (!vhosts.empty() && !vhosts.contains(id.first)) continue;
      page.line(fmt::format("vhost={},exchange={}", label(id.first), label(id.second)), in ? counts.in : counts.out);
    }
  }
}

HttpAnswer trouble(int status, std::string why) {
  return {status, "text/plain; charset=utf-8", std::move(why) + "\n", {}};
}

constexpr const char* families[] = {"node_metrics",
                                    "node_coarse_metrics",
                                    "connection_churn_metrics",
                                    "queue_coarse_metrics",
                                    "queue_consumer_count",
                                    "queue_metrics",
                                    "connection_coarse_metrics",
                                    "connection_metrics",
                                    "channel_metrics",
                                    "channel_exchange_metrics",
                                    "vhost_status",
                                    "exchange_names"};

}  // namespace

HttpAnswer answer_metrics(Desk& desk, const HttpRequest& request) {
  const std::string_view target = request.target;
  const std::size_t mark = std::min(target.find('?'), target.size());
  std::string_view path = target.substr(0, mark);
  if (path.size() > 1 && path.ends_with('/')) path.remove_suffix(1);
  const bool detailed = path == "/metrics/detailed";
  const bool per_object = path == "/metrics/per-object";
  if (path != "/metrics" && !detailed && !per_object) {
    return trouble(404, "there are /metrics, /metrics/per-object and /metrics/detailed?family=...&vhost=...");
  }
  if (request.method != "GET" && request.method != "HEAD") return trouble(405, "GET alone");
  std::set<std::string> wanted, vhosts;
  if (mark < target.size()) {
    for (const auto& [name, value] : parse_query(target.substr(mark + 1))) {
      if (name == "family") wanted.insert(value);
      if (name == "vhost") vhosts.insert(value);
    }
  }
  for (const std::string& each : wanted) {
    if (std::find(std::begin(families), std::end(families), each) == std::end(families)) {
      return trouble(400, fmt::format("no family '{}'; there are {}", each, fmt::join(families, ", ")));
    }
  }
  const auto wants = [&](const char* family) { return wanted.contains(family); };
  Page page(detailed ? "rabbitmq_detailed_" : "rabbitmq_");
  auto totals = desk.survey().totals();
  if (!totals) return trouble(503, totals.error().message);

  std::vector<QueueState> queues;
  const bool of_queues =
      !detailed || wants("queue_coarse_metrics") || wants("queue_consumer_count") || wants("queue_metrics");
  if (of_queues) {
    auto asked = desk.survey().queues_of("");
    if (!asked) return trouble(503, asked.error().message);
    queues = std::move(*asked);
    if (!vhosts.empty()) {
      std::erase_if(queues, [&](const QueueState& queue) { return !vhosts.contains(queue.entry->vhost); });
    }
  }
  std::vector<ConnectionState> connections;
  const bool of_connections =
      !detailed || wants("connection_coarse_metrics") || wants("connection_metrics") || wants("channel_metrics");
  if (of_connections) {
    auto asked = desk.survey().connections();
    if (!asked) return trouble(503, asked.error().message);
    connections = std::move(*asked);
    if (!vhosts.empty()) {
      std::erase_if(connections, [&](const ConnectionState& each) { return !vhosts.contains(each.info.vhost); });
    }
  }
  const bool each_one = detailed || per_object;
  const std::vector<std::string> labels = each_one ? labels_of(queues) : std::vector<std::string>();
  if (!detailed) {
    put_node(page, desk);
    put_churn(page, totals->counts);
    std::uint64_t publishers = 0, consumers = 0;
    for (const ConnectionState& connection : connections) {
      for (const ChannelInfo& channel : connection.info.channels) {
        publishers += channel.counts.published > 0;
        consumers += channel.consumers.size();
      }
    }
    page.one("connections", "gauge", "Connections currently open", totals->connections);
    page.one("channels", "gauge", "Channels currently open", totals->open_channels);
    page.one("consumers", "gauge", "Consumers currently connected", consumers);
    page.one("queues", "gauge", "Queues available", queues.size());
    put_global(page, *totals, publishers, consumers);
    put_queues(page, coarse_series, queues, each_one, labels);
    put_queues(page, consumer_series, queues, each_one, labels);
    put_queues(page, full_series, queues, each_one, labels);
    if (per_object) {
      put_connections(page, connections);
      put_channels(page, connections);
      put_exchanges(page, *totals, vhosts);
    }
    return {200, text_type, page.take(), {}};
  }
  if (wants("node_metrics") || wants("node_coarse_metrics")) put_node(page, desk);
  if (wants("connection_churn_metrics")) put_churn(page, totals->counts);
  if (wants("queue_coarse_metrics")) put_queues(page, coarse_series, queues, true, labels);
  if (wants("queue_consumer_count")) put_queues(page, consumer_series, queues, true, labels);
  if (wants("queue_metrics")) put_queues(page, full_series, queues, true, labels);
  if (wants("connection_coarse_metrics") || wants("connection_metrics")) put_connections(page, connections);
  if (wants("channel_metrics")) put_channels(page, connections);
  if (wants("channel_exchange_metrics")) put_exchanges(page, *totals, vhosts);
  Page cluster("rabbitmq_cluster_");
  if (wants("vhost_status")) {
    cluster.series("vhost_status", "gauge", "Whether a given vhost is running");
    for (const SharedVhostRef& vhost : desk.shared().vhosts()) {
      cluster.line(fmt::format("vhost={}", label(vhost->name())), 1);
    }
  }
  if (wants("exchange_names")) {
    cluster.series("exchange_name", "gauge", "Enumerates exchanges without any additional info");
    for (const SharedVhostRef& vhost : desk.shared().vhosts()) {
      if (!vhosts.empty() && !vhosts.contains(vhost->name())) continue;
      for (const ExchangeSpec& each : vhost->read([](const Vhost& topology) { return topology.exchanges(); })) {
        cluster.line(
            fmt::format("vhost={},exchange={},type={}", label(vhost->name()), label(each.name), label(each.type)), 1);
      }
    }
  }
  return {200, text_type, page.take() + cluster.take(), {}};
}

}  // namespace wherry::broker::admin
