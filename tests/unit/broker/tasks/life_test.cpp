#include "broker/tasks/life.h"

#include <algorithm>

#include <catch2/catch.hpp>

#include "tests/unit/broker/tasks/told.h"

using namespace wherry::broker::tasks;

namespace {

Life life_of(const std::vector<Event>& events) {
  Life life("a");
  for (const Event& each : events) life.apply(each);
  return life;
}

Event failed_at(Kind kind, int at, std::string error) {
  Event event = told(kind, "a", at);
  event.error = std::move(error);
  event.traceback = "at line 1";
  return event;
}

}  // namespace

TEST_CASE("a task goes from state to state as its events come") {
  Life life("a");
  life.apply(told(Kind::sent, "a", 0, "client"));
  CHECK(life.state() == State::pending);
  life.apply(told(Kind::received, "a", 1));
  CHECK(life.state() == State::received);
  CHECK(life.worker() == "w@1");
  life.apply(told(Kind::started, "a", 2));
  CHECK(life.state() == State::started);
  Event done = told(Kind::succeeded, "a", 4);
  done.result = "7";
  done.runtime_s = 1.5;
  life.apply(done);
  CHECK(life.state() == State::success);
  CHECK(life.sent() == second(0));
  CHECK(life.received() == second(1));
  CHECK(life.started() == second(2));
  CHECK(life.ended() == second(4));
  CHECK(life.result() == "7");
  CHECK(life.runtime_s() == 1.5);
  REQUIRE(life.attempts().size() == 1);
  CHECK(life.attempts().front().outcome == State::success);
  CHECK(life.steps().size() == 4);
}

TEST_CASE("events of one attempt give the same in any order") {
  std::vector<Event> events{told(Kind::sent, "a", 0, "client"), told(Kind::received, "a", 1),
                            told(Kind::started, "a", 2), told(Kind::succeeded, "a", 3)};
  std::vector<std::size_t> order{0, 1, 2, 3};
  do {
    Life life("a");
    for (const std::size_t at : order) life.apply(events[at]);
    CHECK(life.state() == State::success);
    CHECK(life.ended() == second(3));
    REQUIRE(life.attempts().size() == 1);
    const Attempt& attempt = life.attempts().front();
    CHECK(attempt.received == second(1));
    CHECK(attempt.started == second(2));
    CHECK(attempt.ended == second(3));
    REQUIRE(life.steps().size() == 4);
    CHECK(life.steps().front().kind == Kind::sent);
    CHECK(life.steps().back().kind == Kind::succeeded);
  } while (std::next_permutation(order.begin(), order.end()));
}

TEST_CASE("each attempt keeps its own error") {
  const Life life = life_of({told(Kind::received, "a", 1), told(Kind::started, "a", 2),
                             failed_at(Kind::retried, 3, "first"), told(Kind::received, "a", 5, "w@2"),
                             told(Kind::started, "a", 6, "w@2"), told(Kind::succeeded, "a", 7, "w@2")});
  CHECK(life.state() == State::success);
  CHECK_FALSE(life.error());
  REQUIRE(life.attempts().size() == 2);
  CHECK(life.attempts()[0].outcome == State::retry);
  CHECK(life.attempts()[0].error == "first");
  CHECK(life.attempts()[0].traceback == "at line 1");
  CHECK(life.attempts()[1].outcome == State::success);
  CHECK(life.attempts()[1].worker == "w@2");
}

TEST_CASE("a retry that comes late does not undo the attempt after it") {
  const Life life =
      life_of({told(Kind::received, "a", 1), told(Kind::started, "a", 2), told(Kind::received, "a", 5, "w@2"),
               told(Kind::started, "a", 6, "w@2"), failed_at(Kind::retried, 3, "first")});
  CHECK(life.state() == State::started);
  CHECK(life.worker() == "w@2");
  REQUIRE(life.attempts().size() == 2);
  CHECK(life.attempts()[0].outcome == State::retry);
  CHECK_FALSE(life.attempts()[1].outcome);
}

TEST_CASE("a retry that is received before its worker tells of the failure is an attempt of its own") {
  const Life life =
      life_of({told(Kind::received, "a", 1), told(Kind::started, "a", 2), told(Kind::received, "a", 3),
               failed_at(Kind::retried, 4, "first"), told(Kind::started, "a", 5), told(Kind::succeeded, "a", 6)});
  CHECK(life.state() == State::success);
  REQUIRE(life.attempts().size() == 2);
  CHECK(life.attempts()[0].outcome == State::retry);
  CHECK(life.attempts()[1].received == second(3));
  CHECK(life.attempts()[1].outcome == State::success);
}

TEST_CASE("of two ends Celery's precedence decides, whichever comes first") {
  for (const bool turned : {false, true}) {
    std::vector<Event> events{failed_at(Kind::failed, 3, "lost"), told(Kind::succeeded, "a", 4, "w@2")};
    if (turned) std::swap(events[0], events[1]);
    const Life life = life_of(events);
    CHECK(life.state() == State::success);
    CHECK_FALSE(life.error());
  }
}

TEST_CASE("a task that is received again after its end is under way again") {
  Life life = life_of({told(Kind::received, "a", 1), told(Kind::started, "a", 2), failed_at(Kind::failed, 3, "no")});
  CHECK(life.state() == State::failure);
  CHECK(life.error() == "no");
  life.apply(told(Kind::received, "a", 10));
  CHECK(life.state() == State::received);
  CHECK_FALSE(life.ended());
  life.apply(told(Kind::started, "a", 11));
  life.apply(told(Kind::succeeded, "a", 12));
  CHECK(life.state() == State::success);
  CHECK(life.attempts().size() == 2);
}

TEST_CASE("a worker that was not heard of again leaves an attempt without an end") {
  const Life life =
      life_of({told(Kind::received, "a", 1), told(Kind::started, "a", 2), told(Kind::received, "a", 9, "w@2"),
               told(Kind::started, "a", 10, "w@2"), told(Kind::succeeded, "a", 11, "w@2")});
  REQUIRE(life.attempts().size() == 2);
  CHECK_FALSE(life.attempts()[0].ended);
  CHECK(life.attempts()[1].outcome == State::success);
}

TEST_CASE("the newest attempts and steps are kept, and how many are not is known") {
  Life life("a");
  const int rounds = static_cast<int>(most_attempts) + 5;
  for (int at = 0; at < rounds; ++at) {
    life.apply(told(Kind::received, "a", 10 * at));
    life.apply(told(Kind::started, "a", 10 * at + 1));
    life.apply(failed_at(Kind::retried, 10 * at + 2, std::to_string(at)));
  }
  CHECK(life.attempts().size() == most_attempts);
  CHECK(life.attempts_left_out() == 5);
  CHECK(life.attempts().front().error == "5");
  CHECK(life.attempts().back().error == std::to_string(rounds - 1));
  CHECK(life.steps().size() == most_steps);
  // One that is older than all of them changes nothing.
  life.apply(told(Kind::started, "a", -5, "w@9"));
  CHECK(life.attempts().front().error == "5");
  CHECK(life.attempts_left_out() == 6);
  CHECK(life.state() == State::retry);
}

TEST_CASE("states have Celery's names, in any case") {
  CHECK(name_of(State::success) == "SUCCESS");
  CHECK(state_of("failure") == State::failure);
  CHECK_FALSE(state_of("lost"));
}
