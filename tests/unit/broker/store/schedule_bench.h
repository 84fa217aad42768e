// A schedule on a bench: a log in memory that is durable as far as the test says, and background jobs that run when it
// says so.
#pragma once

#include <deque>
#include <memory>
#include <string>
#include <vector>

#include <catch2/catch.hpp>

#include "broker/store/memory_vfs.h"
#include "broker/store/schedule.h"
#include "protocol/amqp/properties.h"

namespace wherry::broker::test {

struct BenchLog final : ScheduleLog {
  struct Record {
    // Nothing: the schedule's owner says here what it published.
    std::optional<ScheduleRecord> type;
    std::string payload;
  };
  Lsn append(ScheduleRecord type, std::string_view payload, Durability) override {
    records.push_back({type, std::string(payload)});
    return last();
  }
  Lsn durable() const override { return synced; }
  Lsn last() const { return records.size(); }
  void sync() { synced = last(); }
  // A crash leaves so many.
  void cut(Lsn lsn) {
    records.resize(lsn);
    synced = lsn;
  }

  std::vector<Record> records;  // All there ever were; the first has lsn 1.
  Lsn retired = 0;              // Up to here a restart does not see them.
  Lsn synced = 0;
};

inline MessageRef scheduled_message(std::string_view body, std::string_view exchange = "x", bool persistent = true) {
  auto made = Message::create({.exchange = exchange,
                               .routing_key = "k",
                               .properties = "properties",
                               .delivery_mode = persistent ? std::uint8_t{2} : std::uint8_t{1},
                               .priority = 3,
                               .body_size = body.size(),
                               .published_ms = 7});
  made->append_body(body);
  return made;
}

struct ScheduleBench {
  explicit ScheduleBench(Vfs& on, Schedule::Options with = {}) : disk(&on), options(std::move(with)) {
    options.folder = "delays";
    options.retry_after = std::chrono::milliseconds(0);
    if (!options.random) options.random = [this] { return ++last_id * 0x9e3779b97f4a7c15; };
  }

  bool try_open() {
    jobs.clear();
    schedule.reset();
    failed = false;
    auto opened = Schedule::open(*disk, log, options,
                                 {.start =
                                      [this](auto job, auto finished) {
                                        jobs.push_back({std::move(job), std::move(finished)});
                                      },
                                  .damaged = [this](const ScheduleDamage& one) { damage.push_back(one); },
                                  .failed = [this](const DiskError&) { failed = true; }});
    if (!opened) {
      error = opened.error();
      return false;
    }
    schedule = std::move(*opened);
    for (Lsn lsn = log.retired + 1; lsn <= log.last(); ++lsn) {
      const auto& record = log.records[lsn - 1];
      if (record.type) REQUIRE(schedule->replay(*record.type, lsn, record.payload));
    }
    if (before_recovered) before_recovered();
    schedule->recovered();
    return true;
  }
  void open() {
    if (!try_open()) FAIL(error.message);
  }

  bool run_job() {
    if (jobs.empty()) return false;
    const auto job = std::move(jobs.front());
    jobs.pop_front();
    job.run();
    job.finished();
    return true;
  }
  void run_jobs() {
    while (run_job()) {
    }
  }
  // Everything in memory goes to runs.
  void flush() {
    log.sync();
    schedule->release_up_to(log.last());
    log.sync();
    schedule->tidy();
    run_jobs();
  }
  Lsn add(std::string_view body, std::uint64_t due_ms, std::string_view exchange = "x", bool persistent = true) {
    return schedule->add("/", scheduled_message(body, exchange, persistent), due_ms, Durability::sync);
  }
  // What fires in one turn.
  std::vector<std::string> turn(std::uint64_t now_ms) {
    std::vector<Schedule::Due> due;
    more = schedule->take_due(now_ms, due);
    std::vector<std::string> bodies;
    for (const Schedule::Due& one : due) bodies.emplace_back(one.message->body());
    if (!due.empty()) schedule->fired(due.back().key);
    return bodies;
  }
  std::vector<std::string> fire(std::uint64_t now_ms) {
    std::vector<std::string> all;
    do {
      for (std::string& body : turn(now_ms)) all.push_back(std::move(body));
    } while (more);
    return all;
  }
  std::vector<std::string> files() const { return *disk->list("delays"); }

  Vfs* disk;
  Schedule::Options options;
  BenchLog log;
  struct Job {
    std::function<void()> run;
    std::function<void()> finished;
  };
  std::deque<Job> jobs;
  std::unique_ptr<Schedule> schedule;
  std::vector<ScheduleDamage> damage;
  DiskError error;
  bool failed = false;
  bool more = false;
  std::function<void()> before_recovered;  // More that the log says.
  std::uint64_t last_id = 0;
};

// The same on a disk in memory, opened.
struct MemoryScheduleBench : ScheduleBench {
  explicit MemoryScheduleBench(Schedule::Options with = {}) : ScheduleBench(memory, std::move(with)) {
    REQUIRE(memory.make_folder("delays"));
    open();
  }
  MemoryVfs memory;
};

}  // namespace wherry::broker::test
