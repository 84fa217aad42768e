// Queues that hold a message until the time in its header eta.
#include <chrono>

#include <catch2/catch.hpp>

#include "base/iso8601.h"
#include "broker/queueing/held_message.h"
#include "tests/unit/broker/queueing/bench.h"

using namespace wherry;
using namespace wherry::broker;
using namespace wherry::broker::test;

namespace {

std::string iso(std::uint64_t posix_ms) {
  return format_iso8601(WallTime(std::chrono::milliseconds(posix_ms)));
}

MessageRef task(std::string_view body, amqp::FieldValue eta, amqp::FieldValue expires = {}) {
  amqp::Properties properties;
  properties.delivery_mode = 2;
  properties.correlation_id = "correlation of " + std::string(body);
  properties.headers =
      table({{"task", "add"}, {"id", "id of " + std::string(body)}, {"eta", eta}, {"expires", expires}});
  const std::string raw = amqp::encode_properties(properties);
  auto made = Message::create(
      {.routing_key = "q", .properties = raw, .delivery_mode = 2, .body_size = body.size(), .published_ms = 1'000'000});
  made->append_body(body);
  return made;
}

struct HoldBench : Bench {
  explicit HoldBench(amqp::Table more = {}) : Bench(with(std::move(more)), true) {}
  static amqp::Table with(amqp::Table more) {
    more.set("x-hold-eta", true);
    return more;
  }
  // What the shard does at that time.
  void pass_to(std::uint64_t now_ms) {
    environment.now_ms = now_ms;
    std::vector<DelayStore::Due> due;
    for (bool again = true; again;) {
      due.clear();
      again = store.delays().take_due(now_ms, due);
      for (const DelayStore::Due& one : due) {
        CHECK(one.queue == queue.entry().id);
        queue.release(one.message, one.key);
      }
      if (!due.empty()) store.delays().fired(due.back().key);
    }
  }
};

constexpr std::uint64_t now = 1'000'000;  // The bench's clock at the start.

}  // namespace

TEST_CASE("a message with an eta is given to nobody before its time, and then in the order of the times") {
  HoldBench bench;
  Listener listener;
  bench.consume(listener);
  bench.queue.publish(task("late", iso(now + 2000)));
  bench.queue.publish(task("early", iso(now + 1000)));
  bench.queue.publish(task("at once", {}));
  CHECK(listener.bodies() == Bodies{"at once"});
  CHECK(bench.queue.held_count() == 2);
  CHECK(bench.queue.ready_count() == 0);
  CHECK(bench.queue.stats().held == 2);
  CHECK(bench.queue.stats().published == 3);
  CHECK(bench.store.delays().next_wake() == now + 1000);
  bench.pass_to(now + 999);
  CHECK(listener.got.size() == 1);
  bench.pass_to(now + 1000);
  CHECK(listener.bodies() == Bodies{"at once", "early"});
  bench.pass_to(now + 5000);
  CHECK(listener.bodies() == Bodies{"at once", "early", "late"});
  CHECK(bench.queue.held_count() == 0);
  CHECK(bench.queue.stats().published == 3);
}

TEST_CASE("a message that was held tells the worker no eta any more, and otherwise what it told") {
  HoldBench bench;
  Listener listener;
  bench.consume(listener);
  bench.queue.publish(task("x", iso(now + 1000), iso(now + 5000)));
  bench.pass_to(now + 1000);
  REQUIRE(listener.got.size() == 1);
  const auto properties = amqp::decode_properties(listener.got[0].message->properties());
  REQUIRE(properties);
  CHECK(properties->correlation_id == "correlation of x");
  CHECK(properties->delivery_mode == 2);
  REQUIRE(properties->headers->find("eta") != nullptr);
  CHECK(properties->headers->find("eta")->is_null());
  CHECK(*properties->headers->string("x-eta") == iso(now + 1000));
  CHECK(*properties->headers->string("expires") == iso(now + 5000));
  CHECK(*properties->headers->string("task") == "add");
}

