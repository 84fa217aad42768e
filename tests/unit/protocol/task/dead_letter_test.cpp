#include "protocol/task/dead_letter.h"

#include <catch2/catch.hpp>

#include "base/iso8601.h"

using namespace wherry;
using namespace wherry::task;
using namespace std::chrono_literals;

namespace {

amqp::Table attempt_entry(int number, std::string error) {
  amqp::Table entry;
  entry.set("attempt", std::int64_t{number});
  entry.set("error", std::move(error));
  entry.set("at", "2026-03-01T10:00:00+00:00");
  entry.set("worker", "w1@host");
  return entry;
}

// As a worker leaves it in wherry.dead.
amqp::Properties buried() {
  amqp::Properties properties;
  properties.message_id = "m1";
  properties.expiration = "5000";
  properties.delivery_mode = 2;
  amqp::Table& headers = properties.headers.emplace().table();
  headers.set("task", "email.send");
  headers.set("id", "t1");
  headers.set("retries", std::int32_t{3});
  headers.set("eta", "2026-03-01T10:00:00+00:00");
  headers.set("expires", "2026-03-01T11:00:00+00:00");
  headers.set("argsrepr", "()");
  headers.set("kwargsrepr", "{'to': 'ann'}");
  headers.set("own", "kept");
  headers.set("x-deduplication-header", "key");
  headers.set("x-wherry-crashes", std::int64_t{2});
  headers.set("x-wherry-history",
              amqp::FieldArray{attempt_entry(1, "OSError: no route"), attempt_entry(2, "OSError: Connection refused")});
  headers.set("x-wherry-reason", "failed 4 times, the last with OSError");
  headers.set("x-wherry-queue", "email");
  headers.set("x-wherry-dead-at", "2026-03-01T10:15:00.250000+00:00");
  return properties;
}

// As a broker leaves it in the queue of a dead-letter exchange.
amqp::Properties expired() {
  amqp::Properties properties;
  properties.message_id = "m2";
  amqp::Table death, older;
  death.set("queue", "orders");
  death.set("reason", "expired");
  death.set("time", amqp::Timestamp{1'769'860'800});
  older.set("queue", "before");
  older.set("reason", "rejected");
  properties.headers.emplace().set("x-death", amqp::FieldArray{death, older});
  properties.headers->set("CC", amqp::FieldArray{"copy"});
  return properties;
}

}  // namespace

TEST_CASE("what a worker wrote about a dead letter is read") {
  const DeadLetter letter = read_dead_letter(buried());
  CHECK(letter.id == "t1");
  CHECK(letter.task == "email.send");
  CHECK(letter.queue == "email");
  CHECK(letter.reason == "failed 4 times, the last with OSError");
  CHECK(letter.error() == "OSError: Connection refused");
  CHECK(letter.crashes == 2);
  CHECK(letter.replays == 0);
  REQUIRE(letter.dead_at);
  CHECK(format_iso8601(*letter.dead_at) == "2026-03-01T10:15:00.250000+00:00");
  REQUIRE(letter.history.size() == 2);
  CHECK(letter.history[0].worker == "w1@host");
  CHECK(letter.kwargs == "{'to': 'ann'}");
}

TEST_CASE("what a broker wrote about a dead letter is read where no worker did") {
  const DeadLetter letter = read_dead_letter(expired());
  CHECK(letter.id == "m2");
  CHECK(letter.queue == "orders");
  CHECK(letter.reason == "expired");
  REQUIRE(letter.dead_at);
  CHECK(letter.history.empty());
  // Headers of other types than they should have are as good as none.
  amqp::Properties odd;
  odd.headers.emplace().set("x-death", "yesterday");
  odd.headers->set("x-wherry-history", std::int64_t{1});
  odd.headers->set("id", true);
  CHECK(read_dead_letter(odd).id.empty());
  CHECK(read_dead_letter({}).queue.empty());
}

TEST_CASE("a filter takes what fits in all that it says") {
  const DeadLetter letter = read_dead_letter(buried());
  const WallTime at = *letter.dead_at;
  CHECK(DeadLetterFilter{}.matches(letter));
  CHECK(DeadLetterFilter{}.empty());
  CHECK(DeadLetterFilter{.ids = {"x", "t1"}}.matches(letter));
  CHECK_FALSE(DeadLetterFilter{.ids = {"x"}}.matches(letter));
  CHECK(DeadLetterFilter{.task = "email.*"}.matches(letter));
  CHECK_FALSE(DeadLetterFilter{.task = "email"}.matches(letter));
  CHECK(DeadLetterFilter{.reason = "FAILED 4"}.matches(letter));
  CHECK(DeadLetterFilter{.reason = "connection refused"}.matches(letter));
  CHECK_FALSE(DeadLetterFilter{.reason = "no route"}.matches(letter));
  CHECK(DeadLetterFilter{.queue = "email"}.matches(letter));
  CHECK_FALSE(DeadLetterFilter{.queue = "sms"}.matches(letter));
  CHECK(DeadLetterFilter{.since = at, .before = at + 1s}.matches(letter));
  CHECK_FALSE(DeadLetterFilter{.before = at}.matches(letter));
  CHECK_FALSE(DeadLetterFilter{.since = at + 1s}.matches(letter));
  CHECK_FALSE(DeadLetterFilter{.task = "email.*", .queue = "sms"}.matches(letter));
  CHECK_FALSE(DeadLetterFilter{.since = at - 1h}.matches(DeadLetter{}));
}

TEST_CASE("a replay goes where the letter came from, with all its attempts and its history") {
  auto replay = replay_of(buried(), "wherry.dead");
  REQUIRE(replay);
  CHECK(replay->queue == "email");
  const amqp::Properties& properties = replay->properties;
  CHECK_FALSE(properties.expiration);
  CHECK(properties.message_id == "m1");
  CHECK(properties.delivery_mode == 2);
  const amqp::Table& headers = properties.headers->table();
  std::int64_t number = -1;
  CHECK((headers.integer("retries", number) && number == 0));
  CHECK((headers.integer("x-wherry-replays", number) && number == 1));
  CHECK(headers.find("eta")->is_null());
  CHECK(headers.find("expires")->is_null());
  CHECK(*headers.string("own") == "kept");
  CHECK(*headers.string("id") == "t1");
  for (const char* gone :
       {"x-wherry-reason", "x-wherry-queue", "x-wherry-dead-at", "x-wherry-crashes", "x-deduplication-header"}) {
    INFO(gone);
    CHECK(headers.find(gone) == nullptr);
  }
  const DeadLetter again = read_dead_letter(properties);
  CHECK(again.history.size() == 2);
  CHECK(again.replays == 1);
  // Dead once more, it counts on.
  amqp::Properties dead = properties;
  dead.headers->set("x-wherry-queue", "email");
  auto second = replay_of(dead, "wherry.dead");
  REQUIRE(second);
  CHECK(read_dead_letter(second->properties).replays == 2);

  auto other = replay_of(expired(), "dlq");
  REQUIRE(other);
  CHECK(other->queue == "orders");
  CHECK(other->properties.headers->find("x-death") == nullptr);
  CHECK(other->properties.headers->find("CC") == nullptr);
}

TEST_CASE("a history that grows with each replay is kept short") {
  amqp::Properties properties = buried();
  amqp::FieldArray history;
  for (int number = 1; number <= 250; ++number) history.emplace_back(attempt_entry(number, "E: x"));
  properties.headers->set("x-wherry-history", history);
  auto replay = replay_of(properties, "wherry.dead");
  REQUIRE(replay);
  const DeadLetter letter = read_dead_letter(replay->properties);
  REQUIRE(letter.history.size() == most_history);
  CHECK(letter.history.front().attempt == 151);
  CHECK(letter.history.back().attempt == 250);
}

TEST_CASE("what does not say where it came from, or came from there, is not replayed") {
  CHECK_FALSE(replay_of({}, "wherry.dead"));
  amqp::Properties circle = buried();
  circle.headers->set("x-wherry-queue", "wherry.dead");
  auto refused = replay_of(circle, "wherry.dead");
  REQUIRE_FALSE(refused);
  CHECK(refused.error().message.find("itself") != std::string::npos);
}
