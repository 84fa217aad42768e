// What the schedule holds for queues, in memory and in runs, through restarts.
#include <map>

#include "broker/routing/vhost.h"
#include "tests/unit/broker/store/schedule_bench.h"

using namespace wherry::broker;
using namespace wherry::broker::test;

namespace {

using Bodies = std::vector<std::string>;

struct Bench : MemoryScheduleBench {
  using MemoryScheduleBench::MemoryScheduleBench;

  // Its body is its correlation id.
  Lsn hold(QueueId queue, std::string_view body, std::uint64_t due_ms, bool persistent = true) {
    wherry::amqp::Properties properties;
    properties.correlation_id = std::string(body);
    const std::string raw = wherry::amqp::encode_properties(properties);
    auto made = Message::create({.exchange = "x",
                                 .routing_key = "k",
                                 .properties = raw,
                                 .delivery_mode = persistent ? std::uint8_t{2} : std::uint8_t{1},
                                 .body_size = body.size()});
    made->append_body(body);
    return schedule->hold(queue, std::move(made), due_ms, Durability::sync);
  }
  Bodies listed(QueueId queue, std::size_t limit = 100) {
    Bodies all;
    bool again = true;
    for (ScheduleKey after; again;) {
      bool answered = false;
      schedule->list_held(queue, after, limit, [&](HeldPage page) {
        for (const HeldMessage& one : page.messages) all.push_back(one.task_id);
        again = page.next.has_value();
        after = page.next.value_or(ScheduleKey{});
        answered = true;
      });
      run_jobs();
      REQUIRE(answered);
    }
    return all;
  }
  std::size_t cancel(QueueId queue, const std::string& name) {
    std::optional<std::size_t> cancelled;
    schedule->cancel_held(queue, name, [&](const std::vector<HeldMessage>& gone, Lsn) { cancelled = gone.size(); });
    run_jobs();
    REQUIRE(cancelled);
    return *cancelled;
  }
  std::map<QueueId, Bodies> fire_by_queue(std::uint64_t now_ms) {
    std::map<QueueId, Bodies> all;
    std::vector<Schedule::Due> due;
    for (bool again = true; again;) {
      due.clear();
      again = schedule->take_due(now_ms, due);
      for (const Schedule::Due& one : due) all[one.queue].emplace_back(one.message->body());
      if (!due.empty()) schedule->fired(due.back().key);
    }
    return all;
  }
};

constexpr QueueId own_process = not_durable | 5;

}  // namespace

TEST_CASE("held messages and those of exchanges are one order, and each says whose it is") {
  for (const bool in_runs : {false, true}) {
    Bench bench;
    bench.hold(7, "held", 100);
    bench.add("routed", 50);
    bench.hold(8, "other", 70);
    if (in_runs) bench.flush();
    CHECK(bench.schedule->held(7) == 1);
    std::vector<Schedule::Due> due;
    bench.schedule->take_due(1000, due);
    REQUIRE(due.size() == 3);
    CHECK(due[0].queue == 0);
    CHECK(due[0].vhost == "/");
    CHECK(due[1].queue == 8);
    CHECK(due[2].queue == 7);
    CHECK(due[2].message->exchange() == "x");
    CHECK(bench.schedule->held(7) == 0);
  }
}

TEST_CASE("how many are held for a queue is known in memory, in runs and after a restart at every stage") {
  for (int stage = 0; stage < 4; ++stage) {
    INFO("stage " << stage);
    Bench bench;
    for (std::uint64_t number = 0; number < 6; ++number)
      bench.hold(7 + number % 2, std::to_string(number), 100 + number);
    if (stage >= 1) bench.flush();
    bench.hold(7, "in memory", 500);
    if (stage >= 2) CHECK(bench.fire(101) == Bodies{"0", "1"});
    const std::uint64_t fired = stage >= 2 ? 1 : 0;
    CHECK(bench.schedule->held(7) == 4 - fired);
    CHECK(bench.schedule->held(8) == 3 - fired);
    if (stage >= 3) bench.log.retired = 6;
    bench.open();
    // Some fire before they have been counted.
    CHECK(bench.fire(103).size() == 4 - 2 * fired);
    bench.run_jobs();
    CHECK(bench.schedule->held(7) == 2);
    CHECK(bench.schedule->held(8) == 1);
    CHECK(bench.fire(1000) == Bodies{"4", "5", "in memory"});
    CHECK(bench.schedule->held(7) == 0);
    CHECK(bench.schedule->held(8) == 0);
  }
}

TEST_CASE("a listing is complete and in order wherever the messages lie, and shows one queue's") {
  Bench bench;
  for (std::string_view body : {"1", "4", "7"}) bench.hold(7, body, static_cast<std::uint64_t>(body[0]));
  bench.flush();
  for (std::string_view body : {"2", "5", "8"}) bench.hold(7, body, static_cast<std::uint64_t>(body[0]));
  bench.hold(8, "other", 50);
  bench.flush();
  bench.log.sync();
  for (std::string_view body : {"3", "6", "9"}) bench.hold(7, body, static_cast<std::uint64_t>(body[0]));
  const Bodies all = {"1", "2", "3", "4", "5", "6", "7", "8", "9"};
  for (const std::size_t limit : {1u, 2u, 4u, 9u, 100u}) CHECK(bench.listed(7, limit) == all);
  CHECK(bench.listed(8) == Bodies{"other"});
  CHECK(bench.listed(9) == Bodies{});
  bench.fire('2');
  CHECK(bench.listed(7, 3) == Bodies{"3", "4", "5", "6", "7", "8", "9"});
}

