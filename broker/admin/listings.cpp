// What there is: queues, exchanges, bindings, connections, channels, consumers.
#include <algorithm>
#include <tuple>

#include "broker/admin/handlers.h"

namespace wherry::broker::admin {

std::string text_of(const Table& body, std::string_view name, std::string_view otherwise) {
  const std::string* given = body.string(name);
  return given ? *given : std::string(otherwise);
}
// Texts as well: rabbitmqadmin writes "true".
bool flag_of(const Table& body, std::string_view name, bool otherwise) {
  if (const std::string* text = body.string(name)) return *text == "true";
  body.boolean(name, otherwise);
  return otherwise;
}
Table table_of(const Table& body, std::string_view name) {
  const FieldValue* value = body.find(name);
  const Table* table = value ? value->get<Table>() : nullptr;
  return table ? *table : Table{};
}
std::vector<std::string> texts_of(const Table& body, std::string_view name) {
  std::vector<std::string> all;
  const FieldValue* value = body.find(name);
  if (value == nullptr) return all;
  if (const auto* array = value->get<FieldArray>()) {
    for (const FieldValue& each : *array) {
      if (const auto* text = each.get<std::string>()) all.push_back(*text);
    }
  } else if (const auto* text = value->get<std::string>()) {
    for (std::size_t at = 0; at <= text->size();) {
      const std::size_t end = std::min(text->find(',', at), text->size());
      std::string word = text->substr(at, end - at);
      word.erase(0, word.find_first_not_of(' '));
      if (!word.empty()) all.push_back(std::move(word));
      at = end + 1;
    }
  }
  return all;
}

namespace handlers {

namespace {

// The virtual hosts that are asked about: the one in the path, or all that the caller sees.
Outcome<std::vector<SharedVhostRef>> vhosts_of(Desk& desk, const Request& request) {
  std::vector<SharedVhostRef> all;
  if (!request.parts.empty()) {
    auto one = desk.vhost(request.caller, request.part(0));
    if (!one) return tl::unexpected(one.error());
    all.push_back(*one);
    return all;
  }
  for (SharedVhostRef& each : desk.shared().vhosts()) {
    if (request.caller.sees(each->name())) all.push_back(std::move(each));
  }
  return all;
}

Stats stats_of(const Request& request) {
  return request.flag("disable_stats") ? Stats::without : Stats::with;
}

template <class Keep>
Outcome<Answer> bindings_where(Desk& desk, const Request& request, Keep keep) {
  auto vhost = desk.vhost(request.caller, request.part(0));
  if (!vhost) return tl::unexpected(vhost.error());
  FieldArray rows;
  for (const BindingSpec& each : (*vhost)->read([](const Vhost& topology) { return topology.bindings(); })) {
    if (keep(each)) rows.emplace_back(binding_row((*vhost)->name(), each));
  }
  return listing(std::move(rows));
}

// Every queue is bound to the default exchange by its name; RabbitMQ lists that too.
BindingSpec implied(const std::string& queue) {
  return {"", DestinationKind::queue, queue, queue, {}};
}

// "amq.default" is what a path calls the exchange without a name.
std::string exchange_name(const std::string& part) {
  return part == "amq.default" ? std::string() : part;
}

Outcome<DestinationKind> kind_of(const std::string& part) {
  if (part == "q") return DestinationKind::queue;
  if (part == "e") return DestinationKind::exchange;
  return not_found();
}

template <class Visit>
Outcome<Answer> each_connection(Desk& desk, const Request& request, Visit visit) {
  auto connections = desk.survey().connections();
  if (!connections) return unavailable(connections.error().message);
  FieldArray rows;
  std::sort(connections->begin(), connections->end(),
            [](const ConnectionState& a, const ConnectionState& b) { return a.info.id < b.info.id; });
  for (const ConnectionState& each : *connections) {
    const Caller& caller = request.caller;
    const bool own = !caller.user() || each.info.user == caller.name();
    // Without monitoring one sees one's own.
    if (caller.monitoring() || own) visit(rows, each);
  }
  return listing(std::move(rows));
}

// active: the tag of the one that is, where one is at a time; else empty.
void put_activity(Table& row, const ConsumerInfo& consumer, const std::string& active) {
  const bool is_active = active.empty() || active == consumer.options.tag;
  put(row, "active", is_active);
  put(row, "activity_status", std::string(is_active ? "up" : "waiting"));
}

}  // namespace

// --- queues ---

Outcome<Answer> list_queues(Desk& desk, const Request& request) {
  auto vhosts = vhosts_of(desk, request);
  if (!vhosts) return tl::unexpected(vhosts.error());
  FieldArray rows;
  for (const SharedVhostRef& vhost : *vhosts) {
    auto queues = desk.survey().queues_of(vhost->name());
    if (!queues) return unavailable(queues.error().message);
    for (const QueueState& each : *queues) rows.emplace_back(queue_row(desk, each, stats_of(request)));
  }
  return listing(std::move(rows));
}

Outcome<Answer> get_queue(Desk& desk, const Request& request) {
  auto vhost = desk.vhost(request.caller, request.part(0));
  if (!vhost) return tl::unexpected(vhost.error());
  QueueEntryRef entry;
  EffectiveRef effective;
  (*vhost)->read([&](const Vhost& topology) {
    entry = topology.look_up(request.part(1));
    if (entry) effective = topology.effective(*entry);
  });
  if (!entry) return not_found();
  auto rows = desk.survey().queues({entry});
  if (!rows) return unavailable(rows.error().message);
  if (rows->empty()) return not_found();
  rows->front().effective = effective;
  Table row = queue_row(desk, rows->front(), stats_of(request));
  auto connections = desk.survey().connections();
  if (!connections) return unavailable(connections.error().message);
  FieldArray consumers;
  for (const ConnectionState& connection : *connections) {
    for (const ChannelInfo& channel : connection.info.channels) {
      for (const ConsumerInfo& consumer : channel.consumers) {
        if (consumer.queue != entry) continue;
        Table each = consumer_row(desk, connection, channel, consumer);
        put_activity(each, consumer, rows->front().single_active);
        consumers.emplace_back(std::move(each));
      }
    }
  }
  put(row, "consumer_details", std::move(consumers));
  return answer(std::move(row));
}

// --- exchanges ---

Outcome<Answer> list_exchanges(Desk& desk, const Request& request) {
  auto vhosts = vhosts_of(desk, request);
  if (!vhosts) return tl::unexpected(vhosts.error());
  auto totals = desk.survey().totals();
  if (!totals) return unavailable(totals.error().message);
  FieldArray rows;
  for (const SharedVhostRef& vhost : *vhosts) {
    vhost->read([&](const Vhost& topology) {
      for (const ExchangeSpec& each : topology.exchanges()) {
        const auto counts = totals->exchanges.find({vhost->name(), each.name});
        rows.emplace_back(exchange_row(desk, vhost->name(), each, topology.effective_of(each.name),
                                       counts == totals->exchanges.end() ? nullptr : &counts->second));
      }
    });
  }
  return listing(std::move(rows));
}

Outcome<Answer> get_exchange(Desk& desk, const Request& request) {
  Request all = request;
  all.parts.resize(1);
  auto rows = list_exchanges(desk, all);
  if (!rows) return rows;
  for (const FieldValue& each : *rows->body.get<FieldArray>()) {
    if (*each.get<Table>()->string("name") == exchange_name(request.part(1))) return answer(each);
  }
  return not_found();
}

// --- bindings ---

Outcome<Answer> list_bindings(Desk& desk, const Request& request) {
  auto vhosts = vhosts_of(desk, request);
  if (!vhosts) return tl::unexpected(vhosts.error());
  FieldArray rows;
  for (const SharedVhostRef& vhost : *vhosts) {
    vhost->read([&](const Vhost& topology) {
      for (const QueueEntryRef& queue : topology.queues())
        rows.emplace_back(binding_row(vhost->name(), implied(queue->spec.name)));
      for (const BindingSpec& each : topology.bindings()) rows.emplace_back(binding_row(vhost->name(), each));
    });
  }
  return listing(std::move(rows));
}

Outcome<Answer> bindings_from(Desk& desk, const Request& request) {
  const std::string source = exchange_name(request.part(1));
  if (!source.empty()) {
    return bindings_where(desk, request, [&](const BindingSpec& each) { return each.source == source; });
  }
  auto vhost = desk.vhost(request.caller, request.part(0));
  if (!vhost) return tl::unexpected(vhost.error());
  FieldArray rows;
  for (const QueueEntryRef& queue : (*vhost)->read([](const Vhost& topology) { return topology.queues(); })) {
    rows.emplace_back(binding_row((*vhost)->name(), implied(queue->spec.name)));
  }
  return listing(std::move(rows));
}

Outcome<Answer> bindings_to_exchange(Desk& desk, const Request& request) {
  return bindings_where(desk, request, [&](const BindingSpec& each) {
    return each.kind == DestinationKind::exchange && each.destination == request.part(1);
  });
}

Outcome<Answer> bindings_of_queue(Desk& desk, const Request& request) {
  auto vhost = desk.vhost(request.caller, request.part(0));
  if (!vhost) return tl::unexpected(vhost.error());
  const std::string& name = request.part(1);
  const bool there = (*vhost)->read([&](const Vhost& topology) { return topology.look_up(name) != nullptr; });
  if (!there) return not_found();
  auto rows = bindings_where(desk, request, [&](const BindingSpec& each) {
    return each.kind == DestinationKind::queue && each.destination == name;
  });
  if (!rows) return rows;
  FieldArray all{FieldValue(binding_row((*vhost)->name(), implied(name)))};
  for (const FieldValue& each : *rows->body.get<FieldArray>()) all.push_back(each);
  return listing(std::move(all));
}

// /bindings/{vhost}/e/{source}/{q|e}/{destination}
Outcome<Answer> bindings_between(Desk& desk, const Request& request) {
  auto kind = kind_of(request.part(2));
  if (!kind) return tl::unexpected(kind.error());
  const std::string source = exchange_name(request.part(1));
  if (source.empty() && *kind == DestinationKind::queue) {
    FieldArray rows{FieldValue(binding_row(request.part(0), implied(request.part(3))))};
    return listing(std::move(rows));
  }
  return bindings_where(desk, request, [&](const BindingSpec& each) {
    return each.source == source && each.kind == *kind && each.destination == request.part(3);
  });
}

Outcome<Answer> get_binding(Desk& desk, const Request& request) {
  auto rows = bindings_between(desk, request);
  if (!rows) return rows;
  for (const FieldValue& each : *rows->body.get<FieldArray>()) {
    if (*each.get<Table>()->string("properties_key") == request.part(4)) return answer(each);
  }
  return not_found();
}

// --- clients ---

Outcome<Answer> list_connections(Desk& desk, const Request& request) {
  return each_connection(desk, request, [&](FieldArray& rows, const ConnectionState& each) {
    if (request.parts.empty() || each.info.vhost == request.part(0)) rows.emplace_back(connection_row(desk, each));
  });
}

Outcome<Answer> get_connection(Desk& desk, const Request& request) {
  auto found = each_connection(desk, request, [&](FieldArray& rows, const ConnectionState& each) {
    if (each.name() == request.part(0)) rows.emplace_back(connection_row(desk, each));
  });
  if (!found) return found;
  const auto& rows = *found->body.get<FieldArray>();
  if (rows.empty()) return not_found();
  return answer(rows.front());
}

// Of all, of a virtual host (vhosts/{v}/channels), or of a connection (connections/{name}/channels).
Outcome<Answer> list_channels(Desk& desk, const Request& request) {
  return each_connection(desk, request, [&](FieldArray& rows, const ConnectionState& each) {
    if (!request.parts.empty() && each.info.vhost != request.part(0) && each.name() != request.part(0)) return;
    for (const ChannelInfo& channel : each.info.channels) rows.emplace_back(channel_row(desk, each, channel));
  });
}

Outcome<Answer> get_channel(Desk& desk, const Request& request) {
  auto found = each_connection(desk, request, [&](FieldArray& rows, const ConnectionState& each) {
    for (const ChannelInfo& channel : each.info.channels) {
      if (channel_name(each, channel) != request.part(0)) continue;
      Table row = channel_row(desk, each, channel);
      FieldArray consumers;
      for (const ConsumerInfo& consumer : channel.consumers) {
        Table one = consumer_row(desk, each, channel, consumer);
        const auto queue = desk.survey().queues({consumer.queue});
        put_activity(one, consumer, queue && !queue->empty() ? queue->front().single_active : std::string());
        consumers.emplace_back(std::move(one));
      }
      put(row, "consumer_details", std::move(consumers));
      rows.emplace_back(std::move(row));
    }
  });
  if (!found) return found;
  const auto& rows = *found->body.get<FieldArray>();
  if (rows.empty()) return not_found();
  return answer(rows.front());
}

Outcome<Answer> list_consumers(Desk& desk, const Request& request) {
  if (!request.parts.empty()) {
    if (auto vhost = desk.vhost(request.caller, request.part(0)); !vhost) return tl::unexpected(vhost.error());
  }
  auto connections = desk.survey().connections();
  if (!connections) return unavailable(connections.error().message);
  // Where one is active at a time, its queue says who.
  std::vector<QueueEntryRef> queues;
  for (const ConnectionState& each : *connections) {
    for (const ChannelInfo& channel : each.info.channels) {
      for (const ConsumerInfo& consumer : channel.consumers) queues.push_back(consumer.queue);
    }
  }
  std::sort(queues.begin(), queues.end());
  queues.erase(std::unique(queues.begin(), queues.end()), queues.end());
  auto asked = desk.survey().queues(queues);
  if (!asked) return unavailable(asked.error().message);
  std::map<const QueueEntry*, std::string> active;
  for (const QueueState& row : *asked) active.emplace(row.entry.get(), row.single_active);
  FieldArray rows;
  for (const ConnectionState& each : *connections) {
    const std::string& vhost = each.info.vhost;
    if (!request.caller.sees(vhost) || (!request.parts.empty() && vhost != request.part(0))) continue;
    for (const ChannelInfo& channel : each.info.channels) {
      for (const ConsumerInfo& consumer : channel.consumers) {
        Table row = consumer_row(desk, each, channel, consumer);
        put_activity(row, consumer, active[consumer.queue.get()]);
        rows.emplace_back(std::move(row));
      }
    }
  }
  return listing(std::move(rows));
}

}  // namespace handlers
}  // namespace wherry::broker::admin
