#include <algorithm>
#include <fstream>
#include <mutex>
#include <set>
#include <thread>

#include <fmt/format.h>

#include "tests/unit/broker/definitions/topology.h"

using namespace wherry::broker;
using namespace wherry::broker::test;

namespace {

std::unique_ptr<Definitions> started(const Directory& directory, Definitions::Events events = {}) {
  auto definitions = Definitions::open(directory.file());
  REQUIRE(definitions);
  Listing listing;
  REQUIRE((*definitions)->load(listing));
  REQUIRE((*definitions)->start(std::move(events)));
  return std::move(*definitions);
}

}  // namespace

TEST_CASE("definitions: what is recorded is committed in order, many changes in one transaction") {
  Directory directory;
  std::vector<std::uint64_t> commits;  // The writer's until it has stopped.
  auto definitions = started(directory, {[&](std::uint64_t change) { commits.push_back(change); }, {}});
  constexpr std::uint64_t count = 5000;
  for (std::uint64_t i = 1; i <= count; ++i) {
    CHECK(definitions->record(queue(fmt::format("q{}", i), definitions->next_queue_id())) == i);
  }
  CHECK(definitions->recorded() == count);
  REQUIRE(definitions->sync());
  CHECK(definitions->committed() == count);
  definitions->stop();
  CHECK(std::is_sorted(commits.begin(), commits.end()));
  CHECK(commits.back() == count);
  CHECK(commits.size() < count / 10);
  definitions.reset();
  CHECK(listing_of(directory.file()).size() == count);
}

TEST_CASE("definitions: stopping commits what was recorded; what comes later is forgotten") {
  Directory directory;
  auto definitions = started(directory);
  definitions->record(vhost("/"));
  definitions->stop();
  CHECK(definitions->committed() == 1);
  definitions->record(vhost("other"));
  definitions.reset();
  CHECK(listing_of(directory.file()) == std::vector<std::string>{"vhost /"});
}

TEST_CASE("definitions: several threads record at once") {
  Directory directory;
  auto definitions = started(directory);
  std::mutex mutex;
  std::set<std::uint64_t> ids;
  std::vector<std::thread> threads;
  for (int t = 0; t < 4; ++t) {
    threads.emplace_back([&, t] {
      for (int i = 0; i < 500; ++i) {
        const std::uint64_t id = definitions->next_queue_id();
        definitions->record(queue(fmt::format("q{}-{}", t, i), id));
        std::lock_guard lock(mutex);
        ids.insert(id);
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
  REQUIRE(definitions->sync());
  CHECK(ids.size() == 2000);
  definitions.reset();
  CHECK(listing_of(directory.file()).size() == 2000);
}

TEST_CASE("definitions: no id is given twice, in no run") {
  Directory directory;
  std::uint64_t last = 0;
  for (int run = 0; run < 3; ++run) {
    auto definitions = started(directory);
    for (int i = 0; i < 10; ++i) {
      const std::uint64_t id = definitions->next_queue_id();
      CHECK(id > last);
      last = id;
    }
    // Its queue comes and goes: nothing in the file would remember the id.
    definitions->record(queue("q", last));
    definitions->record(queue("q", last, false));
  }
}

TEST_CASE("definitions: more ids than one block are reserved before they are given") {
  Directory directory;
  auto definitions = started(directory);
  std::uint64_t last = 0;
  for (int i = 0; i < 2'500'000; ++i) last = definitions->next_queue_id();
  // At once after it was given, a crash.
  Directory copy;
  for (const auto& [name, bytes] : directory.contents()) std::ofstream(copy.path() / name, std::ios::binary) << bytes;
  CHECK(started(copy)->next_queue_id() > last);
}

TEST_CASE("definitions: what cannot be committed is told once, and nothing is committed after it") {
  Directory directory;
  std::vector<std::string> failures;
  std::vector<std::uint64_t> commits;
  auto definitions = started(directory, {[&](std::uint64_t change) { commits.push_back(change); },
                                         [&](const std::string& text) { failures.push_back(text); }});
  definitions->record(vhost("/"));
  REQUIRE(definitions->sync());
  definitions->record(queue("never there", 1, false));
  CHECK_FALSE(definitions->sync());
  definitions->record(vhost("later"));
  CHECK_FALSE(definitions->sync());
  definitions->stop();
  CHECK(commits == std::vector<std::uint64_t>{1});
  REQUIRE(failures.size() == 1);
  CHECK_THAT(failures[0], Catch::Matchers::Contains("definitions.sqlite"));
}
