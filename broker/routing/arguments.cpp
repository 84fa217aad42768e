#include "broker/routing/arguments.h"

#include <algorithm>
#include <array>
#include <cmath>

#include <fmt/format.h>

#include "broker/routing/exchange.h"

namespace wherry::broker {

using amqp::FieldValue;
using amqp::ReplyCode;

namespace {

// RabbitMQ's names of the types on the wire.
struct TypeName {
  std::string_view operator()(std::monostate) const { return "void"; }
  std::string_view operator()(bool) const { return "bool"; }
  std::string_view operator()(std::int8_t) const { return "byte"; }
  std::string_view operator()(std::uint8_t) const { return "unsignedbyte"; }
  std::string_view operator()(std::int16_t) const { return "short"; }
  std::string_view operator()(std::uint16_t) const { return "unsignedshort"; }
  std::string_view operator()(std::int32_t) const { return "signedint"; }
  std::string_view operator()(std::uint32_t) const { return "unsignedint"; }
  std::string_view operator()(std::int64_t) const { return "long"; }
  std::string_view operator()(float) const { return "float"; }
  std::string_view operator()(double) const { return "double"; }
  std::string_view operator()(const amqp::Decimal&) const { return "decimal"; }
  std::string_view operator()(const std::string&) const { return "longstr"; }
  std::string_view operator()(const amqp::ByteArray&) const { return "binary"; }
  std::string_view operator()(const amqp::Timestamp&) const { return "timestamp"; }
  std::string_view operator()(const amqp::FieldArray&) const { return "array"; }
  std::string_view operator()(const amqp::Table&) const { return "table"; }
};

std::string bare(const FieldValue& value) {
  // With its point: 5.0 is not 5.
  if (auto* real = value.get<float>()) return fmt::format("{:#}", *real);
  if (auto* real = value.get<double>()) return fmt::format("{:#}", *real);
  if (auto* text = value.get<std::string>()) return *text;
  if (auto* bytes = value.get<amqp::ByteArray>()) return bytes->bytes;
  if (auto* time = value.get<amqp::Timestamp>()) return std::to_string(time->seconds);
  return amqp::to_string(value);
}

// An argument's fault as RabbitMQ prints it; empty when there is none.
using Check = std::string (*)(const FieldValue& value, const amqp::Table& all);

std::string unacceptable(const FieldValue& value) {
  return fmt::format("{{unacceptable_type,{}}}", type_name(value));
}
std::string integer(const FieldValue& value, std::int64_t& into) {
  return value.integer(into) ? "" : fmt::format("\"expected integer, got {}\"", type_name(value));
}

std::string expiry(const FieldValue& value, const amqp::Table&) {
  std::int64_t ms = 0;
  if (std::string fault = integer(value, ms); !fault.empty()) return fault;
  if (ms < 0) return fmt::format("{{value_negative,{}}}", ms);
  if (ms > max_expiry_ms) return fmt::format("{{value_too_large,{}}}", ms);
  return {};
}
std::string positive_expiry(const FieldValue& value, const amqp::Table& all) {
  std::int64_t ms = 0;
  return value.integer(ms) && ms == 0 ? "{value_zero,0}" : expiry(value, all);
}
std::string count(const FieldValue& value, const amqp::Table&) {
  std::int64_t number = 0;
  if (std::string fault = integer(value, number); !fault.empty()) return fault;
  return number < 0 ? fmt::format("{{value_negative,{}}}", number) : "";
}
std::string positive_count(const FieldValue& value, const amqp::Table& all) {
  std::int64_t number = 0;
  return value.integer(number) && number == 0 ? "{value_zero,0}" : count(value, all);
}
std::string priority(const FieldValue& value, const amqp::Table& all) {
  if (std::string fault = count(value, all); !fault.empty()) return fault;
  std::int64_t number = 0;
  value.integer(number);
  return number > 255 ? fmt::format("{{max_value_exceeded,{}}}", number) : "";
}
std::string version(const FieldValue& value, const amqp::Table& all) {
  if (std::string fault = count(value, all); !fault.empty()) return fault;
  std::int64_t number = 0;
  value.integer(number);
  return number == 1 || number == 2 ? "" : fmt::format("\"unsupported queue version '{}'\"", number);
}
std::string boolean(const FieldValue& value, const amqp::Table&) {
  return value.get<bool>() ? "" : unacceptable(value);
}
std::string any(const FieldValue&, const amqp::Table&) {
  return {};
}
std::string any_integer(const FieldValue& value, const amqp::Table&) {
  std::int64_t number = 0;
  return integer(value, number);
}
std::string dead_letter_key(const FieldValue& value, const amqp::Table& all) {
  if (!value.get<std::string>()) return unacceptable(value);
  return all.find("x-dead-letter-exchange") ? "" : "routing_key_but_no_dlx_defined";
}
std::string dead_letter_strategy(const FieldValue& value, const amqp::Table&) {
  auto* text = value.get<std::string>();
  if (!text) return unacceptable(value);
  return *text == "at-most-once" || *text == "at-least-once" ? "" : "invalid_dlx_strategy";
}
std::string overflow(const FieldValue& value, const amqp::Table&) {
  auto* text = value.get<std::string>();
  if (!text) return unacceptable(value);
  return *text == "drop-head" || *text == "reject-publish" || *text == "reject-publish-dlx" ? "" : "invalid_overflow";
}
std::string mode(const FieldValue& value, const amqp::Table&) {
  auto* text = value.get<std::string>();
  if (!text) return unacceptable(value);
  return *text == "default" || *text == "lazy" ? "" : fmt::format("\"unsupported queue mode '{}'\"", *text);
}
// A quorum queue is what every durable queue here is at the least: one whose confirms are kept. Streams are not queues.
std::string queue_type(const FieldValue& value, const amqp::Table&) {
  auto* text = value.get<std::string>();
  if (!text) return unacceptable(value);
  return *text == "classic" || *text == "quorum" ? "" : fmt::format("\"unsupported queue type '{}'\"", *text);
}

// --- Wherry's own ---
// A header's name.
std::string fair_key(const FieldValue& value, const amqp::Table&) {
  auto* text = value.get<std::string>();
  if (!text) return unacceptable(value);
  return text->empty() || text->size() > 255 ? fmt::format("\"not a header's name: '{}'\"", *text) : "";
}
// Deliveries per second. A millionth is the smallest unit the queue counts in.
std::string rate_limit(const FieldValue& value, const amqp::Table&) {
  const std::optional<double> rate = real_number(value);
  if (!rate) return unacceptable(value);
  return *rate >= 1e-6 && *rate <= 1e9 ? "" : fmt::format("\"not a rate from 0.000001 to 1000000000: {}\"", *rate);
}
std::string rate_burst(const FieldValue& value, const amqp::Table& all) {
  std::int64_t number = 0;
  if (std::string fault = integer(value, number); !fault.empty()) return fault;
  if (number < 1 || number > 1'000'000'000) return fmt::format("\"not a burst from 1 to 1000000000: {}\"", number);
  return all.find("x-rate-limit") ? "" : "rate_burst_but_no_rate_limit_defined";
}
// What a confirm means for this queue.
std::string durability(const FieldValue& value, const amqp::Table&) {
  auto* text = value.get<std::string>();
  if (!text) return unacceptable(value);
  return *text == "sync" || *text == "os" || *text == "none" ? ""
                                                             : fmt::format("\"unsupported durability '{}'\"", *text);
}

// The types of queues that know an argument; one that no type of ours knows belongs to streams.
constexpr unsigned classic = 1, quorum = 2, both = classic | quorum, streams = 4;

struct Rule {
  std::string_view name;
  Check check;
  unsigned types = both;
  bool may_be_left_out = false;  // By a second declaration.
};
constexpr Rule queue_rules[] = {
    {"x-queue-type", queue_type},
    {"x-expires", positive_expiry},
    {"x-message-ttl", expiry},
    {"x-dead-letter-exchange", any},
    {"x-dead-letter-routing-key", dead_letter_key},
    {"x-dead-letter-strategy", dead_letter_strategy, quorum},
    {"x-max-length", count},
    {"x-max-length-bytes", count},
    {"x-max-in-memory-length", count, quorum},
    {"x-max-in-memory-bytes", count, quorum},
    {"x-max-priority", priority, classic},
    {"x-overflow", overflow},
    {"x-queue-mode", mode, classic},
    {"x-queue-version", version, classic},
    {"x-single-active-consumer", boolean},
    {"x-quorum-initial-group-size", positive_count, quorum},
    // A negative one is none; RabbitMQ knows it for quorum queues alone.
    {"x-delivery-limit", any_integer},
    {"x-durability", durability},
    {"x-fair-key", fair_key},
    {"x-rate-limit", rate_limit},
    {"x-rate-burst", rate_burst},
    {"x-consumer-timeout", expiry},
    {"x-hold-eta", boolean, both, true},
    {"x-queue-master-locator", any, classic},
    {"x-max-age", any, streams},
    {"x-stream-max-segment-size-bytes", any, streams},
    {"x-initial-cluster-size", any, streams},
};
constexpr Rule deduplication_rules[] = {{"x-message-deduplication", boolean, both, true},
                                        {"x-dedup-window", positive_expiry, both, true},
                                        {"x-dedup-count", positive_count, both, true}};
constexpr Rule consumer_rules[] = {{"x-priority", any_integer},
                                   {"x-lost-count", boolean},
                                   {"x-cancel-on-ha-failover", boolean, classic},
                                   {"x-stream-offset", any, streams}};

unsigned type_of(const amqp::Table& queue_arguments) {
  return is_quorum(queue_arguments) ? quorum : classic;
}

AmqpResult<void> check_known(std::span<const Rule> rules, const amqp::Table& arguments, unsigned type,
                             std::string_view resource) {
  for (const auto& [name, value] : arguments.entries()) {
    auto rule = std::find_if(rules.begin(), rules.end(), [&](const Rule& each) { return each.name == name; });
    if (rule == rules.end() || rule->types & type) continue;
    return refuse(ReplyCode::precondition_failed, fmt::format("invalid arg '{}' for {} of queue type rabbit_{}_queue",
                                                              name, resource, type == quorum ? "quorum" : "classic"));
  }
  return {};
}

AmqpResult<void> check_by(std::span<const Rule> rules, const amqp::Table& arguments, std::string_view resource) {
  for (const Rule& rule : rules) {
    const FieldValue* value = arguments.find(rule.name);
    if (!value) continue;
    std::string fault = rule.check(*value, arguments);
    if (!fault.empty()) {
      return refuse(ReplyCode::precondition_failed,
                    fmt::format("invalid arg '{}' for {}: {}", rule.name, resource, fault));
    }
  }
  return {};
}

AmqpResult<void> inequivalent(std::string_view name, std::string_view current, std::string_view received,
                              std::string_view resource) {
  return refuse(
      ReplyCode::precondition_failed,
      fmt::format("inequivalent arg '{}' for {}: received {} but current is {}", name, resource, received, current));
}

bool is_real(const FieldValue& value) {
  return value.get<float>() || value.get<double>();
}

std::string typed(const FieldValue* value) {
  if (!value) return "none";
  return fmt::format("the value '{}' of type '{}'", bare(*value), type_name(*value));
}

}  // namespace

std::string_view type_name(const FieldValue& value) {
  return std::visit(TypeName{}, value.value);
}

bool is_quorum(const amqp::Table& arguments) {
  const std::string* type = arguments.string("x-queue-type");
  return type && *type == "quorum";
}

std::optional<double> real_number(const FieldValue& value) {
  if (std::int64_t whole = 0; value.integer(whole)) return static_cast<double>(whole);
  if (auto* narrow = value.get<float>()) return *narrow;
  if (auto* wide = value.get<double>()) return *wide;
  if (auto* decimal = value.get<amqp::Decimal>()) return decimal->unscaled / std::pow(10.0, decimal->scale);
  return {};
}

std::string resource(std::string_view kind, std::string_view name, std::string_view vhost) {
  return fmt::format("{} '{}' in vhost '{}'", kind, name, vhost);
}

amqp::AmqpError not_found(std::string_view resource) {
  return {.code = ReplyCode::not_found, .explanation = fmt::format("no {}", resource), .offender = {}};
}

tl::unexpected<amqp::AmqpError> refuse(ReplyCode code, std::string explanation) {
  return tl::unexpected<amqp::AmqpError>({.code = code, .explanation = std::move(explanation), .offender = {}});
}

AmqpResult<void> check_consumer_arguments(const amqp::Table& arguments, const QueueSpec& queue,
                                          std::string_view resource) {
  if (auto known = check_known(consumer_rules, arguments, type_of(queue.arguments), resource); !known) return known;
  return check_by(consumer_rules, arguments, resource);
}

AmqpResult<void> check_queue_arguments_of_type(const QueueSpec& spec, bool server_named, std::string_view resource) {
  const unsigned type = type_of(spec.arguments);
  if (server_named && type == quorum) {
    return refuse(ReplyCode::precondition_failed, "Cannot declare a server-named queue for type rabbit_quorum_queue");
  }
  return check_known(queue_rules, spec.arguments, type, resource);
}

AmqpResult<void> check_queue_arguments(const QueueSpec& spec, std::string_view resource) {
  // RabbitMQ looks at this one first, and in other words.
  const FieldValue* dead_letters_to = spec.arguments.find("x-dead-letter-exchange");
  if (dead_letters_to && !dead_letters_to->get<std::string>()) {
    return refuse(
        ReplyCode::precondition_failed,
        fmt::format("invalid type '{}' for arg 'x-dead-letter-exchange' in {}", type_name(*dead_letters_to), resource));
  }
  if (auto fit = check_by(queue_rules, spec.arguments, resource); !fit) return fit;
  if (auto fit = check_by(deduplication_rules, spec.arguments, resource); !fit) return fit;
  if (type_of(spec.arguments) == quorum) {
    std::string_view fault = spec.auto_delete ? "auto-delete" : spec.exclusive ? "exclusive-owner" : "non-durable";
    if (spec.auto_delete || spec.exclusive || !spec.durable) {
      return refuse(ReplyCode::precondition_failed, fmt::format("invalid property '{}' for {}", fault, resource));
    }
  }
  return {};
}

AmqpResult<void> check_exchange_arguments(const ExchangeSpec& spec, std::string_view resource) {
  const FieldValue* alternate = spec.arguments.find("alternate-exchange");
  if (alternate && !alternate->get<std::string>()) {
    return refuse(ReplyCode::precondition_failed,
                  fmt::format("invalid type '{}' for arg 'alternate-exchange' in {}", type_name(*alternate), resource));
  }
  if (auto fit = check_by(deduplication_rules, spec.arguments, resource); !fit) return fit;
  std::string_view type = spec.type;
  if (type == "x-delayed-message") {
    const std::string* inner = spec.arguments.string("x-delayed-type");
    if (!inner) {
      return refuse(ReplyCode::precondition_failed,
                    "Invalid argument, 'x-delayed-type' must be an existing exchange type");
    }
    if (!is_exchange_type(*inner) || *inner == "x-delayed-message") {
      return refuse(ReplyCode::command_invalid, fmt::format("unknown exchange type '{}'", *inner));
    }
    type = *inner;
  }
  if (type == "x-consistent-hash") {
    if (std::string fault = consistent_hash_fault(spec.arguments); !fault.empty()) {
      return refuse(ReplyCode::precondition_failed, std::move(fault));
    }
  }
  return {};
}

namespace {
AmqpResult<void> same_by(std::span<const Rule> rules, const amqp::Table& current, const amqp::Table& received,
                         std::string_view resource) {
  for (const Rule& rule : rules) {
    if (rule.may_be_left_out && !received.find(rule.name)) continue;
    if (auto same = same_arguments({&rule.name, 1}, current, received, resource); !same) return same;
  }
  return {};
}
}  // namespace

AmqpResult<void> same_property(std::string_view name, bool current, bool received, std::string_view resource) {
  return same_property(name, std::string_view(current ? "true" : "false"), received ? "true" : "false", resource);
}

AmqpResult<void> same_property(std::string_view name, std::string_view current, std::string_view received,
                               std::string_view resource) {
  if (current == received) return {};
  return inequivalent(name, fmt::format("'{}'", current), fmt::format("'{}'", received), resource);
}

AmqpResult<void> same_arguments(std::span<const std::string_view> names, const amqp::Table& current,
                                const amqp::Table& received, std::string_view resource) {
  for (std::string_view name : names) {
    const FieldValue* was = current.find(name);
    const FieldValue* is = received.find(name);
    if (!was && !is) continue;
    if (was && is) {
      // Integers of any width are of one class, and 5.0 is not of theirs.
      if (is_real(*was) == is_real(*is) && (*was == *is || bare(*was) == bare(*is))) continue;
      return inequivalent(name, fmt::format("'{}'", bare(*was)), fmt::format("'{}'", bare(*is)), resource);
    }
    const std::string* text = was ? was->get<std::string>() : is->get<std::string>();
    if (name == "x-queue-type" && text && *text == "classic") continue;
    return inequivalent(name, typed(was), typed(is), resource);
  }
  return {};
}

AmqpResult<void> same_queue_arguments(const amqp::Table& current, const amqp::Table& received,
                                      std::string_view resource) {
  if (auto same = same_by(queue_rules, current, received, resource); !same) return same;
  return same_deduplication(current, received, resource);
}

AmqpResult<void> same_deduplication(const amqp::Table& current, const amqp::Table& received,
                                    std::string_view resource) {
  return same_by(deduplication_rules, current, received, resource);
}

}  // namespace wherry::broker
