#include "wherry/coro.h"

#include <future>
#include <memory>
#include <stdexcept>
#include <thread>

#include <catch2/catch.hpp>

#include "wherry/pending.h"

using namespace wherry;

namespace {

// Runs it to its end, wherever that is, and gives what came of it.
template <class T>
T run(Coro<T> coroutine) {
  std::promise<void> ended;
  coroutine.start([&] { ended.set_value(); });
  ended.get_future().wait();
  return coroutine.result();
}

Coro<int> number(int value) {
  co_return value;
}
Coro<int> failing() {
  throw std::runtime_error("broken");
  co_return 0;
}
Coro<int> sum(int depth) {
  if (depth == 0) co_return 0;
  const int below = co_await sum(depth - 1);
  co_return below + 1;
}

}  // namespace

TEST_CASE("A coroutine gives its result, or throws what it threw") {
  CHECK(run(number(7)) == 7);
  CHECK_THROWS_WITH(run(failing()), "broken");
  bool ran = false;
  run([](bool& flag) -> Coro<> {
    flag = true;
    co_return;
  }(ran));
  CHECK(ran);
}

TEST_CASE("A coroutine awaits others, however deep, and catches what they throw") {
  CHECK(run(sum(1'000)) == 1'000);
  CHECK(run([]() -> Coro<int> {
          try {
            co_return co_await failing();
          } catch (const std::runtime_error&) {
            co_return -1;
          }
        }()) == -1);
}

TEST_CASE("A result that can only be moved arrives") {
  auto result = run([]() -> Coro<std::unique_ptr<int>> {
    auto inner = []() -> Coro<std::unique_ptr<int>> { co_return std::make_unique<int>(5); };
    auto got = co_await inner();
    co_return got;
  }());
  CHECK(*result == 5);
}

TEST_CASE("A coroutine may end on another thread than it began") {
  auto shared = std::make_shared<detail::Shared<int>>();
  std::thread::id ended_on;
  auto coroutine = [](std::shared_ptr<detail::Shared<int>> awaited, std::thread::id& where) -> Coro<int> {
    const int value = co_await Pending<int>(awaited);
    where = std::this_thread::get_id();
    co_return value;
  }(shared, ended_on);
  std::promise<void> ended;
  coroutine.start([&] { ended.set_value(); });
  std::thread other([&] { shared->settle(9); });
  const auto other_id = other.get_id();
  ended.get_future().wait();
  CHECK(coroutine.result() == 9);
  CHECK(ended_on == other_id);
  other.join();
}

TEST_CASE("A coroutine that ends may destroy itself") {
  auto owned = std::make_shared<std::unique_ptr<Coro<int>>>();
  *owned = std::make_unique<Coro<int>>(number(3));
  int result = 0;
  (*owned)->start([&result, owned] {
    result = (*owned)->result();
    owned->reset();
  });
  CHECK(result == 3);
  CHECK(*owned == nullptr);
}

TEST_CASE("A coroutine that was never started goes without having run") {
  auto counted = std::make_shared<int>(0);
  {
    auto idle = [](std::shared_ptr<int> count) -> Coro<> {
      ++*count;
      co_return;
    }(counted);
    auto moved = std::move(idle);
  }
  CHECK(*counted == 0);
  CHECK(counted.use_count() == 1);
}
