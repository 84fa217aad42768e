#include "broker/queueing/held_message.h"

#include <charconv>

#include <fmt/format.h>

#include "base/iso8601.h"
#include "broker/routing/deduplication.h"
#include "protocol/amqp/properties.h"

namespace wherry::broker {
namespace {

std::optional<std::uint64_t> time_in(const amqp::Table& headers, std::string_view name) {
  const std::string* text = headers.string(name);
  if (text == nullptr) return std::nullopt;
  const auto time = parse_iso8601(*text);
  if (!time) return std::nullopt;
  // Up: at that millisecond the time has come.
  const auto ms = std::chrono::ceil<std::chrono::milliseconds>(time->time_since_epoch()).count();
  return ms > 0 ? static_cast<std::uint64_t>(ms) : 0;
}

std::string text_of(const std::optional<std::string_view>& property) {
  return std::string(property.value_or(""));
}

}  // namespace

HoldTimes hold_times(std::string_view raw_properties) {
  // Celery writes both into every message, mostly null: a name, and the mark of a text behind it.
  constexpr std::string_view eta =
      "\x03"
      "etaS";
  constexpr std::string_view expires =
      "\x07"
      "expiresS";
  if (raw_properties.find(eta) == std::string_view::npos && raw_properties.find(expires) == std::string_view::npos) {
    return {};
  }
  const auto properties = amqp::view_properties(raw_properties);
  if (!properties || !properties->headers) return {};
  const auto headers = amqp::decode_table(*properties->headers);
  if (!headers) return {};
  return {time_in(*headers, "eta"), time_in(*headers, "expires")};
}

std::string released_properties(std::string_view raw_properties) {
  auto properties = amqp::decode_properties(raw_properties);
  if (!properties || !properties->headers) return std::string(raw_properties);
  amqp::Table& headers = properties->headers->table();
  if (const std::string* eta = headers.string("eta")) {
    headers.set("x-eta", *eta);
    headers.set("eta", {});
  }
  return amqp::encode_properties(*properties);
}

HeldMessage describe_held(ScheduleKey key, std::string_view raw_properties, std::uint64_t body_bytes, bool persistent) {
  HeldMessage message{.key = key, .body_bytes = body_bytes, .persistent = persistent};
  const auto properties = amqp::view_properties(raw_properties);
  if (!properties) return message;
  message.message_id = text_of(properties->message_id);
  message.task_id = text_of(properties->correlation_id);
  if (!properties->headers) return message;
  const auto headers = amqp::decode_table(*properties->headers);
  if (!headers) return message;
  if (const std::string* id = headers->string("id")) message.task_id = *id;
  if (const std::string* task = headers->string("task")) message.task = *task;
  message.deduplication_key = deduplication_key(raw_properties);
  return message;
}

std::string key_text(ScheduleKey key) {
  return fmt::format("{}-{}", key.due_ms, key.sequence);
}

std::optional<ScheduleKey> parse_key_text(std::string_view text) {
  ScheduleKey key;
  const char* const end = text.data() + text.size();
  const auto due = std::from_chars(text.data(), end, key.due_ms);
  if (due.ec != std::errc{} || due.ptr == end || *due.ptr != '-') return std::nullopt;
  const auto sequence = std::from_chars(due.ptr + 1, end, key.sequence);
  if (sequence.ec != std::errc{} || sequence.ptr != end) return std::nullopt;
  return key;
}

bool has_name(const HeldMessage& message, std::string_view name) {
  return !name.empty() && (message.message_id == name || message.task_id == name || key_text(message.key) == name);
}

}  // namespace wherry::broker
