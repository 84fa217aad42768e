#include <algorithm>
#include <map>

#include <catch2/catch.hpp>

#include "tests/unit/broker/queueing/bench.h"

using namespace wherry;
using namespace wherry::broker;
using namespace wherry::broker::test;

TEST_CASE("consumers take turns") {
  Bench bench;
  Listener a, b, c;
  for (Listener* listener : {&a, &b, &c}) bench.consume(*listener);
  for (int i = 0; i < 7; ++i) bench.publish(std::to_string(i));
  CHECK(a.bodies() == Bodies{"0", "3", "6"});
  CHECK(b.bodies() == Bodies{"1", "4"});
  CHECK(c.bodies() == Bodies{"2", "5"});
}

TEST_CASE("prefetch is exact: never one more, and the next as soon as one is settled") {
  Bench bench;
  Listener listener;
  bench.consume(listener, 2);
  bench.publish_all({"a", "b", "c", "d"});
  CHECK(listener.bodies() == Bodies{"a", "b"});
  bench.ack(&listener, {listener.position(1)});
  CHECK(listener.bodies() == Bodies{"a", "b", "c"});
  bench.ack(&listener, {listener.position(0), listener.position(2)});
  CHECK(listener.bodies() == Bodies{"a", "b", "c", "d"});
  CHECK(bench.queue.unacked_count() == 1);
}

TEST_CASE("two workers with prefetch 1 share tasks of 1, 5, 2, 3 and 1 units as fairly as can be") {
  Bench bench;
  Listener workers[2];
  for (Listener& worker : workers) bench.consume(worker, 1);
  std::map<std::string, int> units{{"t1", 1}, {"t2", 5}, {"t3", 2}, {"t4", 3}, {"t5", 1}};
  for (const auto& [task, unit] : units) bench.publish(task);
  // Each works on the last it got and acks it when that task's units are over.
  std::size_t settled[2] = {}, started[2] = {};
  int done_at[2] = {};
  int time = 0;
  for (; bench.queue.unacked_count() > 0; ++time) {
    REQUIRE(time < 100);
    for (int w : {0, 1}) {
      Listener& worker = workers[w];
      if (started[w] > settled[w] && done_at[w] == time) {
        ++settled[w];
        bench.ack(&worker, {worker.position(settled[w] - 1)});
      }
    }
    for (int w : {0, 1}) {
      Listener& worker = workers[w];
      if (worker.got.size() > started[w]) {
        ++started[w];
        done_at[w] = time + units[worker.bodies().back()];
      }
    }
  }
  // The one with the long task gets only that; the short ones do not wait behind it.
  CHECK(workers[0].bodies() == Bodies{"t1", "t3", "t4"});
  CHECK(workers[1].bodies() == Bodies{"t2", "t5"});
}

TEST_CASE("a refused message stays where it was and the consumer is not asked again until it resumes") {
  Bench bench;
  Listener listener;
  listener.refuse = true;
  bench.consume(listener);
  bench.publish_all({"a", "b"});
  CHECK(listener.refused == 1);
  CHECK(bench.queue.ready_count() == 2);
  listener.refuse = false;
  bench.publish("c");
  CHECK(listener.got.empty());
  bench.queue.resume(listener);
  CHECK(listener.bodies() == Bodies{"a", "b", "c"});
  CHECK_FALSE(listener.got[0].redelivered);
  CHECK(listener.got[0].delivery_count == 0);
}

TEST_CASE("what one consumer refuses the next one gets") {
  Bench bench;
  Listener shy, eager;
  shy.refuse = true;
  bench.consume(shy);
  bench.consume(eager);
  bench.publish_all({"a", "b"});
  CHECK(eager.bodies() == Bodies{"a", "b"});
  CHECK(shy.refused == 1);
}

TEST_CASE("what is given back undelivered is as new, in its place, and the consumer rests until it resumes") {
  Bench bench;
  Listener stand_in;
  bench.consume(stand_in, 2);
  bench.publish_all({"a", "b", "c"});
  CHECK(stand_in.bodies() == Bodies{"a", "b"});
  bench.give_back(stand_in, {stand_in.position(0), stand_in.position(1)});
  CHECK(bench.queue.ready_count() == 3);
  CHECK(bench.queue.unacked_count() == 0);
  CHECK(bench.queue.stats().delivered == 0);
  bench.publish("d");
  CHECK(stand_in.got.size() == 2);
  Delivery first = bench.get();
  CHECK(first.message->body() == "a");
  CHECK_FALSE(first.redelivered);
  CHECK(first.delivery_count == 0);
  stand_in.got.clear();
  bench.queue.resume(stand_in);
  CHECK(stand_in.bodies() == Bodies{"b", "c"});
}

