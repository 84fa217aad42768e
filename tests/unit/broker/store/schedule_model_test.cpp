#include <map>
#include <random>
#include <set>

#include "base/bytes.h"
#include "broker/store/memory_vfs.h"
#include "broker/store/power_loss_vfs.h"
#include "tests/unit/broker/store/schedule_bench.h"

using namespace wherry::broker;
using namespace wherry::broker::test;

namespace {

Schedule::Options small(std::mt19937_64& random) {
  Schedule::Options options;
  options.memtable_bytes = 3000 + random() % 20'000;
  options.max_runs = 2 + random() % 4;
  options.turn_messages = 1 + random() % 20;
  options.merge_step_bytes = 500 + random() % 5000;
  return options;
}

std::string body_of(std::uint64_t id, std::mt19937_64& random) {
  const std::size_t size = random() % 60 == 0 ? 70'000 : random() % 300;
  return std::to_string(id) + ":" + std::string(size, static_cast<char>('a' + id % 26));
}

std::uint64_t id_of(std::string_view body) {
  return std::stoull(std::string(body.substr(0, body.find(':'))));
}

}  // namespace

TEST_CASE("the schedule fires what a sorted map would, through flushes, merges, drops and restarts") {
  for (std::uint64_t seed = 1; seed <= 150; ++seed) {
    INFO("seed " << seed);
    std::mt19937_64 random(seed);
    MemoryVfs disk;
    REQUIRE(disk.make_folder("delays"));
    ScheduleBench bench(disk, small(random));
    bench.open();

    struct Waiting {
      std::string exchange;
      std::string body;
    };
    std::multimap<std::uint64_t, Waiting> model;  // Equal keys stay in the order of their insertion.
    std::uint64_t now = 10'000;
    std::uint64_t last_fired = 0;
    std::uint64_t id = 0;
    for (int step = 0; step < 600; ++step) {
      const auto choice = random() % 100;
      if (choice < 60) {
        const std::uint64_t due = now + random() % 3000 - random() % 10;
        const std::string exchange = "x" + std::to_string(random() % 3);
        const std::string body = body_of(++id, random);
        bench.add(body, due, exchange);
        model.emplace(std::max(due, last_fired), Waiting{exchange, body});
      } else if (choice < 75) {
        now += random() % 200;
        const auto fired = bench.turn(now);
        for (const std::string& body : fired) {
          REQUIRE_FALSE(model.empty());
          REQUIRE(model.begin()->second.body == body);
          last_fired = model.begin()->first;
          model.erase(model.begin());
        }
        if (!bench.more) {
          REQUIRE((model.empty() || model.begin()->first > now));
        }
      } else if (choice < 90) {
        bench.run_job();
      } else if (choice < 94) {
        bench.log.sync();
        bench.schedule->tidy();
      } else if (choice < 97) {
        bench.log.sync();
        const Lsn lsn = bench.log.retired + random() % (bench.log.last() - bench.log.retired + 1);
        if (bench.schedule->release_up_to(lsn)) bench.log.retired = lsn;
      } else if (choice < 98) {
        const std::string exchange = "x" + std::to_string(random() % 3);
        bench.schedule->drop("/", exchange);
        std::erase_if(model, [&](const auto& one) { return one.second.exchange == exchange; });
      } else {
        bench.open();
      }
      REQUIRE(bench.schedule->size() >= model.size());
    }
    std::vector<std::string> rest;
    for (const auto& [due, waiting] : model) rest.push_back(waiting.body);
    REQUIRE(bench.fire(now + 100'000) == rest);
    REQUIRE(bench.schedule->size() == 0);
    bench.run_jobs();
    bench.log.sync();
    bench.schedule->tidy();
    bench.run_jobs();
    REQUIRE(bench.files().empty());
    REQUIRE(bench.damage.empty());
  }
}

TEST_CASE("through any number of kills and power cuts what was durably scheduled fires, in order, and nothing else") {
  for (std::uint64_t seed = 1; seed <= 1000; ++seed) {
    INFO("seed " << seed);
    std::mt19937_64 random(seed);
    auto disk = std::make_unique<PowerLossVfs>(seed);
    REQUIRE(disk->make_folder("delays"));
    ScheduleBench bench(*disk, small(random));
    std::map<std::uint64_t, std::string> bodies;
    std::uint64_t now = 10'000;
    std::uint64_t id = 0;
    ScheduleKey before;

    // Publishes first, then says so: as the shard does.
    const auto fire = [&](bool all) {
      do {
        std::vector<Schedule::Due> due;
        bench.more = bench.schedule->take_due(now, due);
        for (const Schedule::Due& one : due) {
          const std::string body(one.message->body());
          REQUIRE(bodies.contains(id_of(body)));
          REQUIRE(bodies[id_of(body)] == body);
          REQUIRE(one.key > before);
          before = one.key;
          bench.log.records.push_back({std::nullopt, body});
        }
        if (!due.empty()) bench.schedule->fired(due.back().key);
      } while (all && bench.more);
    };

    for (int life = 0; life < 6; ++life) {
      if (random() % 2 == 0) disk->fail_from(random() % 80);
      before = {};
      if (bench.try_open()) {
        const int steps = static_cast<int>(random() % 150);
        for (int step = 0; step < steps && !bench.failed; ++step) {
          const auto choice = random() % 100;
          if (choice < 55) {
            ++id;
            bodies[id] = body_of(id, random);
            bench.add(bodies[id], now + random() % 1000, "x" + std::to_string(random() % 3), random() % 8 != 0);
          } else if (choice < 70) {
            now += random() % 100;
            fire(false);
          } else if (choice < 85) {
            bench.run_job();
          } else if (choice < 93) {
            bench.log.sync();
            bench.schedule->tidy();
          } else if (choice < 98) {
            bench.log.sync();
            const Lsn lsn = bench.log.retired + random() % (bench.log.last() - bench.log.retired + 1);
            const bool released = bench.schedule->release_up_to(lsn);
            if (random() % 2 == 0) bench.log.sync();
            // A file goes when what was logged anew is durable.
            if (released && bench.log.synced == bench.log.last()) bench.log.retired = lsn;
          } else {
            bench.schedule->drop("/", "x" + std::to_string(random() % 3));
          }
        }
      }
      bench.jobs.clear();
      bench.schedule.reset();
      if (random() % 3 == 0) {
        disk->heal();
      } else {
        bench.log.cut(bench.log.synced + random() % (bench.log.last() - bench.log.synced + 1));
        disk = disk->crash();
        bench.disk = disk.get();
      }
      bench.log.sync();
    }
    before = {};
    bench.open();
    now += 100'000;
    fire(true);
    REQUIRE(bench.schedule->size() == 0);
    REQUIRE(bench.damage.empty());

    // What the log has seen: every scheduled message was published, or dropped; none after it was dropped.
    struct Known {
      ScheduleKey key;
      std::string exchange;
      bool published = false;
      bool dropped = false;
    };
    std::map<std::uint64_t, Known> known;
    for (const auto& record : bench.log.records) {
      if (!record.type) {
        auto found = known.find(id_of(record.payload));
        // Without a record of its own: not persistent, and it was in memory or had reached a run. Or its run survived
        // and its record did not.
        if (found == known.end()) continue;
        REQUIRE_FALSE(found->second.dropped);
        found->second.published = true;
      } else if (*record.type == ScheduleRecord::scheduled) {
        const auto scheduled = decode_scheduled(record.payload);
        known[id_of(scheduled->body)] = {scheduled->key, std::string(scheduled->exchange)};
      } else if (*record.type == ScheduleRecord::dropped) {
        const auto drop = decode_dropped(record.payload);
        for (auto& [number, one] : known) {
          if (one.key.sequence <= drop->sequence && one.exchange == drop->exchange) one.dropped = true;
        }
      }
    }
    std::vector<std::uint64_t> lost;
    for (const auto& [number, one] : known) {
      if (!one.published && !one.dropped) lost.push_back(number);
    }
    REQUIRE(lost == std::vector<std::uint64_t>{});
  }
}
