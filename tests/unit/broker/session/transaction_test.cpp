#include "broker/session/transaction.h"

#include <catch2/catch.hpp>

using namespace wherry::broker;

namespace {

QueueEntryRef queue(unsigned home = 0) {
  auto entry = std::make_shared<QueueEntry>();
  entry->home = home;
  return entry;
}

Transaction::Publish publish(std::string_view key, std::size_t body = 0) {
  Message::Origin origin;
  origin.routing_key = key;
  origin.body_size = body;
  return {Message::create(origin), {}, 0, false};
}

Unsettled::Entry delivery(std::uint64_t tag, QueueEntryRef from, ConsumerKey consumer = 7) {
  return {tag, std::move(from), consumer, tag + 100, true};
}

std::vector<std::uint64_t> tags(const std::vector<Unsettled::Entry>& entries) {
  std::vector<std::uint64_t> all;
  for (const auto& entry : entries) all.push_back(entry.tag);
  return all;
}

using Tags = std::vector<std::uint64_t>;

}  // namespace

TEST_CASE("a transaction holds publishes in their order and gives them once") {
  TransactionRoom room;
  Transaction transaction(room);
  REQUIRE(transaction.hold(publish("a")));
  REQUIRE(transaction.hold(publish("b")));
  CHECK(room.held() > 0);
  auto all = transaction.take_publishes();
  REQUIRE(all.size() == 2);
  CHECK(all[0].message->routing_key() == "a");
  CHECK(all[1].message->routing_key() == "b");
  CHECK(room.held() == 0);
  CHECK(transaction.take_publishes().empty());
}

TEST_CASE("a transaction takes no more than its room, nor all of them than theirs") {
  constexpr std::size_t big = 40u << 20;
  TransactionRoom room;
  std::vector<std::unique_ptr<Transaction>> open;
  for (int i = 0; i < 6; ++i) {
    open.push_back(std::make_unique<Transaction>(room));
    REQUIRE(open.back()->hold(publish("big", big)));
    CHECK_FALSE(open.back()->hold(publish("big", big)));
  }
  Transaction seventh(room);
  CHECK_FALSE(seventh.hold(publish("big", big)));
  CHECK(seventh.hold(publish("small")));
  open.pop_back();
  CHECK(seventh.hold(publish("big", big)));
  // However large a message is, it fits into an empty room.
  TransactionRoom other;
  Transaction alone(other);
  CHECK(alone.hold(publish("huge", TransactionRoom::most_for_all + 1)));
}

TEST_CASE("what is settled in a transaction counts as unsettled until its commit is complete") {
  TransactionRoom room;
  Transaction transaction(room);
  auto q = queue(1);
  transaction.hold(Settlement::ack, {delivery(1, q), delivery(2, q, 0)});
  transaction.hold(Settlement::requeue, {delivery(3, q)});
  CHECK(transaction.consumed() == 2);
  transaction.commit(1);
  CHECK(transaction.consumed() == 2);
  CHECK_FALSE(transaction.take_complete());
  transaction.complete(1, false, true);
  auto outcome = transaction.take_complete();
  REQUIRE(outcome);
  CHECK(outcome->ok);
  REQUIRE(outcome->settled.size() == 2);
  CHECK(outcome->settled[0].how == Settlement::ack);
  CHECK(tags(outcome->settled[0].entries) == Tags{1, 2});
  CHECK(outcome->settled[1].how == Settlement::requeue);
  CHECK(transaction.consumed() == 0);
  CHECK_FALSE(transaction.take_complete());
}

TEST_CASE("what is settled in queues of the own shard can be taken before the rest") {
  TransactionRoom room;
  Transaction transaction(room);
  auto near = queue(0), far = queue(1);
  transaction.hold(Settlement::ack, {delivery(1, far), delivery(2, near), delivery(3, far), delivery(4, near)});
  transaction.commit(1);
  auto first = transaction.take_near(0);
  REQUIRE(first.size() == 1);
  CHECK(tags(first[0].entries) == Tags{2, 4});
  CHECK(transaction.consumed() == 2);
  transaction.complete(1, false, true);
  auto rest = transaction.take_complete();
  REQUIRE(rest);
  CHECK(tags(rest->settled[0].entries) == Tags{1, 3});
}

TEST_CASE("commits are answered in their order, and a failed one ends it") {
  TransactionRoom room;
  Transaction transaction(room);
  transaction.commit(1);
  transaction.commit(2);
  transaction.commit(3);
  transaction.complete(2, false, true);
  CHECK_FALSE(transaction.take_complete());
  SECTION("later") {
    transaction.complete(1, false, true);
    CHECK(transaction.take_complete()->ok);
    CHECK(transaction.take_complete()->ok);
    CHECK_FALSE(transaction.take_complete());
  }
  SECTION("with multiple") {
    transaction.complete(3, true, true);
    for (int i = 0; i < 3; ++i) CHECK(transaction.take_complete());
    CHECK_FALSE(transaction.take_complete());
  }
  SECTION("refused") {
    transaction.complete(1, false, false);
    CHECK_FALSE(transaction.take_complete()->ok);
  }
}

TEST_CASE("a rollback gives back what was held and leaves open commits alone; the end of the channel gives back both") {
  TransactionRoom room;
  Transaction transaction(room);
  auto q = queue(1);
  transaction.hold(Settlement::ack, {delivery(1, q)});
  transaction.commit(1);
  transaction.hold(Settlement::ack, {delivery(2, q)});
  transaction.hold(Settlement::discard, {delivery(3, q)});
  REQUIRE(transaction.hold(publish("dropped")));
  SECTION("rolled back") {
    CHECK(tags(transaction.roll_back()) == Tags{2, 3});
    CHECK(transaction.consumed() == 1);
    CHECK(room.held() == 0);
    CHECK(transaction.take_publishes().empty());
    transaction.complete(1, false, true);
    CHECK(tags(transaction.take_complete()->settled[0].entries) == Tags{1});
  }
  SECTION("abandoned") {
    CHECK(tags(transaction.abandon()) == Tags{2, 3, 1});
    CHECK(transaction.consumed() == 0);
  }
}