TEST_CASE("consumers of the highest priority come first; the others get what those have no room for") {
  Bench bench;
  Listener low, high, higher;
  bench.consume(low, 0, false, -1);
  bench.consume(high, 1, false, 5);
  bench.consume(higher, 1, false, 10);
  bench.publish_all({"a", "b", "c", "d"});
  CHECK(higher.bodies() == Bodies{"a"});
  CHECK(high.bodies() == Bodies{"b"});
  CHECK(low.bodies() == Bodies{"c", "d"});
  bench.ack(&high, {high.position(0)});
  bench.publish("e");
  CHECK(high.bodies() == Bodies{"b", "e"});
}

TEST_CASE("a larger prefetch is used at once, a smaller one when there is room again") {
  Bench bench;
  Listener listener;
  bench.consume(listener, 1);
  bench.publish_all({"a", "b", "c", "d", "e"});
  bench.queue.set_prefetch(listener, 3);
  CHECK(listener.bodies() == Bodies{"a", "b", "c"});
  bench.queue.set_prefetch(listener, 1);
  bench.ack(&listener, {listener.position(0), listener.position(1)});
  CHECK(listener.got.size() == 3);
  bench.ack(&listener, {listener.position(2)});
  CHECK(listener.bodies() == Bodies{"a", "b", "c", "d"});
  bench.queue.set_prefetch(listener, 0);
  CHECK(listener.got.size() == 5);
}

TEST_CASE("what a removed consumer had is unsettled until somebody says so, and goes to the others then") {
  Bench bench;
  Listener leaver, stayer;
  bench.consume(leaver);
  bench.publish_all({"a", "b"});
  bench.consume(stayer);
  CHECK_FALSE(bench.queue.remove_consumer(leaver));
  CHECK(bench.queue.unacked_count() == 2);
  bench.requeue(nullptr, {leaver.position(1), leaver.position(0)});
  CHECK(stayer.bodies() == Bodies{"a", "b"});
  CHECK(stayer.got[0].redelivered);
  CHECK(bench.queue.remove_consumer(stayer));
  bench.ack(nullptr, {stayer.position(0)});
  // A consumer that has left already may still be named.
  bench.ack(&stayer, {stayer.position(1)});
  CHECK(bench.queue.unacked_count() == 0);
}

TEST_CASE("an exclusive consumer stands alone") {
  Bench bench;
  Listener first, second;
  ConsumerOptions exclusive;
  exclusive.exclusive = true;
  REQUIRE(bench.queue.add_consumer(first, exclusive));
  for (bool wants : {false, true}) {
    ConsumerOptions options;
    options.exclusive = wants;
    auto refused = bench.queue.add_consumer(second, options);
    REQUIRE_FALSE(refused);
    CHECK(refused.error().code == amqp::ReplyCode::access_refused);
    CHECK(refused.error().explanation == "queue 'q' in vhost '/' in exclusive use");
  }
  bench.queue.remove_consumer(first);
  REQUIRE(bench.queue.add_consumer(second, ConsumerOptions{}));
  CHECK_FALSE(bench.queue.add_consumer(first, exclusive));
}

TEST_CASE("a single active consumer gets everything until it leaves; then the one that waited longest") {
  Bench bench(table({{"x-single-active-consumer", true}}));
  CHECK(bench.queue.single_active_consumer());
  Listener first, second, third;
  bench.consume(first, 1);
  bench.consume(second);
  bench.consume(third);
  bench.publish_all({"a", "b", "c"});
  CHECK(first.bodies() == Bodies{"a"});
  CHECK(second.got.empty());
  int active = 0;
  bench.queue.each_consumer([&](const Queue::ConsumerInfo& info) { active += info.active; });
  CHECK(active == 1);
  bench.queue.remove_consumer(first);
  CHECK(second.bodies() == Bodies{"b", "c"});
  CHECK(third.got.empty());
  bench.requeue(nullptr, {first.position(0)});
  CHECK(second.bodies() == Bodies{"b", "c", "a"});
}

TEST_CASE("a consumer can be listed with what it has") {
  Bench bench;
  Listener listener;
  bench.consume(listener, 5, false, 3);
  bench.publish_all({"a", "b"});
  int seen = 0;
  bench.queue.each_consumer([&](const Queue::ConsumerInfo& info) {
    ++seen;
    CHECK(&info.consumer == &listener);
    CHECK(info.options.prefetch == 5);
    CHECK(info.options.priority == 3);
    CHECK(info.unsettled == 2);
    CHECK(info.active);
  });
  CHECK(seen == 1);
}
