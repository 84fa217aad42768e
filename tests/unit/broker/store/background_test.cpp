#include "broker/store/background.h"

#include <optional>

#include <catch2/catch.hpp>

using namespace wherry::broker;

namespace {

// The owner's loop: what is posted is run by whoever waits for it.
struct Loop {
  std::mutex mutex;
  std::condition_variable changed;
  std::vector<std::function<void()>> posted;

  Background::Post post() {
    return [this](std::function<void()> work) {
      const std::lock_guard lock(mutex);
      posted.push_back(std::move(work));
      changed.notify_one();
    };
  }
  void run_one() {
    std::function<void()> work;
    {
      std::unique_lock lock(mutex);
      REQUIRE(changed.wait_for(lock, std::chrono::seconds(30), [&] { return !posted.empty(); }));
      work = std::move(posted.front());
      posted.erase(posted.begin());
    }
    work();
  }
};

}  // namespace

TEST_CASE("a job runs aside, and what comes after it on the owner's loop") {
  Loop loop;
  Background background(true, loop.post());
  std::thread::id ran;
  bool after = false;
  background.start([&] { ran = std::this_thread::get_id(); }, [&] { after = true; });
  CHECK(background.busy());
  loop.run_one();
  CHECK(after);
  CHECK(ran != std::this_thread::get_id());
  CHECK_FALSE(background.busy());
}

TEST_CASE("what is to be woken is, once, and a job goes before it") {
  Loop loop;
  Background background(true, loop.post());
  std::string order;
  background.wake_after(std::chrono::hours(1), [&] { order += "never"; });
  background.wake_after(std::chrono::milliseconds(1), [&] { order += "woken "; });
  CHECK_FALSE(background.busy());
  loop.run_one();
  CHECK(order == "woken ");
  background.wake_after(std::chrono::hours(1), [&] { order += "never"; });
  background.start([] {}, [&] { order += "job"; });
  loop.run_one();
  CHECK(order == "woken job");
  CHECK(loop.posted.empty());
}

TEST_CASE("what was posted for an owner that has gone does nothing") {
  Loop loop;
  std::optional<Background> background(std::in_place, true, loop.post());
  bool woken = false;
  background->wake_after(std::chrono::milliseconds(1), [&] { woken = true; });
  {
    std::unique_lock lock(loop.mutex);
    REQUIRE(loop.changed.wait_for(lock, std::chrono::seconds(30), [&] { return !loop.posted.empty(); }));
  }
  background.reset();
  loop.run_one();
  CHECK_FALSE(woken);
}
