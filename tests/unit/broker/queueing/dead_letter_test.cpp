#include "broker/queueing/dead_letter.h"

#include <catch2/catch.hpp>

#include "tests/unit/broker/queueing/bench.h"

using namespace wherry;
using namespace wherry::broker;
using namespace wherry::broker::test;
using amqp::FieldArray;
using amqp::Properties;

namespace {

QueueEntryRef source(const std::string& name, std::optional<std::string> routing_key = {}) {
  auto arguments = table({{"x-dead-letter-exchange", "dlx"}});
  if (routing_key) arguments.set("x-dead-letter-routing-key", *routing_key);
  return entry(std::move(arguments), false, name);
}

MessageRef original(const Properties& properties) {
  std::string raw = amqp::encode_properties(properties);
  auto made = Message::create({.exchange = "orders",
                               .routing_key = "new",
                               .properties = raw,
                               .delivery_mode = properties.delivery_mode.value_or(1),
                               .priority = properties.priority.value_or(0),
                               .body_size = 4});
  made->append_body("body");
  return made;
}

Reborn die(const MessageRef& message, const QueueEntryRef& queue, DeadLetterReason reason,
           std::uint64_t now_ms = 5'999) {
  return reborn({message, queue, no_position, reason, QueueLimits(queue->spec.arguments).dead_letters}, now_ms);
}
Properties properties_of(const MessageRef& message) {
  return amqp::decode_properties(message->properties()).value();
}
const FieldArray& deaths_of(const Properties& properties) {
  return *properties.headers->find("x-death")->get<FieldArray>();
}
const amqp::Table& death(const Properties& properties, std::size_t index) {
  return *deaths_of(properties).at(index).get<amqp::Table>();
}
std::int64_t number(const amqp::Table& from, std::string_view name) {
  std::int64_t value = -1;
  from.integer(name, value);
  return value;
}

}  // namespace

