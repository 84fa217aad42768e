#include "broker/queueing/dead_letter.h"

#include <algorithm>
#include <utility>

#include "protocol/amqp/properties.h"

namespace wherry::broker {

using amqp::FieldArray;
using amqp::FieldValue;
using amqp::Table;

namespace {

constexpr std::string_view history_name = "x-death";

// Keys of CC or BCC.
void add_carbon_copies(std::string_view name, const Table& headers, std::vector<std::string>& keys) {
  const FieldValue* value = headers.find(name);
  const FieldArray* copies = value ? value->get<FieldArray>() : nullptr;
  if (!copies) return;
  for (const FieldValue& key : *copies) {
    if (auto* text = key.get<std::string>(); text && text->size() <= 255) keys.push_back(*text);
  }
}

bool is_text(const Table& death, std::string_view name, std::string_view text) {
  const std::string* value = death.string(name);
  return value && *value == text;
}

// The newest death in front; one entry for each queue and reason, which keeps the time of the first and counts them.
void record_death(Table& headers, const DeadLetter& letter, const std::optional<std::string>& expiration,
                  const std::vector<std::string>& keys, std::uint64_t now_ms) {
  const std::string& queue = letter.source->spec.name;
  std::string reason(to_string(letter.reason));
  std::string exchange(letter.message->exchange());

  FieldArray history;
  const FieldValue* given = headers.find(history_name);
  const bool first = given == nullptr;
  if (auto* deaths = given ? given->get<FieldArray>() : nullptr) history = *deaths;
  auto same = std::find_if(history.begin(), history.end(), [&](const FieldValue& entry) {
    const Table* death = entry.get<Table>();
    return death && is_text(*death, "queue", queue) && is_text(*death, "reason", reason);
  });
  if (same != history.end()) {
    Table& death = *std::get_if<Table>(&same->value);
    std::int64_t count = 0;
    death.integer("count", count);
    death.set("count", std::max<std::int64_t>(count, 0) + 1);
    std::rotate(history.begin(), same, same + 1);
  } else {
    FieldArray routing_keys;
    for (const std::string& key : keys) routing_keys.emplace_back(key);
    Table death;
    death.set("count", std::int64_t{1});
    death.set("reason", reason);
    death.set("queue", queue);
    death.set("time", amqp::Timestamp{now_ms / 1000});
    death.set("exchange", exchange);
    death.set("routing-keys", std::move(routing_keys));
    if (expiration) death.set("original-expiration", *expiration);
    history.emplace(history.begin(), std::move(death));
  }
  headers.set(history_name, std::move(history));
  if (first) {
    headers.set("x-first-death-reason", reason);
    headers.set("x-first-death-queue", queue);
    headers.set("x-first-death-exchange", exchange);
  }
  headers.set("x-last-death-reason", std::move(reason));
  headers.set("x-last-death-queue", queue);
  headers.set("x-last-death-exchange", std::move(exchange));
}

}  // namespace

Reborn reborn(const DeadLetter& letter, std::uint64_t now_ms) {
  // What cannot be read (it was checked when it came in) is carried on as if it had been empty, rather than lost.
  amqp::Properties properties = amqp::decode_properties(letter.message->properties()).value_or(amqp::Properties{});
  if (!properties.headers) properties.headers.emplace();
  Table& headers = properties.headers->table();

  std::vector<std::string> keys{std::string(letter.message->routing_key())};
  add_carbon_copies("CC", headers, keys);
  // What BCC names is not told to anybody, but the message goes there too.
  record_death(headers, letter, properties.expiration, keys, now_ms);
  add_carbon_copies("BCC", headers, keys);
  properties.expiration.reset();
  if (letter.to->routing_key) {
    keys.assign(1, *letter.to->routing_key);
    headers.erase("CC");
    headers.erase("BCC");
  }

  std::string raw = amqp::encode_properties(properties);
  auto message = Message::create({.exchange = letter.to->exchange,
                                  .routing_key = keys.front(),
                                  .properties = raw,
                                  .delivery_mode = letter.message->persistent() ? std::uint8_t{2} : std::uint8_t{1},
                                  .priority = letter.message->priority(),
                                  .body_size = letter.message->body().size(),
                                  .published_ms = now_ms});
  message->append_body(letter.message->body());
  return Reborn{std::move(message), std::move(keys)};
}

bool must_not_reach(const std::string& queue, std::string_view properties) {
  auto view = amqp::view_properties(properties);
  if (!view || !view->headers) return false;
  auto headers = amqp::decode_table(*view->headers);
  const FieldValue* value = headers ? headers->find(history_name) : nullptr;
  const FieldArray* history = value ? value->get<FieldArray>() : nullptr;
  if (!history) return false;
  for (const FieldValue& entry : *history) {
    const Table* death = entry.get<Table>();
    if (!death) continue;
    if (is_text(*death, "reason", "rejected")) return false;
    if (is_text(*death, "queue", queue)) return true;
  }
  return false;
}

}  // namespace wherry::broker
