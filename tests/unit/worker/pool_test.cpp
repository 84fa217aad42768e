#include "worker/runtime/pool.h"

#include <algorithm>
#include <atomic>
#include <future>
#include <memory>
#include <mutex>

#include <catch2/catch.hpp>

using wherry::worker::Pool;

TEST_CASE("One thread runs what it is given in order") {
  Pool pool(1);
  std::vector<int> order;
  std::promise<void> last;
  for (int i = 0; i < 100; ++i) pool.run([&order, i] { order.push_back(i); });
  pool.run([&] { last.set_value(); });
  last.get_future().wait();
  for (int i = 0; i < 100; ++i) CHECK(order.at(i) == i);
}

TEST_CASE("As many run at once as there are threads") {
  Pool pool(3);
  std::promise<void> all_in;
  std::atomic<int> in = 0;
  std::promise<void> go;
  std::shared_future<void> gone = go.get_future();
  for (int i = 0; i < 3; ++i) {
    pool.run([&, gone] {
      if (++in == 3) all_in.set_value();
      gone.wait();
    });
  }
  all_in.get_future().wait();
  go.set_value();
}

TEST_CASE("What has not begun can be withdrawn, what has begun cannot") {
  Pool pool(1);
  std::promise<void> began, go;
  bool second_ran = false;
  auto first = pool.run([&] {
    began.set_value();
    go.get_future().wait();
  });
  auto second = pool.run([&] { second_ran = true; });
  began.get_future().wait();
  CHECK_FALSE(pool.withdraw(first));
  CHECK(pool.withdraw(second));
  CHECK_FALSE(pool.withdraw(second));
  go.set_value();
  std::promise<void> third;
  pool.run([&] { third.set_value(); });
  third.get_future().wait();
  CHECK_FALSE(second_ran);
}

TEST_CASE("Stopping waits for what runs and drops the rest") {
  auto pool = std::make_unique<Pool>(1);
  std::promise<void> began, go;
  std::atomic<bool> ended = false, second_ran = false;
  pool->run([&] {
    began.set_value();
    go.get_future().wait();
    ended = true;
  });
  pool->run([&] { second_ran = true; });
  began.get_future().wait();
  auto stopping = std::async(std::launch::async, [&] { pool->stop(); });
  // Until it takes no more work: what is given to it then is not there to be withdrawn.
  while (pool->withdraw(pool->run([] {}))) std::this_thread::yield();
  go.set_value();
  stopping.wait();
  CHECK(ended);
  pool->run([&] { second_ran = true; });
  pool.reset();
  CHECK_FALSE(second_ran);
}

namespace {

// std::promise::set_value_at_thread_exit() does the same from within libstdc++.so, which ThreadSanitizer does not see
// into.
struct ThreadEnd {
  std::shared_ptr<std::promise<void>> told;
  ~ThreadEnd() {
    if (told) told->set_value();
  }
};

}  // namespace

TEST_CASE("An abandoned pool waits for nobody, and its threads end by themselves") {
  auto pool = std::make_unique<Pool>(1);
  std::promise<void> began;
  auto go = std::make_shared<std::promise<void>>();
  auto ended = std::make_shared<std::promise<void>>();
  pool->run([&began, go, ended] {
    began.set_value();
    go->get_future().wait();
    static thread_local ThreadEnd end;
    end.told = ended;
  });
  began.get_future().wait();
  pool->abandon();
  pool.reset();
  go->set_value();
  ended->get_future().wait();
}

TEST_CASE("A pool grows at once, and shrinks by threads that have nothing to do") {
  Pool pool(1);
  std::promise<void> all_in, go;
  std::shared_future<void> gone = go.get_future();
  std::atomic<int> in = 0;
  REQUIRE(pool.resize(3));
  CHECK(pool.threads() == 3);
  for (int i = 0; i < 3; ++i) {
    pool.run([&, gone] {
      if (++in == 3) all_in.set_value();
      gone.wait();
    });
  }
  all_in.get_future().wait();
  REQUIRE(pool.resize(1));
  go.set_value();
  // One at a time from now on, and none of them is lost to a thread that ends.
  std::atomic<int> at_once = 0, most = 0, ran = 0;
  std::promise<void> last;
  for (int i = 0; i < 200; ++i) {
    pool.run([&] {
      most = std::max<int>(most, ++at_once);
      --at_once;
      if (++ran == 200) last.set_value();
    });
    if (i % 20 == 0) REQUIRE(pool.resize(1 + i % 3));
  }
  REQUIRE(pool.resize(1));
  last.get_future().wait();
  CHECK(most <= 3);
}