TEST_CASE("an eta that is past, null, no time or no text is no reason to wait") {
  HoldBench bench;
  Listener listener;
  bench.consume(listener);
  for (const amqp::FieldValue& eta : std::initializer_list<amqp::FieldValue>{
           iso(now), iso(now - 1), {}, "soon", "", std::int64_t{4'000'000'000}, "1969-01-01T00:00:00"}) {
    bench.queue.publish(task("x", eta));
  }
  CHECK(listener.got.size() == 7);
  CHECK(bench.queue.held_count() == 0);
}

TEST_CASE("a queue without x-hold-eta looks at no eta") {
  Bench bench;
  bench.queue.publish(task("x", iso(now + 1000)));
  CHECK(bench.queue.ready_count() == 1);
}

TEST_CASE("the confirm of a held message waits for the store, of one that is not stored for nothing") {
  HoldBench bench;
  CHECK(bench.queue.publish(task("x", iso(now + 1000))).durable_at > 0);
  amqp::Properties transient;
  transient.headers = table({{"eta", iso(now + 1000)}});
  const std::string raw = amqp::encode_properties(transient);
  CHECK(bench.queue.publish(Message::create({.properties = raw})).durable_at == 0);
  CHECK(bench.queue.held_count() == 2);
}

TEST_CASE("a message that has expired on arrival or when it is due is a dead letter, and nobody gets it") {
  HoldBench bench(table({{"x-dead-letter-exchange", "dlx"}}));
  Listener listener;
  bench.consume(listener);
  CHECK(bench.queue.publish(task("on arrival", {}, iso(now))).durable_at > 0);
  bench.queue.publish(task("before its eta", iso(now + 2000), iso(now + 1000)));
  bench.queue.publish(task("not yet", iso(now + 1000), iso(now + 1001)));
  CHECK(bench.dead(DeadLetterReason::expired) == Bodies{"on arrival"});
  // It is not kept until an eta that it does not live to see.
  bench.pass_to(now + 1000);
  CHECK(bench.dead(DeadLetterReason::expired) == Bodies{"on arrival", "before its eta"});
  CHECK(listener.bodies() == Bodies{"not yet"});
  CHECK(bench.queue.stats().expired == 2);
  CHECK(bench.queue.stats().dead_lettered == 2);
  // They stay in the store until they are in their next queue.
  CHECK(bench.store.kept(17) == 3);
  for (const DeadLetter& letter : bench.environment.letters) bench.queue.dead_lettered({&letter.position, 1});
  CHECK(bench.store.kept(17) == 1);
}

TEST_CASE("an expired message without a dead-letter exchange is counted and gone") {
  HoldBench bench;
  bench.queue.publish(task("x", {}, iso(now - 1)));
  bench.queue.publish(task("x", iso(now + 10), iso(now + 20)));
  bench.pass_to(now + 30);
  CHECK(bench.queue.stats().expired == 2);
  CHECK(bench.queue.ready_count() == 0);
  CHECK(bench.store.kept(17) == 0);
}

TEST_CASE("a time to live begins when a held message is due, and a full queue does not refuse it") {
  HoldBench bench(table({{"x-message-ttl", 100}, {"x-max-length", 1}, {"x-overflow", "reject-publish"}}));
  bench.queue.publish(task("held", iso(now + 1000)));
  bench.environment.now_ms = now + 990;
  bench.publish("ready");
  bench.pass_to(now + 1000);
  CHECK(bench.queue.ready_count() == 2);
  CHECK_FALSE(bench.publish("refused").accepted);
  bench.pass(95);
  CHECK(bench.queue.ready_count() == 1);
  bench.pass(5);
  CHECK(bench.queue.ready_count() == 0);
}

TEST_CASE("purging and deleting a queue take what it holds") {
  HoldBench bench;
  bench.queue.publish(task("1", iso(now + 1000)));
  bench.queue.publish(task("2", iso(now + 2000)));
  bench.queue.publish(task("3", {}));
  CHECK(bench.queue.purge() == 3);
  CHECK(bench.queue.held_count() == 0);
  bench.queue.publish(task("4", iso(now + 3000)));
  bench.queue.delete_all();
  CHECK(bench.queue.held_count() == 0);
  std::vector<DelayStore::Due> due;
  CHECK_FALSE(bench.store.delays().take_due(now + 10'000, due));
  CHECK(due.empty());
}

TEST_CASE("what is held is listed in pages, soonest first, with the names that people know") {
  HoldBench bench;
  for (int number = 0; number < 5; ++number) {
    bench.queue.publish(task(std::to_string(number), iso(now + 1000 - static_cast<std::uint64_t>(number))));
  }
  std::vector<HeldMessage> all;
  unsigned pages = 0;
  for (std::optional<ScheduleKey> next = ScheduleKey{}; next; ++pages) {
    bench.store.delays().list_held(17, *next, 2, [&](HeldPage page) {
      all.insert(all.end(), page.messages.begin(), page.messages.end());
      next = page.next;
    });
  }
  CHECK(pages == 3);
  REQUIRE(all.size() == 5);
  CHECK(all[0].task_id == "id of 4");
  CHECK(all[0].task == "add");
  CHECK(all[0].message_id.empty());
  CHECK(all[0].body_bytes == 1);
  CHECK(all[0].persistent);
  CHECK(all[0].key.due_ms == now + 996);
  CHECK(all[4].task_id == "id of 0");
}

TEST_CASE("a held message is taken back by its task id, message id or key, and only in its queue") {
  HoldBench bench;
  for (const char* body : {"a", "b", "c", "c"}) bench.queue.publish(task(body, iso(now + 1000)));
  const auto cancel = [&](QueueId queue, const std::string& name) {
    std::optional<std::size_t> cancelled;
    bench.store.delays().cancel_held(queue, name,
                                     [&](const std::vector<HeldMessage>& gone, Lsn) { cancelled = gone.size(); });
    REQUIRE(cancelled);
    return *cancelled;
  };
  CHECK(cancel(17, "id of nobody") == 0);
  CHECK(cancel(17, "") == 0);
  CHECK(cancel(18, "id of a") == 0);
  CHECK(cancel(17, "id of a") == 1);
  CHECK(cancel(17, "id of a") == 0);
  CHECK(cancel(17, "id of c") == 2);
  CHECK(bench.queue.held_count() == 1);
  std::string key;
  bench.store.delays().list_held(17, {}, 10, [&](HeldPage page) { key = key_text(page.messages.at(0).key); });
  CHECK(parse_key_text(key)->due_ms == now + 1000);
  for (const char* wrong : {"", "5", "5-", "-5", "5-6-", "5 6", "a-b"}) CHECK_FALSE(parse_key_text(wrong));
  CHECK(cancel(17, key) == 1);
  CHECK(bench.queue.held_count() == 0);
  bench.pass_to(now + 2000);
  CHECK(bench.queue.ready_count() == 0);
}
