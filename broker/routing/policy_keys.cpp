#include "broker/routing/policy_keys.h"

#include <algorithm>
#include <cstdint>
#include <optional>
#include <vector>

#include <fmt/format.h>

#include "broker/routing/arguments.h"

namespace wherry::broker {

using amqp::FieldValue;

namespace {

constexpr std::int64_t max_time_ms = 315'360'000'000;  // Ten years.

bool natural(const FieldValue& value) {
  std::int64_t number = 0;
  return value.integer(number) && number >= 0;
}
bool time(const FieldValue& value) {
  std::int64_t number = 0;
  return value.integer(number) && number >= 0 && number <= max_time_ms;
}
bool positive_time(const FieldValue& value) {
  std::int64_t number = 0;
  return time(value) && value.integer(number) && number > 0;
}
bool text(const FieldValue& value) {
  return value.get<std::string>() != nullptr;
}
bool any(const FieldValue&) {
  return true;
}
bool one_of(const FieldValue& value, std::initializer_list<std::string_view> allowed) {
  const std::string* given = value.get<std::string>();
  return given != nullptr && std::find(allowed.begin(), allowed.end(), *given) != allowed.end();
}
bool overflow(const FieldValue& value) {
  return one_of(value, {"drop-head", "reject-publish", "reject-publish-dlx"});
}
bool queue_mode(const FieldValue& value) {
  return one_of(value, {"default", "lazy"});
}
bool queue_version(const FieldValue& value) {
  std::int64_t number = 0;
  return value.integer(number) && (number == 1 || number == 2);
}
bool strategy(const FieldValue& value) {
  return one_of(value, {"at-most-once", "at-least-once"});
}
bool durability(const FieldValue& value) {
  return one_of(value, {"sync", "os", "none"});
}
bool boolean(const FieldValue& value) {
  return value.get<bool>() != nullptr;
}
bool positive(const FieldValue& value) {
  std::int64_t number = 0;
  return value.integer(number) && number > 0;
}
bool rate_limit(const FieldValue& value) {
  const std::optional<double> rate = real_number(value);
  return rate && *rate >= 1e-6 && *rate <= 1e9;
}
bool rate_burst(const FieldValue& value) {
  std::int64_t number = 0;
  return value.integer(number) && number >= 1 && number <= 1'000'000'000;
}
bool ha_mode(const FieldValue& value) {
  return one_of(value, {"all", "exactly", "nodes"});
}

using enum PolicyMerge;
constexpr PolicyKey keys[] = {
    {"message-ttl", "x-message-ttl", least, true, "message TTL", time},
    {"expires", "x-expires", least, true, "queue expiry", positive_time},
    {"max-length", "x-max-length", least, true, "maximum length", natural},
    {"max-length-bytes", "x-max-length-bytes", least, true, "maximum length in bytes", natural},
    {"overflow", "x-overflow", argument, false, "overflow value", overflow},
    {"dead-letter-exchange", "x-dead-letter-exchange", argument, false, "dead letter exchange name", text},
    {"dead-letter-routing-key", "x-dead-letter-routing-key", argument, false, "dead letter routing key", text},
    {"delivery-limit", "x-delivery-limit", least, true, "delivery limit", natural},
    {"durability", "x-durability", argument, false, "durability", durability},
    {"hold-eta", "x-hold-eta", argument, false, "hold-eta value", boolean},
    {"message-deduplication", "x-message-deduplication", argument, false, "message-deduplication value", boolean},
    {"dedup-window", "x-dedup-window", argument, false, "time of deduplication", positive_time},
    {"dedup-count", "x-dedup-count", argument, false, "number of keys", positive},
    {"rate-limit", "x-rate-limit", least, true, "rate", rate_limit},
    {"rate-burst", "x-rate-burst", least, true, "burst", rate_burst},
    {"consumer-timeout", "x-consumer-timeout", least, true, "consumer timeout", time},
    {"alternate-exchange", "alternate-exchange", argument, false, "alternate exchange name", text},
    // Of exchanges, for broker/bridges.
    {"federation-upstream", "", argument, false, "federation upstream name", text},
    {"federation-upstream-set", "", argument, false, "federation upstream set name", text},
    // There is nothing here that these could change.
    {"queue-mode", "", argument, false, "queue-mode value", queue_mode},
    {"queue-version", "", argument, false, "queue-version value", queue_version},
    {"queue-master-locator", "", argument, false, "queue-master-locator value", text},
    {"dead-letter-strategy", "", argument, false, "dead letter strategy", strategy},
    {"max-in-memory-length", "", least, true, "maximum memory in bytes", natural},
    {"max-in-memory-bytes", "", least, true, "maximum memory in bytes", natural},
    {"ha-mode", "", argument, false, "ha-mode value", ha_mode},
    {"ha-params", "", argument, false, "ha-params value", any},
    {"ha-sync-mode", "", argument, false, "ha-sync-mode value", text},
    {"ha-sync-batch-size", "", argument, false, "ha-sync-batch-size value", natural},
    {"ha-promote-on-shutdown", "", argument, false, "ha-promote-on-shutdown value", text},
    {"ha-promote-on-failure", "", argument, false, "ha-promote-on-failure value", text},
};

const FieldValue& smaller(const FieldValue& one, const FieldValue& other) {
  std::int64_t a = 0, b = 0;
  // Below zero is no limit at all (x-delivery-limit): whoever else has one has the smaller.
  if (one.integer(a) && other.integer(b)) return a < 0 || (b >= 0 && b < a) ? other : one;
  const std::optional<double> x = real_number(one), y = real_number(other);
  return x && y && *y < *x ? other : one;
}

}  // namespace

std::string erlang_term(const FieldValue& value) {
  if (const std::string* given = value.get<std::string>()) return fmt::format("<<\"{}\">>", *given);
  return amqp::to_string(value);
}

const PolicyKey* find_policy_key(std::string_view name) {
  const auto found = std::find_if(std::begin(keys), std::end(keys), [&](const PolicyKey& k) { return k.name == name; });
  return found == std::end(keys) ? nullptr : found;
}

std::string policy_definition_fault(PolicyKind kind, const amqp::Table& definition) {
  if (definition.entries().empty()) return "no policy provided";
  std::vector<std::string> unknown;
  for (const auto& [name, value] : definition.entries()) {
    const PolicyKey* key = find_policy_key(name);
    if (key != nullptr && (kind == PolicyKind::plain || key->by_operator)) continue;
    unknown.push_back(fmt::format("{{<<\"{}\">>,{}}}", name, erlang_term(value)));
  }
  if (!unknown.empty()) {
    std::sort(unknown.begin(), unknown.end());
    return fmt::format("[{}] are not recognised policy settings", fmt::join(unknown, ","));
  }
  for (const auto& [name, value] : definition.entries()) {
    const PolicyKey* key = find_policy_key(name);
    if (!key->fit(value)) return fmt::format("{} is not a valid {}", erlang_term(value), key->wanted);
  }
  return {};
}

amqp::Table merge_definitions(const amqp::Table& plain, const amqp::Table& by_operator) {
  amqp::Table merged = plain;
  for (const auto& [name, value] : by_operator.entries()) {
    const FieldValue* given = plain.find(name);
    const PolicyKey* key = find_policy_key(name);
    const bool least_of_both = given != nullptr && key != nullptr && key->merge == least;
    merged.set(name, least_of_both ? smaller(*given, value) : value);
  }
  return merged;
}

amqp::Table merge_arguments(const amqp::Table& arguments, const amqp::Table& definition) {
  amqp::Table merged = arguments;
  for (const auto& [name, value] : definition.entries()) {
    const PolicyKey* key = find_policy_key(name);
    if (key == nullptr || key->argument.empty()) continue;
    const FieldValue* own = arguments.find(key->argument);
    if (own != nullptr && key->merge == argument) continue;
    merged.set(key->argument, own == nullptr ? value : smaller(*own, value));
  }
  return merged;
}

}  // namespace wherry::broker
