#include "worker/pool/frames.h"

#include <cstring>
#include <utility>

#include "protocol/task/msgpack.h"

namespace wherry::worker {

namespace {

using Map = task::Value::Map;

constexpr std::uint32_t most_bytes = 1u << 30;

std::string text_of(const task::Value& map, std::string_view key) {
  const task::Value* value = map.find(key);
  if (value == nullptr) return {};
  if (const auto* text = value->get<std::string>()) return *text;
  if (const auto* bytes = value->get<task::Bytes>()) return bytes->data;
  return {};
}

std::optional<std::int64_t> integer_of(const task::Value& map, std::string_view key) {
  const task::Value* value = map.find(key);
  const auto* number = value ? value->get<std::int64_t>() : nullptr;
  return number ? std::optional(*number) : std::nullopt;
}

std::optional<task::Value::Array> list_of(const task::Value& map, std::string_view key) {
  const task::Value* value = map.find(key);
  const auto* list = value ? value->get<task::Value::Array>() : nullptr;
  return list ? std::optional(*list) : std::nullopt;
}

task::Value milliseconds_or_null(const std::optional<std::chrono::milliseconds>& time) {
  return time ? task::Value(time->count()) : task::Value();
}

std::optional<std::chrono::milliseconds> milliseconds_of(const task::Value& map, std::string_view key) {
  const auto count = integer_of(map, key);
  return count ? std::optional(std::chrono::milliseconds(*count)) : std::nullopt;
}

}  // namespace

Result<std::string> encode_frame(const task::Value& value) {
  auto body = task::encode_msgpack(value);
  if (!body) return body;
  if (body->size() > most_bytes) return fail("it has more than 1 GiB");
  const auto size = static_cast<std::uint32_t>(body->size());
  std::string frame(sizeof size, '\0');
  std::memcpy(frame.data(), &size, sizeof size);
  return frame + *body;
}

Result<bool> FrameReader::next(task::Value& into) {
  const std::string_view left = std::string_view(bytes_).substr(taken_);
  std::uint32_t size = 0;
  if (left.size() >= sizeof size) std::memcpy(&size, left.data(), sizeof size);
  if (size > most_bytes) return fail("it is too long");
  if (left.size() < sizeof size || left.size() - sizeof size < size) {
    bytes_.erase(0, std::exchange(taken_, 0));
    return false;
  }
  auto value = task::decode_msgpack(left.substr(sizeof size, size));
  if (!value) return tl::unexpected(value.error());
  into = std::move(*value);
  taken_ += sizeof size + size;
  return true;
}

task::Value run_frame(const sdk::Delivery& delivery, std::optional<std::chrono::milliseconds> soft_time_limit) {
  return Map{{"run", Map{{"queue", task::Bytes{delivery.queue}},
                         {"exchange", task::Bytes{delivery.exchange}},
                         {"routing_key", task::Bytes{delivery.routing_key}},
                         {"redelivered", delivery.redelivered},
                         {"properties", task::Bytes{amqp::encode_properties(delivery.properties)}},
                         {"body", task::Bytes{delivery.body}},
                         {"soft", milliseconds_or_null(soft_time_limit)}}}};
}

Result<RunRequest> read_run(const task::Value& run) {
  RunRequest request;
  request.delivery.queue = text_of(run, "queue");
  request.delivery.exchange = text_of(run, "exchange");
  request.delivery.routing_key = text_of(run, "routing_key");
  const task::Value* redelivered = run.find("redelivered");
  request.delivery.redelivered = redelivered && redelivered->get<bool>() && *redelivered->get<bool>();
  auto properties = amqp::decode_properties(text_of(run, "properties"));
  if (!properties) return tl::unexpected(properties.error());
  request.delivery.properties = std::move(*properties);
  request.delivery.body = text_of(run, "body");
  request.soft_time_limit = milliseconds_of(run, "soft");
  return request;
}

task::Value outcome_frame(detail::Outcome outcome, std::uint64_t resident_bytes) {
  Map map{{"kind", static_cast<int>(outcome.kind)},
          {"result", std::move(outcome.result)},
          {"added", std::move(outcome.added)},
          // As bytes: what an exception says need not be UTF-8.
          {"type", task::Bytes{std::move(outcome.error_type)}},
          {"reason", task::Bytes{std::move(outcome.reason)}},
          {"traceback", task::Bytes{std::move(outcome.traceback)}},
          {"after", milliseconds_or_null(outcome.after)}};
  if (outcome.raised) {  // Its type is above.
    task::set(map, "arguments", std::move(outcome.raised->arguments));
    task::set(map, "module", task::Bytes{std::move(outcome.raised->module)});
  }
  return Map{{"outcome", std::move(map)}, {"resident", resident_bytes}};
}

detail::Outcome read_outcome(const task::Value& outcome) {
  detail::Outcome out;
  out.kind = static_cast<detail::Outcome::Kind>(integer_of(outcome, "kind").value_or(1));
  if (const task::Value* result = outcome.find("result")) out.result = *result;
  out.added = list_of(outcome, "added").value_or(task::Value::Array{});
  out.error_type = text_of(outcome, "type");
  out.reason = text_of(outcome, "reason");
  out.traceback = text_of(outcome, "traceback");
  out.after = milliseconds_of(outcome, "after");
  if (auto arguments = list_of(outcome, "arguments")) {
    out.raised = Raise{out.error_type, std::move(*arguments), text_of(outcome, "module")};
  }
  return out;
}

}  // namespace wherry::worker
