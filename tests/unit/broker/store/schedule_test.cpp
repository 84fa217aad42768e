#include "broker/store/schedule.h"

#include "broker/store/memory_vfs.h"
#include "broker/store/power_loss_vfs.h"
#include "tests/unit/broker/store/schedule_bench.h"

using namespace wherry::broker;
using namespace wherry::broker::test;

namespace {

using Bodies = std::vector<std::string>;

using Bench = MemoryScheduleBench;

}  // namespace

TEST_CASE("scheduled messages fire soonest first, and in the order they came when due together") {
  Bench bench;
  CHECK_FALSE(bench.schedule->next_wake());
  bench.add("c", 300);
  bench.add("a", 100);
  for (std::string_view body : {"b 1", "b 2", "b 3", "b 4"}) bench.add(body, 200);
  CHECK(bench.schedule->next_wake() == 100);
  CHECK(bench.fire(99) == Bodies{});
  CHECK(bench.fire(200) == Bodies{"a", "b 1", "b 2", "b 3", "b 4"});
  CHECK(bench.schedule->next_wake() == 300);
  CHECK(bench.fire(1000) == Bodies{"c"});
  CHECK(bench.schedule->size() == 0);
}

TEST_CASE("what fires is the message that was scheduled, published when it was due") {
  for (const bool from_run : {false, true}) {
    Bench bench;
    bench.add("body", 100, "exchange");
    if (from_run) bench.flush();
    std::vector<Schedule::Due> due;
    bench.schedule->take_due(500, due);
    REQUIRE(due.size() == 1);
    CHECK(due[0].vhost == "/");
    CHECK(due[0].message->exchange() == "exchange");
    CHECK(due[0].message->routing_key() == "k");
    CHECK(due[0].message->properties() == "properties");
    CHECK(due[0].message->body() == "body");
    CHECK(due[0].message->persistent());
    CHECK(due[0].message->priority() == 3);
    CHECK(due[0].message->published_ms() == 100);
  }
}

TEST_CASE("messages in memory, on their way to a run and in runs fire in one order") {
  Bench bench;
  for (std::string_view body : {"1", "4", "7"}) bench.add(body, 100 + static_cast<std::uint64_t>(body[0]));
  bench.flush();
  for (std::string_view body : {"2", "5", "8"}) bench.add(body, 100 + static_cast<std::uint64_t>(body[0]));
  bench.log.sync();
  CHECK_FALSE(bench.schedule->release_up_to(bench.log.last()));
  for (std::string_view body : {"3", "6", "9"}) bench.add(body, 100 + static_cast<std::uint64_t>(body[0]));
  CHECK(bench.schedule->runs() == 1);
  CHECK(bench.schedule->size() == 9);
  CHECK(bench.fire(100 + '5') == Bodies{"1", "2", "3", "4", "5"});
  bench.run_jobs();
  CHECK(bench.schedule->runs() == 2);
  CHECK(bench.schedule->size() == 4);
  CHECK(bench.fire(1000) == Bodies{"6", "7", "8", "9"});
}

TEST_CASE("a restart at every stage loses nothing, repeats nothing, and fires what came due meanwhile in order") {
  const Bodies all = {"1", "2", "3", "4", "5", "6"};
  for (int stage = 0; stage < 6; ++stage) {
    INFO("stage " << stage);
    Bench bench;
    for (std::string_view body : {"6", "1", "3"}) bench.add(body, static_cast<std::uint64_t>(body[0]));
    if (stage >= 1) bench.flush();
    for (std::string_view body : {"5", "2", "4"}) bench.add(body, static_cast<std::uint64_t>(body[0]));
    if (stage == 2) bench.schedule->release_up_to(bench.log.last());  // A run that is never written.
    if (stage >= 3) bench.flush();
    if (stage >= 4) bench.log.retired = bench.log.last();
    Bodies fired;
    if (stage >= 5) fired = bench.fire('3');
    bench.open();
    CHECK(bench.schedule->size() == all.size() - fired.size());
    for (const std::string& body : bench.fire(1000)) fired.push_back(body);
    CHECK(fired == all);
    bench.log.sync();
    bench.schedule->tidy();
    bench.run_jobs();
    bench.open();
    CHECK(bench.schedule->size() == 0);
    CHECK(bench.fire(1000) == Bodies{});
    CHECK(bench.files().empty());
  }
}

TEST_CASE("what was taken and not reported as fired is taken again after a restart") {
  Bench bench;
  for (std::string_view body : {"1", "2", "3"}) bench.add(body, 10);
  std::vector<Schedule::Due> due;
  bench.schedule->take_due(10, due);
  CHECK(due.size() == 3);
  bench.schedule->fired(due[1].key);
  // A run that is begun now still holds what is not durably fired.
  bench.add("4", 20);
  bench.flush();
  bench.log.retired = bench.log.last();
  bench.open();
  CHECK(bench.fire(20) == Bodies{"3", "4"});
}

TEST_CASE("a turn is bounded in messages and in bytes") {
  Bench bench({.turn_messages = 3, .turn_bytes = 5000});
  for (int number = 0; number < 7; ++number) bench.add("small", 10);
  CHECK(bench.turn(10).size() == 3);
  CHECK(bench.more);
  CHECK(bench.turn(10).size() == 3);
  CHECK(bench.turn(10).size() == 1);
  CHECK_FALSE(bench.more);
  for (int number = 0; number < 3; ++number) bench.add(std::string(4000, 'x'), 20);
  CHECK(bench.turn(20).size() == 2);
  CHECK(bench.more);
}

