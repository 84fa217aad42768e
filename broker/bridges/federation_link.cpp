#include "broker/bridges/federation_link.h"

#include <algorithm>
#include <optional>

#include <fmt/format.h>

#include "broker/bridges/rewrite.h"

namespace wherry::broker::bridges {

using amqp::FieldArray;
using amqp::FieldValue;
using amqp::Table;

namespace {

constexpr std::string_view received_from = "x-received-from";
constexpr std::string_view bound_from = "x-bound-from";

const FieldArray* list_in(const Table& table, std::string_view name) {
  const FieldValue* value = table.find(name);
  return value ? value->get<FieldArray>() : nullptr;
}

bool is_from(const FieldValue& entry, std::string_view cluster, std::string_view vhost) {
  const Table* table = entry.get<Table>();
  const std::string* name = table ? table->string("cluster-name") : nullptr;
  const std::string* host = table ? table->string("vhost") : nullptr;
  return name != nullptr && *name == cluster && (host == nullptr || *host == vhost);
}

bool has_been(const FieldArray& way, std::string_view cluster, std::string_view vhost) {
  return std::any_of(way.begin(), way.end(), [&](const FieldValue& each) { return is_from(each, cluster, vhost); });
}

}  // namespace

bool operator==(const FederationSpec& a, const FederationSpec& b) {
  const auto same = [](const ExchangeSpec& x, const ExchangeSpec& y) {
    return x.name == y.name && x.type == y.type && x.durable == y.durable && x.auto_delete == y.auto_delete &&
           x.arguments == y.arguments;
  };
  return a.upstream == b.upstream && same(a.exchange, b.exchange);
}

FederationLink::FederationLink(const Surroundings& around, FederationSpec spec, std::vector<BindingSpec> bindings)
    : Bridge(around, {spec.upstream.uris, {local_uri(spec.upstream.vhost)}},
             fmt::format("federation of exchange '{}' in vhost '{}' with upstream '{}'", spec.exchange.name,
                         spec.upstream.vhost, spec.upstream.name),
             fmt::format("Federation link (upstream: {}, exchange: {})", spec.upstream.name, spec.exchange.name),
             spec.upstream.reconnect_delay),
      spec_(std::move(spec)),
      bindings_(std::move(bindings)) {}

// --- what has to be there at the upstream ----------------------------------------------------------------------------

void FederationLink::set_up() {
  cluster_ = around().cluster_name();
  name_there_ = upstream_name();
  at_upstream_.clear();
  const std::string& there = spec_.upstream_exchange();
  vhost_there_ = source().uri().endpoint.virtual_host;
  std::string name = fmt::format("federation: {} -> {}", there, cluster_);
  if (spec_.upstream.vhost != vhost_there_) {
    name += fmt::format(":{}:{}", spec_.upstream.vhost, spec_.exchange.name);
  } else if (there != spec_.exchange.name) {
    name += ":" + spec_.exchange.name;
  }
  queue_ = std::move(name);
  find_suffix();
}

void FederationLink::find_suffix() {
  const std::string first = queue_ + " A";
  source().probe(
      [first](amqp::Connection& wire, std::uint16_t on) {
        wire.send(on, amqp::ExchangeDeclare{.exchange = first, .passive = true, .arguments = {}});
      },
      [this](const amqp::Method* there, const Peer::Refusal&) {
        internal_ = queue_ + (there != nullptr ? " B" : " A");
        stale_ = queue_ + (there != nullptr ? " A" : " B");
        ensure_upstream_exchange();
      });
}

void FederationLink::ensure_upstream_exchange() {
  source().probe(
      [name = spec_.upstream_exchange()](amqp::Connection& wire, std::uint16_t on) {
        wire.send(on, amqp::ExchangeDeclare{.exchange = name, .passive = true, .arguments = {}});
      },
      [this](const amqp::Method* there, const Peer::Refusal& refused) {
        if (there != nullptr) return make_queue();
        if (refused.code != static_cast<std::uint16_t>(amqp::ReplyCode::not_found)) {
          return fail(fmt::format("{}: {}", source().uri().text(), refused.text));
        }
        const std::string arguments = amqp::encode_table(spec_.exchange.arguments);
        source().ask(amqp::ExchangeDeclare{.exchange = spec_.upstream_exchange(),
                                           .type = spec_.exchange.type,
                                           .durable = spec_.exchange.durable,
                                           .auto_delete = spec_.exchange.auto_delete,
                                           .arguments = {arguments}},
                     [this](const amqp::Method&) { make_queue(); });
      });
}

void FederationLink::make_queue() {
  Table queue_arguments;
  const auto milliseconds = [](std::uint64_t ms) { return FieldValue(static_cast<std::int64_t>(ms)); };
  if (spec_.upstream.expires_ms) queue_arguments.set("x-expires", milliseconds(*spec_.upstream.expires_ms));
  if (spec_.upstream.message_ttl_ms) queue_arguments.set("x-message-ttl", milliseconds(*spec_.upstream.message_ttl_ms));
  queue_arguments.set("x-internal-purpose", std::string("federation"));
  const std::string encoded = amqp::encode_table(queue_arguments);
  source().ask(amqp::QueueDeclare{.queue = queue_, .durable = true, .arguments = {encoded}});
  Table exchange_arguments;
  exchange_arguments.set("x-internal-purpose", std::string("federation"));
  const std::string also = amqp::encode_table(exchange_arguments);
  source().ask(amqp::ExchangeDeclare{.exchange = internal_,
                                     .type = "fanout",
                                     .durable = true,
                                     .auto_delete = true,
                                     .internal = true,
                                     .arguments = {also}});
  source().ask(amqp::QueueBind{.queue = queue_, .exchange = internal_, .routing_key = {}, .arguments = {}},
               [this](const amqp::Method&) { bind_all(); });
}

// --- bindings --------------------------------------------------------------------------------------------------------

// Several that are alike here are one there.
std::vector<FederationLink::Binding> FederationLink::wanted(const std::vector<BindingSpec>& bindings) const {
  std::vector<Binding> out;
  for (const BindingSpec& each : bindings) {
    std::int64_t hops = spec_.upstream.max_hops;
    FieldArray way;
    if (const FieldArray* before = list_in(each.arguments, bound_from)) {
      std::int64_t left = 0;
      const Table* newest = before->empty() ? nullptr : before->front().get<Table>();
      if (newest == nullptr || !newest->integer("hops", left)) continue;
      if (has_been(*before, name_there_, source_vhost())) continue;
      hops = std::min(hops, left - 1);
      way = *before;
    }
    if (hops <= 0) continue;
    Table entry;
    entry.set("cluster-name", cluster_);
    entry.set("vhost", spec_.upstream.vhost);
    entry.set("exchange", fmt::format("{}:{} {}", spec_.upstream.vhost, spec_.exchange.name, internal_.back()));
    entry.set("hops", static_cast<std::int16_t>(hops));
    way.insert(way.begin(), FieldValue(std::move(entry)));
    Table arguments = each.arguments;
    arguments.set(bound_from, std::move(way));
    out.emplace_back(each.routing_key, amqp::encode_table(arguments));
  }
  return out;
}

void FederationLink::bind(const Binding& binding) {
  source().ask(amqp::ExchangeBind{.destination = internal_,
                                  .source = spec_.upstream_exchange(),
                                  .routing_key = binding.first,
                                  .arguments = {binding.second}});
}

void FederationLink::bind_all() {
  for (const Binding& each : wanted(bindings_)) {
    if (at_upstream_.emplace(each, true).second) bind(each);
  }
  bound_ = true;
  // Behind the bindings: from here on what is published is kept by the new ones.
  source().ask(amqp::ExchangeDelete{.exchange = stale_}, [this](const amqp::Method&) { pull(); });
}

void FederationLink::set_bindings(const std::vector<BindingSpec>& bindings) {
  bindings_ = bindings;
  if (!bound_) return;
  for (auto& each : at_upstream_) each.second = false;
  for (const Binding& each : wanted(bindings_)) {
    const auto [at, fresh] = at_upstream_.try_emplace(each);
    at->second = true;
    if (fresh) bind(each);
  }
  for (auto it = at_upstream_.begin(); it != at_upstream_.end();) {
    if (it->second) {
      ++it;
      continue;
    }
    source().ask(amqp::ExchangeUnbind{.destination = internal_,
                                      .source = spec_.upstream_exchange(),
                                      .routing_key = it->first.first,
                                      .arguments = {it->first.second}});
    it = at_upstream_.erase(it);
  }
}

void FederationLink::dismantle() {
  if (!bound_) return;
  bound_ = false;
  source().ask(amqp::ExchangeDelete{.exchange = internal_});
  source().ask(amqp::QueueDelete{.queue = queue_});
}

// --- messages --------------------------------------------------------------------------------------------------------

void FederationLink::pull() {
  Transfer::Config config;
  config.ack_mode = spec_.upstream.ack_mode;
  config.rewrite = [this](const Peer::Message& message, Transfer::Outgoing& out) {
    return rewrite_message(message, out);
  };
  transfer(std::move(config));
  consume(queue_, spec_.upstream.prefetch, {});
}

// As the upstream calls itself; one that does not is called by its address.
std::string FederationLink::upstream_name() {
  const std::string* name = source().server_properties().string("cluster_name");
  return name ? *name : source().uri().text();
}

bool FederationLink::rewrite_message(const Peer::Message& message, Transfer::Outgoing& out) {
  auto properties = amqp::decode_properties(message.raw_properties);
  if (!properties) return false;
  if (properties->headers) {
    if (const FieldArray* way = list_in(properties->headers->table(), received_from)) {
      if (way->size() >= spec_.upstream.max_hops || has_been(*way, cluster_, spec_.upstream.vhost)) return false;
    }
  }
  Table entry;
  entry.set("uri", source().uri().text());
  entry.set("exchange", spec_.upstream_exchange());
  entry.set("redelivered", message.redelivered);
  entry.set("cluster-name", name_there_);
  entry.set("vhost", source_vhost());
  prepend_header(*properties, received_from, std::move(entry));
  if (!spec_.upstream.trust_user_id) properties->user_id.reset();
  rewritten_ = amqp::encode_properties(*properties);
  out.exchange = spec_.exchange.name;
  out.raw_properties = rewritten_;
  return true;
}

}  // namespace wherry::broker::bridges
