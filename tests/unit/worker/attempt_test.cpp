#include "worker/runtime/attempt.h"

#include <future>
#include <optional>

#include <catch2/catch.hpp>
#include <wherry/canvas.h>

using namespace wherry;
using namespace wherry::worker;
using namespace std::chrono_literals;

namespace {

// A loop on a thread, with attempts whose reports are kept.
struct Loop {
  net::EventLoop loop;
  std::shared_ptr<Gate> gate = std::make_shared<Gate>(loop);
  std::vector<task::Value> reports;
  std::thread thread{[this] { loop.run(); }};

  ~Loop() {
    gate->close();
    loop.stop();
    thread.join();
  }
  template <class F>
  void on_loop(F work) {
    std::promise<void> done;
    loop.post([&] {
      work();
      done.set_value();
    });
    done.get_future().wait();
  }
  AttemptRef make() {
    return std::make_shared<Attempt>(
        std::make_shared<const Attempt::Ways>(
            loop, gate, [this](const Attempt&, task::Value meta) { reports.push_back(std::move(meta)); }),
        sdk::Delivery{}, task::Task{.name = "n", .id = "i", .retries = 2});
  }
  AttemptRef make(task::Task task) {
    return std::make_shared<Attempt>(std::make_shared<const Attempt::Ways>(loop, gate), sdk::Delivery{},
                                     std::move(task));
  }
};

bool ends(Pending<>& pending) {
  auto over = std::async(std::launch::async, [&] { pending.get(); });
  return over.wait_for(30s) == std::future_status::ready;
}

}  // namespace

TEST_CASE("Sleep ends when its time is over, and early when the attempt is to stop") {
  Loop loop;
  auto attempt = loop.make();
  CHECK(attempt->attempt() == 3);
  auto brief = attempt->sleep(1ms);
  CHECK(ends(brief));
  auto night = attempt->sleep(24h);
  auto other = attempt->sleep(24h);
  loop.on_loop([&] { attempt->request_stop(); });
  CHECK(ends(night));
  CHECK(ends(other));
  CHECK(attempt->stop_token().stop_requested());
  auto late = attempt->sleep(24h);
  CHECK(ends(late));
  loop.on_loop([&] { attempt->end(); });
}

TEST_CASE("The soft time limit sets deadline and stop token") {
  Loop loop;
  auto attempt = loop.make();
  CHECK_FALSE(attempt->deadline());
  std::promise<void> told;
  std::stop_callback on_stop(attempt->stop_token(), [&] { told.set_value(); });
  const auto before = std::chrono::steady_clock::now();
  attempt->begin(10ms);
  REQUIRE(attempt->deadline());
  CHECK(*attempt->deadline() >= before + 10ms);
  CHECK(told.get_future().wait_for(30s) == std::future_status::ready);
  CHECK(std::chrono::steady_clock::now() >= *attempt->deadline());
  loop.on_loop([&] { attempt->end(); });
}

TEST_CASE("An attempt that has ended tells nothing more and limits nothing") {
  Loop loop;
  auto attempt = loop.make();
  attempt->progress(1);
  loop.on_loop([&] { attempt->end(); });
  attempt->progress(2);
  attempt->begin(1ms);
  auto sleep = attempt->sleep(24h);
  CHECK(ends(sleep));
  loop.on_loop([&] { CHECK(loop.reports == std::vector<task::Value>{task::Value(1)}); });
  CHECK_FALSE(attempt->stop_token().stop_requested());
}

TEST_CASE("An attempt may outlive the runtime's loop") {
  AttemptRef attempt;
  {
    Loop loop;
    attempt = loop.make();
    loop.on_loop([&] { attempt->end(); });
  }
  attempt->progress(1);
  attempt->begin(1ms);
  auto never = attempt->sleep(1ms);
  CHECK_FALSE(never.ready());
}

TEST_CASE("An attempt knows its workflow; a task alone is its own root") {
  Loop on;
  CHECK(on.make()->root_id() == "i");
  CHECK(on.make()->parent_id().empty());
  const auto later = on.make(task::Task{.name = "n", .id = "i", .root_id = "r", .parent_id = "p"});
  CHECK(later->root_id() == "r");
  CHECK(later->parent_id() == "p");
}

TEST_CASE("Only a part of a chord can add to it") {
  Loop on;
  const auto added = sig(Function<int(int, int)>{"add"}, 1, 2);
  CHECK_THROWS_AS(on.make()->add_to_chord(added), std::logic_error);
  task::Task part{.name = "n", .id = "i"};
  part.group = "g";
  part.embed.chord = task::write_signature({.task = "total"});
  const auto attempt = on.make(part);
  attempt->add_to_chord(added);
  const auto taken = attempt->take_added();
  REQUIRE(taken.size() == 1);
  CHECK(*task::read_signature(taken[0]) == added.signature());
  CHECK(attempt->take_added().empty());
}