TEST_CASE("a dead letter says what happened to it, and is otherwise what it was") {
  Properties properties;
  properties.content_type = "application/json";
  properties.delivery_mode = 2;
  properties.priority = 3;
  properties.expiration = "100";
  properties.message_id = "m1";
  properties.headers = table({{"mine", 1}});
  Reborn born = die(original(properties), source("work"), DeadLetterReason::expired);

  CHECK(born.message->exchange() == "dlx");
  CHECK(born.message->routing_key() == "new");
  CHECK(born.routing_keys == std::vector<std::string>{"new"});
  CHECK(born.message->body() == "body");
  CHECK(born.message->persistent());
  CHECK(born.message->priority() == 3);
  CHECK(born.message->published_ms() == 5'999);

  Properties after = properties_of(born.message);
  CHECK(after.content_type == properties.content_type);
  CHECK(after.message_id == properties.message_id);
  CHECK_FALSE(after.expiration);
  auto expected = table({{"count", std::int64_t{1}},
                         {"reason", "expired"},
                         {"queue", "work"},
                         {"time", amqp::Timestamp{5}},
                         {"exchange", "orders"},
                         {"routing-keys", FieldArray{"new"}},
                         {"original-expiration", "100"}});
  REQUIRE(deaths_of(after).size() == 1);
  CHECK(death(after, 0) == expected);
  CHECK(death(after, 0).find("count")->get<std::int64_t>());
  for (std::string when : {"first", "last"}) {
    CHECK(*after.headers->string("x-" + when + "-death-reason") == "expired");
    CHECK(*after.headers->string("x-" + when + "-death-queue") == "work");
    CHECK(*after.headers->string("x-" + when + "-death-exchange") == "orders");
  }
  CHECK(number(after.headers->table(), "mine") == 1);
}

TEST_CASE("each reason has its name") {
  using R = DeadLetterReason;
  for (auto [reason, name] : {std::pair{R::rejected, "rejected"}, std::pair{R::expired, "expired"},
                              std::pair{R::maxlen, "maxlen"}, std::pair{R::delivery_limit, "delivery_limit"}}) {
    Properties after = properties_of(die(original({}), source("q"), reason).message);
    CHECK(*death(after, 0).string("reason") == name);
  }
}

TEST_CASE("the history has the newest in front and counts the same death in the same queue, keeping its first time") {
  auto work = source("work"), retry = source("retry");
  Reborn born = die(original({}), work, DeadLetterReason::rejected, 1'000);
  born = die(born.message, retry, DeadLetterReason::expired, 2'000);
  born = die(born.message, work, DeadLetterReason::rejected, 3'000);
  born = die(born.message, work, DeadLetterReason::maxlen, 4'000);
  born = die(born.message, work, DeadLetterReason::rejected, 5'000);

  Properties after = properties_of(born.message);
  REQUIRE(deaths_of(after).size() == 3);
  auto check = [&](std::size_t at, std::string queue, std::string reason, std::int64_t times, std::uint64_t first,
                   std::string exchange) {
    CAPTURE(at);
    CHECK(*death(after, at).string("queue") == queue);
    CHECK(*death(after, at).string("reason") == reason);
    CHECK(number(death(after, at), "count") == times);
    CHECK(death(after, at).find("time")->get<amqp::Timestamp>()->seconds == first);
    CHECK(*death(after, at).string("exchange") == exchange);
  };
  check(0, "work", "rejected", 3, 1, "orders");
  check(1, "work", "maxlen", 1, 4, "dlx");
  check(2, "retry", "expired", 1, 2, "dlx");
  CHECK(*after.headers->string("x-first-death-reason") == "rejected");
  CHECK(*after.headers->string("x-first-death-queue") == "work");
  CHECK(*after.headers->string("x-first-death-exchange") == "orders");
  CHECK(*after.headers->string("x-last-death-reason") == "rejected");
  CHECK(*after.headers->string("x-last-death-exchange") == "dlx");
}

TEST_CASE("CC and BCC are routed by again, and CC is listed, unless the queue names a key of its own") {
  Properties properties;
  properties.headers = table({{"CC", FieldArray{"copy"}}, {"BCC", FieldArray{"blind"}}});
  const FieldArray all_keys{"new", "copy"};
  Reborn born = die(original(properties), source("q"), DeadLetterReason::rejected);
  CHECK(born.routing_keys == std::vector<std::string>{"new", "copy", "blind"});
  Properties after = properties_of(born.message);
  CHECK(*death(after, 0).find("routing-keys")->get<FieldArray>() == all_keys);
  CHECK(after.headers->find("CC") != nullptr);

  born = die(original(properties), source("q", "elsewhere"), DeadLetterReason::rejected);
  CHECK(born.routing_keys == std::vector<std::string>{"elsewhere"});
  CHECK(born.message->routing_key() == "elsewhere");
  after = properties_of(born.message);
  CHECK(*death(after, 0).find("routing-keys")->get<FieldArray>() == all_keys);
  CHECK(after.headers->find("CC") == nullptr);
}

TEST_CASE("an x-death that is no list is replaced") {
  Properties properties;
  properties.headers = table({{"x-death", "long ago"}});
  Properties after = properties_of(die(original(properties), source("q"), DeadLetterReason::rejected).message);
  CHECK(deaths_of(after).size() == 1);
  CHECK(after.headers->find("x-first-death-queue") == nullptr);
}

TEST_CASE("a message that goes round in a circle by itself is dropped; a consumer's reject breaks the circle") {
  auto a = source("a"), b = source("b");
  Reborn born = die(original({}), a, DeadLetterReason::expired);
  CHECK(must_not_reach("a", born.message->properties()));
  CHECK_FALSE(must_not_reach("b", born.message->properties()));

  Reborn round = die(born.message, b, DeadLetterReason::expired);
  CHECK(must_not_reach("a", round.message->properties()));

  Reborn rejected = die(born.message, b, DeadLetterReason::rejected);
  CHECK_FALSE(must_not_reach("a", rejected.message->properties()));
  // A reject does not excuse a circle that came after it.
  Reborn later = die(rejected.message, source("c"), DeadLetterReason::expired);
  CHECK(must_not_reach("c", later.message->properties()));
  CHECK_FALSE(must_not_reach("a", later.message->properties()));
  CHECK_FALSE(must_not_reach("a", original({})->properties()));
}

TEST_CASE("what a queue rejects, lets expire or drops is a dead letter; what is acked or purged is not") {
  Bench bench(table({{"x-dead-letter-exchange", "dlx"}, {"x-max-length", 3}}));
  bench.publish_all({"dropped", "acked", "rejected"});
  bench.publish("expired", {.expiration = "10"});
  Delivery acked = bench.get(), rejected = bench.get();
  bench.ack(nullptr, {acked.position});
  bench.discard(nullptr, {rejected.position});
  bench.pass(10);
  bench.publish("purged");
  bench.queue.purge();
  CHECK(bench.dead(DeadLetterReason::maxlen) == Bodies{"dropped"});
  CHECK(bench.dead(DeadLetterReason::rejected) == Bodies{"rejected"});
  CHECK(bench.dead(DeadLetterReason::expired) == Bodies{"expired"});
  CHECK(bench.environment.letters.size() == 3);
  CHECK(bench.queue.stats().dead_lettered == 3);
}

TEST_CASE("without a dead-letter exchange they are gone") {
  Bench bench(table({{"x-max-length", 1}}), true);
  bench.publish("dropped", {.persistent = true});
  bench.publish("rejected", {.persistent = true});
  bench.discard(nullptr, {bench.get().position});
  CHECK(bench.environment.letters.empty());
  CHECK(bench.store.kept(17) == 0);
  CHECK(bench.queue.stats().discarded == 1);
}

TEST_CASE("a stored dead letter stays in the store until it has been routed") {
  Bench bench(table({{"x-dead-letter-exchange", "dlx"}}), true);
  bench.publish("a", {.persistent = true});
  bench.publish("b");
  bench.discard(nullptr, {bench.get().position});
  bench.discard(nullptr, {bench.get().position});
  CHECK(bench.queue.unacked_count() == 0);
  REQUIRE(bench.environment.letters.size() == 2);
  CHECK(bench.environment.letters[1].position == no_position);
  CHECK(bench.store.kept(17) == 1);
  for (const DeadLetter& letter : bench.environment.letters) bench.queue.dead_lettered({&letter.position, 1});
  CHECK(bench.store.kept(17) == 0);
  // Told twice, nothing happens.
  bench.queue.dead_lettered({&bench.environment.letters[0].position, 1});
}