TEST_CASE("a listing is complete although messages go to a run while it reads") {
  Bench bench;
  bench.hold(7, "1", 1);
  bench.flush();
  bench.hold(7, "2", 2);
  bench.log.sync();
  Bodies found;
  bench.schedule->list_held(7, {}, 10, [&](HeldPage page) {
    for (const HeldMessage& one : page.messages) found.push_back(one.task_id);
  });
  bench.schedule->release_up_to(bench.log.last());
  bench.run_jobs();
  CHECK(found == Bodies{"1", "2"});
}

TEST_CASE("files stay while they are searched") {
  Bench bench;
  bench.hold(7, "1", 1);
  bench.flush();
  std::size_t found = 0;
  bench.schedule->list_held(7, {}, 10, [&](HeldPage page) { found = page.messages.size() + 1; });
  bench.fire(10);
  bench.log.sync();
  bench.schedule->tidy();
  CHECK_FALSE(bench.files().empty());
  bench.run_jobs();
  CHECK(found == 1);  // It has fired.
  CHECK(bench.files().empty());
}

TEST_CASE("a message that was taken back does not fire, from memory or a run, nor after a restart") {
  for (int stage = 0; stage < 4; ++stage) {
    INFO("stage " << stage);
    Bench bench;
    for (std::string_view body : {"1", "2", "3", "4"}) bench.hold(7, body, static_cast<std::uint64_t>(body[0]));
    if (stage >= 1) bench.flush();
    CHECK(bench.cancel(7, "2") == 1);
    CHECK(bench.cancel(7, "2") == 0);
    CHECK(bench.cancel(8, "3") == 0);
    CHECK(bench.schedule->held(7) == 3);
    CHECK(bench.listed(7) == Bodies{"1", "3", "4"});
    if (stage == 2) {
      // The record that says so goes with its file: it is said again.
      const Lsn last = bench.log.last();
      bench.flush();
      CHECK(bench.schedule->release_up_to(last));
      bench.log.retired = last;
      bench.log.sync();
    }
    if (stage >= 2) bench.open();
    // A run that is made now must not bring it back.
    if (stage == 3) bench.flush();
    bench.run_jobs();
    CHECK(bench.schedule->held(7) == 3);
    CHECK(bench.fire(1000) == Bodies{"1", "3", "4"});
  }
}

TEST_CASE("a message that was taken back just before its memory went to a run does not fire") {
  Bench bench;
  bench.hold(7, "gone", 10);
  bench.hold(7, "kept", 20);
  bench.log.sync();
  const Lsn held = bench.log.last();
  CHECK(bench.cancel(7, "gone") == 1);
  // The record of that is not durable yet.
  bench.schedule->release_up_to(held);
  bench.run_jobs();
  CHECK(bench.fire(1000) == Bodies{"kept"});
}

TEST_CASE(
    "what is held for a queue that is deleted is gone, from memory or runs, nor does a restart or a merge bring it") {
  for (int stage = 0; stage < 4; ++stage) {
    INFO("stage " << stage);
    Bench bench({.max_runs = 1});
    bench.hold(7, "gone 1", 100);
    bench.hold(8, "kept 1", 200);
    if (stage >= 1) bench.flush();
    bench.hold(7, "gone 2", 300);
    CHECK(bench.schedule->drop_held(7) == 2);
    CHECK(bench.schedule->held(7) == 0);
    bench.hold(8, "kept 2", 400);
    bench.hold(7, "after", 500);
    if (stage >= 2) bench.flush();
    if (stage >= 3) bench.open();
    if (stage >= 3) CHECK(bench.schedule->drop_held(99) == 0);
    bench.run_jobs();
    CHECK(bench.schedule->held(7) == 1);
    CHECK(bench.listed(7) == Bodies{"after"});
    CHECK(bench.fire(1000) == Bodies{"kept 1", "kept 2", "after"});
  }
}

TEST_CASE("a queue that is purged while runs are counted holds nothing") {
  Bench bench;
  for (int number = 0; number < 3; ++number) bench.hold(7, "x", 100);
  bench.flush();
  bench.open();
  bench.schedule->drop_held(7);
  bench.hold(7, "after", 200);
  bench.run_jobs();
  CHECK(bench.schedule->held(7) == 1);
  CHECK(bench.fire(1000) == Bodies{"after"});
}

TEST_CASE("what was held for a queue that ended with its process does not reach its namesake") {
  Bench bench;
  CHECK(bench.hold(own_process, "of an earlier life", 100) == 0);
  bench.flush();
  bench.open();
  bench.hold(own_process, "of this life", 100);
  bench.run_jobs();
  CHECK(bench.schedule->held(own_process) == 1);
  CHECK(bench.fire_by_queue(1000) == std::map<QueueId, Bodies>{{own_process, {"of this life"}}});
}

TEST_CASE("a message that is in its queue by its own record is held no more") {
  for (const bool in_run : {false, true}) {
    Bench bench;
    bench.hold(7, "1", 10);
    bench.hold(7, "2", 20);
    if (in_run) bench.flush();
    std::vector<Schedule::Due> due;
    bench.schedule->take_due(15, due);
    REQUIRE(due.size() == 1);
    // A crash after the queue's record, before the schedule's.
    const Lsn lsn = bench.log.append(ScheduleRecord::fired, "", Durability::none);
    bench.log.records.back().type.reset();
    const ScheduleKey key = due[0].key;
    bench.before_recovered = [&, lsn, key] { bench.schedule->replay_released(lsn, 7, key); };
    bench.open();
    bench.run_jobs();
    CHECK(bench.schedule->held(7) == 1);
    CHECK(bench.fire(1000) == Bodies{"2"});
  }
}
