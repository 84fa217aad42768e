#include "protocol/task/dead_letter.h"

#include <algorithm>
#include <cctype>
#include <chrono>

#include <fmt/format.h>

#include "base/glob.h"
#include "base/iso8601.h"

namespace wherry::task {

namespace {

constexpr std::string_view replays_header = "x-wherry-replays";
constexpr std::string_view attempts_header = "x-wherry-history";
// What was written about this death, or for deliveries that are over; and what would act on a copy as it did on the
// original: a key of deduplication drops it, CC sends it elsewhere once more.
constexpr std::string_view forgotten[] = {"x-wherry-reason",
                                          "x-wherry-queue",
                                          "x-wherry-dead-at",
                                          "x-wherry-crashes",
                                          "x-death",
                                          "x-first-death-reason",
                                          "x-first-death-queue",
                                          "x-last-death-reason",
                                          "x-last-death-queue",
                                          "x-first-death-exchange",
                                          "x-delivery-count",
                                          "x-last-death-exchange",
                                          "x-lost-count",
                                          "x-delay",
                                          "x-deduplication-header",
                                          "CC",
                                          "BCC"};

std::string text_in(const amqp::Table& table, std::string_view name) {
  const std::string* text = table.string(name);
  return text ? *text : std::string();
}

std::uint32_t number_in(const amqp::Table& table, std::string_view name) {
  std::int64_t number = 0;
  table.integer(name, number);
  return static_cast<std::uint32_t>(std::clamp<std::int64_t>(number, 0, UINT32_MAX));
}

// The newest entry of x-death; null when there is none.
const amqp::Table* last_death(const amqp::Table& headers) {
  const amqp::FieldValue* given = headers.find("x-death");
  const auto* deaths = given ? given->get<amqp::FieldArray>() : nullptr;
  return deaths && !deaths->empty() ? deaths->front().get<amqp::Table>() : nullptr;
}

const amqp::FieldArray* attempts_in(const amqp::Table& headers) {
  const amqp::FieldValue* given = headers.find(attempts_header);
  return given ? given->get<amqp::FieldArray>() : nullptr;
}

bool contains(std::string_view text, std::string_view part) {
  const auto same = [](unsigned char a, unsigned char b) { return std::tolower(a) == std::tolower(b); };
  return std::search(text.begin(), text.end(), part.begin(), part.end(), same) != text.end();
}

}  // namespace

DeadLetter read_dead_letter(const amqp::Properties& properties) {
  DeadLetter letter;
  const amqp::Table none;
  const amqp::Table& headers = properties.headers ? properties.headers->table() : none;
  letter.id = text_in(headers, "id");
  if (letter.id.empty()) letter.id = properties.message_id.value_or(properties.correlation_id.value_or(""));
  letter.task = text_in(headers, "task");
  letter.reason = text_in(headers, "x-wherry-reason");
  letter.queue = text_in(headers, "x-wherry-queue");
  if (auto at = parse_iso8601(text_in(headers, "x-wherry-dead-at"))) letter.dead_at = *at;
  if (const amqp::Table* death = last_death(headers)) {
    if (letter.reason.empty()) letter.reason = text_in(*death, "reason");
    if (letter.queue.empty()) letter.queue = text_in(*death, "queue");
    const amqp::FieldValue* time = death->find("time");
    const auto* seconds = time ? time->get<amqp::Timestamp>() : nullptr;
    // Beyond the year 9999 it is no time.
    if (!letter.dead_at && seconds && seconds->seconds < 253'402'300'800) {
      letter.dead_at = WallTime(std::chrono::seconds(seconds->seconds));
    }
  }
  letter.crashes = number_in(headers, "x-wherry-crashes");
  letter.replays = number_in(headers, replays_header);
  if (const amqp::FieldArray* attempts = attempts_in(headers)) {
    for (const amqp::FieldValue& each : *attempts) {
      const auto* entry = each.get<amqp::Table>();
      if (entry == nullptr) continue;
      letter.history.push_back(
          {number_in(*entry, "attempt"), text_in(*entry, "error"), text_in(*entry, "at"), text_in(*entry, "worker")});
    }
  }
  letter.args = text_in(headers, "argsrepr");
  letter.kwargs = text_in(headers, "kwargsrepr");
  return letter;
}

bool DeadLetterFilter::matches(const DeadLetter& letter) const {
  if (!ids.empty() && std::find(ids.begin(), ids.end(), letter.id) == ids.end()) return false;
  if (!task.empty() && !glob_match(task, letter.task)) return false;
  if (!reason.empty() && !contains(letter.reason, reason) && !contains(letter.error(), reason)) return false;
  if (!queue.empty() && queue != letter.queue) return false;
  if (since && (!letter.dead_at || *letter.dead_at < *since)) return false;
  return !before || (letter.dead_at && *letter.dead_at < *before);
}

bool DeadLetterFilter::empty() const {
  return ids.empty() && task.empty() && reason.empty() && queue.empty() && !since && !before;
}

Result<Replay> replay_of(const amqp::Properties& properties, std::string_view from) {
  const DeadLetter letter = read_dead_letter(properties);
  if (letter.queue.empty()) {
    return fail("it does not say which queue it came from (x-wherry-queue, x-death)");
  }
  if (letter.queue == from)
    return fail(fmt::format("it came from '{}' itself, where it would only be dead again", from));
  Replay replay{letter.queue, properties};
  replay.properties.expiration.reset();
  amqp::Table& headers = replay.properties.headers->table();
  for (std::string_view each : forgotten) headers.erase(each);
  if (headers.find("retries")) headers.set("retries", std::int32_t{0});
  for (std::string_view each : {"eta", "expires"}) {
    if (headers.find(each)) headers.set(each, amqp::FieldValue());
  }
  headers.set(replays_header, static_cast<std::int64_t>(letter.replays) + 1);
  if (const amqp::FieldArray* attempts = attempts_in(headers); attempts && attempts->size() > most_history) {
    headers.set(attempts_header, amqp::FieldArray(attempts->end() - most_history, attempts->end()));
  }
  return replay;
}

}  // namespace wherry::task
