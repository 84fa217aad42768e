#include "broker/bridges/parameters.h"

#include <algorithm>
#include <array>

#include <fmt/format.h>

#include "broker/bridges/parameter_reader.h"

namespace wherry::broker::bridges {

using amqp::FieldValue;
using amqp::Table;

namespace {

constexpr std::int64_t most_seconds = 86'400;

std::optional<AckMode> ack_mode_of(std::string_view text) {
  for (AckMode each : {AckMode::on_confirm, AckMode::on_publish, AckMode::no_ack}) {
    if (to_string(each) == text) return each;
  }
  return std::nullopt;
}

// What shovels and upstreams have in common.
void read_pace(ParameterReader& reader, AckMode& ack_mode, std::chrono::seconds& reconnect_delay) {
  if (const auto delay = reader.integer({"reconnect-delay"}, 0, most_seconds)) {
    reconnect_delay = std::chrono::seconds(*delay);
  }
  const auto text = reader.text({"ack-mode"});
  if (!text) return;
  const auto mode = ack_mode_of(*text);
  if (!mode) return reader.refuse("ack-mode", "on-confirm, on-publish or no-ack");
  ack_mode = *mode;
}

void read_source(ParameterReader& reader, std::string_view vhost, ShovelSpec& into) {
  reader.protocol("src-protocol");
  into.source = reader.uris("src-uri", vhost);
  into.source_queue = reader.text({"src-queue"}).value_or("");
  into.source_exchange = reader.text({"src-exchange"}).value_or("");
  into.source_key = reader.text({"src-exchange-key"}).value_or("");
  into.source_queue_arguments = reader.table({"src-queue-args"});
  into.consumer_arguments = reader.table({"src-consumer-args"});
  into.prefetch = static_cast<std::uint16_t>(
      reader.integer({"src-prefetch-count", "prefetch-count"}, 0, 65'535).value_or(into.prefetch));
  if (into.source_queue.empty() == into.source_exchange.empty()) {
    reader.fail(into.source_queue.empty() ? "Must specify 'src-exchange' or 'src-queue'"
                                          : "Cannot specify 'src-exchange' and 'src-queue'");
  }
  if (!into.source_key.empty() && into.source_exchange.empty()) {
    reader.fail("'src-exchange-key' is for 'src-exchange', which is not there");
  }
  const FieldValue* after = reader.take({"src-delete-after", "delete-after"});
  if (after == nullptr) return;
  std::int64_t count = 0;
  const std::string* word = after->get<std::string>();
  if (after->integer(count) && count > 0) {
    into.deletes = ShovelSpec::Delete::after;
    into.delete_after = static_cast<std::uint64_t>(count);
  } else if (word != nullptr && *word == "queue-length") {
    into.deletes = ShovelSpec::Delete::when_moved;
  } else if (word == nullptr || *word != "never") {
    reader.refuse("src-delete-after", "never, queue-length or a number of messages above 0");
  }
}

void read_destination(ParameterReader& reader, std::string_view vhost, ShovelSpec& into) {
  reader.protocol("dest-protocol");
  into.destination = reader.uris("dest-uri", vhost);
  into.destination_queue = reader.text({"dest-queue"});
  into.destination_queue_arguments = reader.table({"dest-queue-args"});
  into.destination_exchange = reader.text({"dest-exchange"});
  into.destination_key = reader.text({"dest-exchange-key"});
  if (into.destination_queue && into.destination_exchange) {
    reader.fail("Cannot specify 'dest-exchange' and 'dest-queue'");
  }
  if (into.destination_queue && into.destination_key) {
    reader.fail("'dest-exchange-key' is for 'dest-exchange', and 'dest-queue' is there");
  }
  if (into.destination_queue && into.destination_queue->empty()) reader.refuse("dest-queue", "a queue's name");
  Rewriting& rewriting = into.rewriting;
  rewriting.forward_headers = reader.boolean({"dest-add-forward-headers", "add-forward-headers"}).value_or(false);
  rewriting.timestamp_header = reader.boolean({"dest-add-timestamp-header", "add-timestamp-header"}).value_or(false);
  rewriting.properties = reader.properties({"dest-publish-properties", "publish-properties"});
}

// URIs of a value that may be anything.
std::vector<BridgeUri> uris_in(std::string_view component, std::string_view vhost, std::string_view name,
                               const FieldValue& value) {
  std::vector<BridgeUri> uris;
  const auto add = [&](const std::vector<BridgeUri>& more) { uris.insert(uris.end(), more.begin(), more.end()); };
  if (component == shovel_component) {
    if (const auto spec = parse_shovel(vhost, name, value)) {
      add(spec->source);
      add(spec->destination);
    }
  } else if (component == upstream_component) {
    if (const auto spec = parse_upstream(vhost, name, value)) add(spec->uris);
  } else if (const auto members = parse_upstream_set(value)) {
    for (const SetMember& each : *members) {
      ParameterReader reader(each.overrides, upstream_set_component);
      if (each.overrides.find("uri") != nullptr) add(reader.uris("uri", vhost));
    }
  }
  return uris;
}

}  // namespace

std::string_view to_string(AckMode mode) {
  switch (mode) {
    case AckMode::on_confirm:
      return "on-confirm";
    case AckMode::on_publish:
      return "on-publish";
    case AckMode::no_ack:
      break;
  }
  return "no-ack";
}

std::string BridgeUri::text() const {
  sdk::Endpoint shown = endpoint;
  shown.external = true;  // Shown without a user.
  const std::string whole = shown.text();
  return local ? fmt::format("amqp://{}{}", endpoint.virtual_host.starts_with('/') ? "" : "/", endpoint.virtual_host)
               : whole;
}

BridgeUri local_uri(std::string_view vhost) {
  BridgeUri uri;
  uri.local = true;
  uri.endpoint.virtual_host = vhost;
  return uri;
}

Result<ShovelSpec> parse_shovel(std::string_view vhost, std::string_view name, const FieldValue& value) {
  const Table* table = value.get<Table>();
  if (table == nullptr) return fail("the value of a shovel is an object");
  ShovelSpec spec;
  spec.vhost = vhost;
  spec.name = name;
  ParameterReader reader(*table, shovel_component);
  read_pace(reader, spec.ack_mode, spec.reconnect_delay);
  read_source(reader, vhost, spec);
  read_destination(reader, vhost, spec);
  if (spec.deletes != ShovelSpec::Delete::never && spec.ack_mode == AckMode::no_ack) {
    reader.fail(
        "'src-delete-after' wants an 'ack-mode' of on-confirm or on-publish: with no-ack what comes after the "
        "last message would be lost");
  }
  if (auto fault = reader.done(); !fault.empty()) return fail(std::move(fault));
  return spec;
}

Result<UpstreamSpec> parse_upstream(std::string_view vhost, std::string_view name, const FieldValue& value) {
  const Table* table = value.get<Table>();
  if (table == nullptr) return fail("the value of a federation-upstream is an object");
  UpstreamSpec spec;
  spec.vhost = vhost;
  spec.name = name;
  ParameterReader reader(*table, upstream_component);
  spec.uris = reader.uris("uri", vhost);
  spec.exchange = reader.text({"exchange"}).value_or("");
  read_pace(reader, spec.ack_mode, spec.reconnect_delay);
  spec.prefetch = static_cast<std::uint16_t>(reader.integer({"prefetch-count"}, 0, 65'535).value_or(spec.prefetch));
  spec.max_hops = static_cast<std::uint8_t>(reader.integer({"max-hops"}, 1, 255).value_or(spec.max_hops));
  spec.trust_user_id = reader.boolean({"trust-user-id"}).value_or(false);
  constexpr std::int64_t most_ms = 315'360'000'000;  // Ten years.
  if (const auto ms = reader.integer({"expires"}, 1, most_ms)) spec.expires_ms = static_cast<std::uint64_t>(*ms);
  if (const auto ms = reader.integer({"message-ttl"}, 0, most_ms)) {
    spec.message_ttl_ms = static_cast<std::uint64_t>(*ms);
  }
  // Of federated queues, and of how RabbitMQ keeps its own; nothing here depends on them.
  for (const char* each : {"queue", "consumer-tag", "ha-policy", "bind-nowait", "resource-cleanup-mode", "queue-type",
                           "channel-use-mode"}) {
    reader.take({each});
  }
  if (auto fault = reader.done(); !fault.empty()) return fail(std::move(fault));
  return spec;
}

Result<std::vector<SetMember>> parse_upstream_set(const FieldValue& value) {
  const auto* list = value.get<amqp::FieldArray>();
  if (list == nullptr) return fail("the value of a federation-upstream-set is a list of objects");
  std::vector<SetMember> members;
  for (const FieldValue& each : *list) {
    const Table* table = each.get<Table>();
    const std::string* upstream = table ? table->string("upstream") : nullptr;
    if (upstream == nullptr) return fail("Key \"upstream\" not found in federation-upstream-set");
    SetMember member{*upstream, *table};
    member.overrides.erase("upstream");
    members.push_back(std::move(member));
  }
  return members;
}

Result<UpstreamSpec> member_of_set(std::string_view vhost, const SetMember& member, const FieldValue& upstream) {
  const Table* table = upstream.get<Table>();
  if (table == nullptr) return fail("the value of a federation-upstream is an object");
  Table merged = *table;
  for (const auto& [name, value] : member.overrides.entries()) merged.set(name, value);
  return parse_upstream(vhost, member.upstream, FieldValue(std::move(merged)));
}

bool is_bridge_component(std::string_view component) {
  return component == shovel_component || component == upstream_component || component == upstream_set_component;
}

std::string parameter_fault(std::string_view component, std::string_view vhost, std::string_view name,
                            const FieldValue& value) {
  const auto fault_of = [](const auto& parsed) { return parsed ? std::string() : parsed.error().message; };
  if (component == shovel_component) return fault_of(parse_shovel(vhost, name, value));
  if (component == upstream_component) return fault_of(parse_upstream(vhost, name, value));
  const auto members = parse_upstream_set(value);
  if (!members) return members.error().message;
  // What a member changes has to be right with any upstream that is.
  const Table plain = [] {
    Table table;
    table.set("uri", std::string("amqp://"));
    return table;
  }();
  for (const SetMember& each : *members) {
    if (auto fault = fault_of(member_of_set(vhost, each, FieldValue(plain))); !fault.empty()) return fault;
  }
  return {};
}

std::vector<std::string> local_vhosts(std::string_view component, std::string_view vhost, std::string_view name,
                                      const FieldValue& value) {
  std::vector<std::string> out;
  for (const BridgeUri& each : uris_in(component, vhost, name, value)) {
    if (each.local) out.push_back(each.endpoint.virtual_host);
  }
  return out;
}

}  // namespace wherry::broker::bridges
