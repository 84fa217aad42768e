#include "worker/runtime/result_keeper.h"

#include <deque>
#include <future>
#include <limits>

#include <catch2/catch.hpp>

#include "base/log.h"

using namespace wherry;
using namespace wherry::worker;
using namespace std::chrono_literals;

namespace {

// A backend that answers what a test says, at once but in a turn of its own; then that all is well.
class ScriptedBackend final : public results::ResultBackend {
 public:
  struct Seen {
    std::vector<task::ResultMeta> stored;
    std::deque<results::Outcome<void>> answers;
  };
  ScriptedBackend(net::EventLoop& loop, std::shared_ptr<Seen> seen) : loop_(loop), seen_(std::move(seen)) {}

  void store(task::ResultMeta meta, Monotonic, results::Done<> done) override {
    seen_->stored.push_back(std::move(meta));
    results::Outcome<void> answer;
    if (!seen_->answers.empty()) {
      answer = seen_->answers.front();
      seen_->answers.pop_front();
    }
    loop_.post([done, answer] { done(answer); });
  }
  void get(std::string, Monotonic, results::Done<std::optional<task::ResultMeta>>) override {}
  void forget(std::string, Monotonic, results::Done<>) override {}
  void watch(const std::string&, Hear) override {}
  void unwatch(const std::string&) override {}
  void save_group(std::string, task::Value, Monotonic, results::Done<>) override {}
  void restore_group(std::string, Monotonic, results::Done<std::optional<task::Value>>) override {}
  void forget_group(std::string, Monotonic, results::Done<>) override {}
  void set_chord_size(std::string, std::size_t, Monotonic, results::Done<>) override {}
  void add_to_chord(std::string, std::string, std::size_t, Monotonic, results::Done<>) override {}
  void chord_part_return(results::ChordPart, Monotonic, results::Done<results::ChordProgress>) override {}
  void forget_chord(std::string, Monotonic, results::Done<>) override {}

 private:
  net::EventLoop& loop_;
  std::shared_ptr<Seen> seen_;
};

struct KeeperFixture {
  KeeperFixture() { log::set_level(log::Level::off); }

  // Runs the loop until this result is kept.
  void keep(task::ResultMeta meta) {
    keeper.keep(std::move(meta), [this] {
      ++done;
      loop.stop();
    });
    loop.run();
  }
  static results::Outcome<void> failed(results::Failure::Kind kind) {
    return tl::unexpected(results::Failure{kind, "on purpose"});
  }

  net::EventLoop loop;
  std::shared_ptr<ScriptedBackend::Seen> seen = std::make_shared<ScriptedBackend::Seen>();
  ResultKeeper keeper{loop, std::make_unique<ScriptedBackend>(loop, seen)};
  int done = 0;
};

}  // namespace

TEST_CASE("How a task ended is stored again until it is", "[keeper]") {
  KeeperFixture f;
  f.seen->answers = {KeeperFixture::failed(results::Failure::Kind::unavailable),
                     KeeperFixture::failed(results::Failure::Kind::timed_out)};
  f.keep({.task_id = "t", .status = "SUCCESS", .result = 7});
  CHECK(f.done == 1);
  REQUIRE(f.seen->stored.size() == 3);
  CHECK(f.seen->stored.back().result == task::Value(7));
}

TEST_CASE("A report on the way is tried once", "[keeper]") {
  KeeperFixture f;
  f.seen->answers = {KeeperFixture::failed(results::Failure::Kind::unavailable)};
  f.keep({.task_id = "t", .status = "PROGRESS", .result = 7});
  CHECK(f.done == 1);
  CHECK(f.seen->stored.size() == 1);
}

TEST_CASE("A result that is refused becomes a failure that says so; one that is refused as well is let go",
          "[keeper]") {
  KeeperFixture f;
  f.seen->answers = {KeeperFixture::failed(results::Failure::Kind::refused),
                     KeeperFixture::failed(results::Failure::Kind::unavailable)};
  f.keep({.task_id = "t", .status = "SUCCESS", .result = std::numeric_limits<double>::infinity()});
  REQUIRE(f.seen->stored.size() == 3);
  CHECK(f.seen->stored.back().status == "FAILURE");
  REQUIRE(f.seen->stored.back().exception);
  CHECK(f.seen->stored.back().exception->type == "EncodeError");
  CHECK(f.seen->stored.back().exception->message() == "on purpose");

  f.seen->answers = {KeeperFixture::failed(results::Failure::Kind::refused),
                     KeeperFixture::failed(results::Failure::Kind::refused)};
  f.keep({.task_id = "u", .status = "SUCCESS"});
  CHECK(f.done == 2);
}

TEST_CASE("A keeper that goes leaves what is not stored", "[keeper]") {
  KeeperFixture f;
  {
    ResultKeeper keeper(f.loop, std::make_unique<ScriptedBackend>(f.loop, f.seen));
    f.seen->answers = {KeeperFixture::failed(results::Failure::Kind::unavailable)};
    keeper.keep({.task_id = "gone", .status = "SUCCESS"}, [&] { FAIL("it was not stored"); });
    f.loop.post([&] { f.loop.stop(); });
    f.loop.run();
  }
  f.keep({.task_id = "t", .status = "SUCCESS"});
  CHECK(f.done == 1);
}
