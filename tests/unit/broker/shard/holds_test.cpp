// Held messages: wherever publisher, queue and consumer are, listed and taken back from outside.
#include <atomic>
#include <mutex>

#include <catch2/catch.hpp>

#include "base/iso8601.h"
#include "protocol/amqp/properties.h"
#include "tests/unit/broker/shard/clients.h"

using namespace wherry;
using namespace wherry::broker;
using namespace wherry::broker::test;
using namespace std::chrono_literals;

namespace {

amqp::Table holding() {
  amqp::Table arguments;
  arguments.set("x-hold-eta", true);
  return arguments;
}

void publish_at(Client& client, std::string_view queue, std::string_view body, WallTime eta) {
  amqp::Properties properties;
  properties.delivery_mode = 2;
  properties.message_id = "message " + std::string(body);
  properties.headers.emplace().set("eta", format_iso8601(eta));
  client.publish(1, "", queue, body, false, properties);
}

// What another thread was told.
template <class T>
struct Answer {
  std::mutex mutex;
  std::optional<T> value;
  void set(T told) {
    const std::lock_guard lock(mutex);
    value = std::move(told);
  }
  bool is_there() {
    const std::lock_guard lock(mutex);
    return value.has_value();
  }
};

HeldPage list(World& world, std::string_view queue, std::size_t limit = 1000) {
  const auto answer = std::make_shared<Answer<Result<HeldPage>>>();
  world.broker().list_scheduled("/", queue, {}, limit,
                                [answer](Result<HeldPage> page) { answer->set(std::move(page)); });
  REQUIRE(world.until([&] { return answer->is_there(); }));
  REQUIRE(*answer->value);
  return **answer->value;
}

Result<std::size_t> cancel(World& world, std::string_view queue, std::string name) {
  const auto answer = std::make_shared<Answer<Result<std::size_t>>>();
  world.broker().cancel_scheduled("/", queue, std::move(name),
                                  [answer](Result<std::size_t> count) { answer->set(count); });
  REQUIRE(world.until([&] { return answer->is_there(); }));
  return *answer->value;
}

}  // namespace

TEST_CASE("held messages come in the order of their eta, wherever publisher, queue and consumer are") {
  const unsigned shards = GENERATE(1u, 2u, 3u);
  World world(shards);
  Client& owner = world.connect();
  world.declare(owner, "q", holding());
  Client& producer = world.connect();
  Client& consumer = world.connect();
  world.consume(consumer, 1, "q", "c", true);
  world.call(producer, 1, amqp::ConfirmSelect{}, "confirm.select-ok");
  constexpr int count = 300;
  const WallTime now = std::chrono::system_clock::now();
  // The second half first.
  for (int i = 0; i < count; ++i) {
    const int number = (i + count / 2) % count;
    publish_at(producer, "q", std::to_string(number), now + 200ms + 3ms * number);
  }
  REQUIRE(world.until([&] { return producer.confirmed == count; }));
  CHECK(producer.nacked == 0);
  REQUIRE(world.until([&] { return consumer.deliveries.size() >= count; }));
  CHECK(std::chrono::system_clock::now() >= now + 200ms + 3ms * (count - 1));
  for (int i = 0; i < count; ++i) REQUIRE(consumer.deliveries[static_cast<std::size_t>(i)].body == std::to_string(i));
  CHECK(list(world, "q").messages.empty());
}

TEST_CASE("what a queue holds is listed and taken back from any thread, and the rest comes") {
  const unsigned shards = GENERATE(1u, 2u);
  World world(shards);
  Client& owner = world.connect();
  for (const char* queue : {"q1", "q2"}) {
    world.declare(owner, queue, holding());
    Client& producer = world.connect();
    world.call(producer, 1, amqp::ConfirmSelect{}, "confirm.select-ok");
    const WallTime now = std::chrono::system_clock::now();
    publish_at(producer, queue, "gone", now + 1h);
    publish_at(producer, queue, "later", now + 2h);
    publish_at(producer, queue, "soon", now + 500ms);
    REQUIRE(world.until([&] { return producer.confirmed == 3; }));
    const HeldPage first = list(world, queue, 2);
    REQUIRE(first.next);
    CHECK(cancel(world, queue, "message gone") == 1);
    CHECK(cancel(world, queue, "message gone") == 0);
    Client& consumer = world.connect();
    world.consume(consumer, 1, queue, "c", true);
    REQUIRE(world.until([&] { return !consumer.deliveries.empty(); }));
    CHECK(consumer.deliveries[0].body == "soon");
    const HeldPage rest = list(world, queue);
    REQUIRE(rest.messages.size() == 1);
    CHECK(rest.messages[0].message_id == "message later");
  }
  CHECK_FALSE(cancel(world, "none", "x"));
  bool refused = false;
  world.broker().list_scheduled("elsewhere", "q1", {}, 10, [&](Result<HeldPage> page) { refused = !page; });
  CHECK(refused);
}

TEST_CASE("a queue that holds something is not empty, and takes it along when it is deleted") {
  World world(2);
  Client& owner = world.connect();
  for (const char* queue : {"q1", "q2"}) {
    world.declare(owner, queue, holding());
    Client& producer = world.connect();
    world.call(producer, 1, amqp::ConfirmSelect{}, "confirm.select-ok");
    publish_at(producer, queue, "x", std::chrono::system_clock::now() + 200ms);
    REQUIRE(world.until([&] { return producer.confirmed == 1; }));
    amqp::QueueDelete method;
    method.queue = queue;
    method.if_empty = true;
    Client& other = world.connect();
    world.call(other, 1, method, "queue.delete-ok");
    CHECK(other.closed.at(1) == 406);
    method.if_empty = false;
    world.call(owner, 1, method, "queue.delete-ok");
    CHECK(owner.last_count == 1);
    // One of that name again: what came before is not its.
    world.declare(owner, queue, holding());
    publish_at(producer, queue, "y", std::chrono::system_clock::now() + 300ms);
    Client& consumer = world.connect();
    world.consume(consumer, 1, queue, "c", true);
    REQUIRE(world.until([&] { return !consumer.deliveries.empty(); }));
    CHECK(consumer.deliveries[0].body == "y");
  }
}