TEST_CASE("a clock that was set back holds nothing for long, and order and restart are as before") {
  Bench bench;
  bench.add("first", 1'000'000);
  CHECK(bench.fire(1'000'000) == Bodies{"first"});
  bench.add("second", 500);
  bench.add("third", 400);
  CHECK(bench.fire(300) == Bodies{"second", "third"});
  bench.add("fourth", 500);
  bench.open();
  CHECK(bench.fire(300) == Bodies{"fourth"});
}

TEST_CASE("what waits for a deleted exchange is gone, in memory and on the disk, and a new exchange begins anew") {
  for (const bool retire : {false, true}) {
    Bench bench;
    bench.add("x run", 10, "x");
    bench.add("y run", 10, "y");
    bench.flush();
    bench.add("x memory", 10, "x");
    bench.schedule->drop("/other", "y");
    bench.schedule->drop("/", "x");
    bench.add("x new", 10, "x");
    if (retire) {
      bench.flush();
      bench.log.retired = bench.log.last() - 3;
      CHECK(bench.schedule->release_up_to(bench.log.last()));
      bench.log.retired = bench.log.last();
      while (bench.log.retired > 0 && bench.log.records[bench.log.retired - 1].type == ScheduleRecord::dropped) {
        --bench.log.retired;
      }
    }
    bench.open();
    CHECK(bench.fire(10) == Bodies{"y run", "x new"});
    CHECK(bench.schedule->size() == 0);
    bench.log.sync();
    bench.schedule->tidy();
    bench.run_jobs();
    CHECK(bench.files().empty());
  }
}

TEST_CASE("messages that are not persistent have no record, and still fire") {
  Bench bench;
  CHECK(bench.add("1", 10, "x", false) == 0);
  CHECK(bench.log.last() == 0);
  CHECK(bench.fire(10) == Bodies{"1"});
  CHECK(bench.log.last() == 0);
  bench.add("2", 20, "x", false);
  bench.add("3", 20);
  bench.flush();
  CHECK(bench.fire(20) == Bodies{"2", "3"});
}

TEST_CASE("runs are merged when there are many, and removed when all of them has fired") {
  Bench bench({.max_runs = 4});
  Bodies all;
  for (int number = 0; number < 60; ++number) {
    bench.add(std::to_string(100 + number), static_cast<std::uint64_t>(100 + number));
    all.push_back(std::to_string(100 + number));
    bench.flush();
    CHECK(bench.schedule->runs() <= 5);
    CHECK(bench.files().size() <= 5);
  }
  CHECK(bench.schedule->size() == 60);
  bench.log.retired = bench.log.last();
  bench.open();
  CHECK(bench.fire(1000) == all);
  bench.log.sync();
  bench.schedule->tidy();
  bench.run_jobs();
  CHECK(bench.files().empty());
}

TEST_CASE("a million messages take a bounded memory") {
  Bench bench({.memtable_bytes = std::size_t{1} << 20});
  constexpr std::uint64_t count = 1'000'000;
  std::size_t most = 0;
  for (std::uint64_t number = 0; number < count; ++number) {
    bench.add("small", 1000 + (number * 7919) % count);
    if (number % 1000 != 0) continue;
    bench.run_job();
    most = std::max(most, bench.schedule->memory_bytes());
    bench.log.records.clear();
  }
  bench.run_jobs();
  CHECK(most < std::size_t{8} << 20);
  CHECK(bench.schedule->memory_bytes() < std::size_t{2} << 20);
  CHECK(bench.schedule->size() == count);
  std::uint64_t fired = 0;
  ScheduleKey before;
  do {
    std::vector<Schedule::Due> due;
    bench.more = bench.schedule->take_due(2 * count, due);
    for (const Schedule::Due& one : due) {
      if (one.key <= before) FAIL("out of order");
      before = one.key;
    }
    fired += due.size();
    bench.schedule->fired(due.back().key);
    most = std::max(most, bench.schedule->memory_bytes());
  } while (bench.more);
  CHECK(fired == count);
  CHECK(most < std::size_t{8} << 20);
}

TEST_CASE("a message in a run wakes the schedule before it is due, to be read") {
  Bench bench;
  bench.add("1", 10'000);
  bench.flush();
  CHECK(bench.schedule->next_wake() == 9000);
  CHECK(bench.fire(9000) == Bodies{});
  CHECK(bench.schedule->next_wake() == 10'000);
  CHECK(bench.fire(10'000) == Bodies{"1"});
}

TEST_CASE("a full disk is tried again, and nothing is lost meanwhile") {
  PowerLossVfs disk(1);
  REQUIRE(disk.make_folder("delays"));
  ScheduleBench bench(disk);
  bench.open();
  bench.add("1", 10);
  bench.log.sync();
  disk.fail_from(1, std::errc::no_space_on_device);
  CHECK_FALSE(bench.schedule->release_up_to(1));
  bench.run_job();
  CHECK_FALSE(bench.failed);
  disk.heal();
  bench.run_jobs();
  CHECK(bench.schedule->release_up_to(1));
  CHECK(bench.schedule->runs() == 1);
  CHECK(bench.fire(10) == Bodies{"1"});
}

TEST_CASE("any other error of the disk is the owner's to answer, once") {
  PowerLossVfs disk(1);
  REQUIRE(disk.make_folder("delays"));
  ScheduleBench bench(disk);
  bench.open();
  bench.add("1", 10);
  disk.fail_from(1);
  CHECK_FALSE(bench.schedule->release_up_to(1));
  bench.run_jobs();
  CHECK(bench.failed);
  CHECK_FALSE(bench.schedule->release_up_to(1));
  CHECK(bench.jobs.empty());
}
