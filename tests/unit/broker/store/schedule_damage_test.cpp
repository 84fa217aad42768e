#include <random>

#include "broker/store/power_loss_vfs.h"
#include "tests/unit/broker/store/schedule_bench.h"

using namespace wherry::broker;
using namespace wherry::broker::test;

namespace {

constexpr int kMessages = 400;

// A run of messages 0 to kMessages - 1, and nothing of them in the log.
struct Damaged : ScheduleBench {
  explicit Damaged(std::uint64_t seed) : ScheduleBench(power), power(seed) {
    REQUIRE(power.make_folder("delays"));
    open();
    for (int number = 0; number < kMessages; ++number) {
      add(std::to_string(number) + ":" + std::string(600, 'x'), static_cast<std::uint64_t>(1000 + number));
    }
    flush();
    log.retired = log.last();
    path = "delays/" + files().at(0);
    file_bytes = *(*power.open(path, OpenMode::read))->size();
  }
  // Restarts, fires everything, and gives the numbers that did not come.
  std::vector<int> lost() {
    open();
    std::vector<int> missing;
    int next = 0;
    for (const std::string& body : fire(1'000'000)) {
      const int number = std::stoi(body);
      REQUIRE(number >= next);
      while (next < number) missing.push_back(next++);
      ++next;
    }
    while (next < kMessages) missing.push_back(next++);
    return missing;
  }

  PowerLossVfs power;
  std::string path;
  std::uint64_t file_bytes = 0;
};

}  // namespace

TEST_CASE("a flipped bit in a run costs one message at most, is reported where it is, and the file is kept aside") {
  int lost = 0;
  for (std::uint64_t seed = 1; seed <= 400; ++seed) {
    INFO("seed " << seed);
    Damaged bench(seed);
    const std::uint64_t at = bench.power.flip_bit(bench.path, 0, bench.file_bytes);
    INFO("byte " << at << " of " << bench.file_bytes);
    const auto missing = bench.lost();
    REQUIRE(missing.size() <= 1);
    lost += static_cast<int>(missing.size());
    if (missing.empty()) continue;
    REQUIRE(bench.damage.size() == 1);
    CHECK(bench.damage[0].file == bench.path);
    CHECK((bench.damage[0].begin <= at && at < bench.damage[0].end));
    bench.log.sync();
    bench.schedule->tidy();
    bench.run_jobs();
    CHECK(bench.files() == std::vector<std::string>{bench.path.substr(7) + ".damaged"});
  }
  CHECK(lost > 300);
}

TEST_CASE("a run without its footer is read from one end to the other, and nothing is lost") {
  Damaged bench(1);
  bench.power.flip_bit(bench.path, bench.file_bytes - kRunFooterBytes, bench.file_bytes - 8);
  CHECK(bench.lost().empty());
  REQUIRE(bench.damage.size() == 1);
  CHECK(bench.damage[0].end == bench.file_bytes);
}

TEST_CASE("a run without its header uses the copy of it") {
  Damaged bench(1);
  bench.power.flip_bit(bench.path, 0, 48);
  CHECK(bench.lost().empty());
  CHECK(bench.damage.size() == 1);
}

TEST_CASE("a run without both is kept aside, and the schedule goes on") {
  Damaged bench(1);
  bench.power.flip_bit(bench.path, 0, 48);
  bench.power.flip_bit(bench.path, bench.file_bytes - kRunFooterBytes, bench.file_bytes - 8);
  CHECK(bench.lost().size() == kMessages);
  CHECK(bench.damage.size() == 1);
  CHECK(bench.files() == std::vector<std::string>{bench.path.substr(7) + ".damaged"});
  bench.add("new", 2'000'000);
  bench.flush();
  bench.open();
  CHECK(bench.fire(2'000'000) == std::vector<std::string>{"new"});
}

TEST_CASE("a damaged index costs time and no message") {
  Damaged bench(1);
  // Half has fired, so that the restart has to find its place.
  bench.fire(1000 + kMessages / 2);
  bench.log.sync();
  const auto footer_begin = bench.file_bytes - kRunFooterBytes;
  for (int times = 0; times < 20; ++times) bench.power.flip_bit(bench.path, footer_begin - 250, footer_begin - 60);
  bench.open();
  CHECK(bench.fire(1'000'000).size() == kMessages - kMessages / 2 - 1);
  CHECK_FALSE(bench.damage.empty());
}

TEST_CASE("damage that a merge meets is reported, confined, and its file kept aside") {
  for (std::uint64_t seed = 1; seed <= 50; ++seed) {
    Damaged bench(seed);
    bench.options.max_runs = 1;
    bench.power.flip_bit(bench.path, 1000, bench.file_bytes - 2000);
    bench.open();
    bench.add("400:", 1'000'000);
    bench.flush();
    CHECK(bench.schedule->runs() == 1);
    CHECK_FALSE(bench.damage.empty());
    CHECK(bench.files().size() == 2);
    CHECK(bench.fire(1'000'000).size() >= kMessages);
  }
}
