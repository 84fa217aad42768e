#include "broker/bridges/rewrite.h"

#include <chrono>
#include <utility>

namespace wherry::broker::bridges {

using amqp::FieldArray;
using amqp::FieldValue;
using amqp::Properties;
using amqp::Table;

namespace {

constexpr std::string_view shovelled_header = "x-shovelled";
constexpr std::string_view shovelled_at_header = "x-shovelled-timestamp";

template <class T>
void replace(std::optional<T>& what, const std::optional<T>& by) {
  if (by) what = by;
}

Table& headers_of(Properties& properties) {
  if (!properties.headers) properties.headers.emplace();
  return properties.headers->table();
}

}  // namespace

void prepend_header(Properties& properties, std::string_view name, Table entry) {
  Table& headers = headers_of(properties);
  FieldArray list;
  list.emplace_back(std::move(entry));
  if (const FieldValue* before = headers.find(name)) {
    if (const auto* older = before->get<FieldArray>()) list.insert(list.end(), older->begin(), older->end());
  }
  headers.set(name, std::move(list));
}

Table shovelled_entry(const ShovelSpec& spec, const std::string& source_uri, const std::string& destination_uri,
                      const std::string& cluster) {
  Table entry;
  const auto say = [&entry](std::string_view key, const std::string& text) {
    if (!text.empty()) entry.set(key, text);
  };
  say("shovelled-by", cluster);
  say("shovel-type", "dynamic");
  say("shovel-name", spec.name);
  say("shovel-vhost", spec.vhost);
  say("src-uri", source_uri);
  say("src-queue", spec.source_queue);
  say("src-exchange", spec.source_exchange);
  say("src-exchange-key", spec.source_key);
  say("dest-uri", destination_uri);
  say("dest-queue", spec.destination_queue.value_or(""));
  say("dest-exchange", spec.destination_exchange.value_or(""));
  say("dest-exchange-key", spec.destination_key.value_or(""));
  return entry;
}

bool rewrites(const Rewriting& rewriting) {
  return rewriting.forward_headers || rewriting.timestamp_header || rewriting.properties != Properties{};
}

std::string rewrite(std::string_view raw_properties, const Rewriting& rewriting, const Table& entry) {
  auto properties = amqp::decode_properties(raw_properties);
  if (!properties) return std::string(raw_properties);
  const Properties& by = rewriting.properties;
  replace(properties->content_type, by.content_type);
  replace(properties->content_encoding, by.content_encoding);
  replace(properties->headers, by.headers);
  replace(properties->delivery_mode, by.delivery_mode);
  replace(properties->priority, by.priority);
  replace(properties->correlation_id, by.correlation_id);
  replace(properties->reply_to, by.reply_to);
  replace(properties->expiration, by.expiration);
  replace(properties->message_id, by.message_id);
  replace(properties->timestamp, by.timestamp);
  replace(properties->type, by.type);
  replace(properties->user_id, by.user_id);
  replace(properties->app_id, by.app_id);
  replace(properties->cluster_id, by.cluster_id);
  if (rewriting.forward_headers) prepend_header(*properties, shovelled_header, entry);
  if (rewriting.timestamp_header) {
    const auto now = std::chrono::system_clock::now().time_since_epoch();
    const std::int64_t seconds = std::chrono::duration_cast<std::chrono::seconds>(now).count();
    headers_of(*properties).set(shovelled_at_header, seconds);
  }
  return amqp::encode_properties(*properties);
}

}  // namespace wherry::broker::bridges
