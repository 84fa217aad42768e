#include "broker/tasks/memory.h"

#include <catch2/catch.hpp>

#include "tests/unit/broker/tasks/told.h"

using namespace wherry;
using namespace wherry::broker::tasks;

namespace {

std::vector<std::string> ids_of(const std::vector<const Life*>& lives) {
  std::vector<std::string> ids;
  for (const Life* each : lives) ids.push_back(each->id());
  return ids;
}

using Ids = std::vector<std::string>;

}  // namespace

TEST_CASE("tasks are listed by what was heard of last, and by what is asked for") {
  Memory memory({});
  memory.hear(told(Kind::received, "a", 1, "w@1", "email.send"));
  memory.hear(told(Kind::received, "b", 2, "w@2", "email.drop"));
  memory.hear(told(Kind::received, "c", 3, "w@1", "sms.send"));
  memory.hear(told(Kind::succeeded, "a", 4));
  CHECK(ids_of(memory.newest({}, 10)) == Ids{"a", "c", "b"});
  CHECK(ids_of(memory.newest({}, 2)) == Ids{"a", "c"});
  CHECK(ids_of(memory.newest({.states = {State::received}}, 10)) == Ids{"c", "b"});
  CHECK(ids_of(memory.newest({.name = "email.*"}, 10)) == Ids{"a", "b"});
  CHECK(ids_of(memory.newest({.worker = "w@2"}, 10)) == Ids{"b"});
  CHECK(memory.by_state()[static_cast<std::size_t>(State::received)] == 2);
}

TEST_CASE("a task knows its children") {
  Memory memory({});
  memory.hear(told(Kind::received, "a", 1));
  for (const char* child : {"b", "c"}) {
    Event event = told(Kind::received, child, 2);
    event.parent_id = "a";
    event.root_id = "a";
    memory.hear(event);
  }
  CHECK(ids_of(memory.children("a", 10)) == Ids{"b", "c"});
  CHECK(memory.children("b", 10).empty());
  CHECK(ids_of(memory.newest({.root = "a"}, 10)) == Ids{"c", "b", "a"});
}

TEST_CASE("what is at an end is forgotten first, and of that the oldest") {
  Memory memory({.tasks = 3});
  memory.hear(told(Kind::started, "long", 0));
  memory.hear(told(Kind::succeeded, "a", 1));
  memory.hear(told(Kind::succeeded, "b", 2));
  memory.hear(told(Kind::succeeded, "c", 3));
  CHECK(ids_of(memory.newest({}, 10)) == Ids{"c", "b", "long"});
  CHECK(memory.forgotten() == 1);
  memory.hear(told(Kind::started, "d", 4));
  memory.hear(told(Kind::started, "e", 5));
  memory.hear(told(Kind::started, "f", 6));
  CHECK(ids_of(memory.newest({}, 10)) == Ids{"f", "e", "d"});
}

TEST_CASE("memory is bounded by bytes, whoever sends what") {
  constexpr std::size_t most = 1 << 20;
  Memory memory({.tasks = 1'000'000, .bytes = most});
  for (int at = 0; at < 3'000; ++at) {
    Event event = told(Kind::failed, std::string(250, 'x') + std::to_string(at), at);
    event.parent_id = std::string(250, 'p') + std::to_string(at);
    event.args = std::string(most_text, 'a');
    event.traceback = std::string(most_traceback, 't');
    memory.hear(event);
    REQUIRE(memory.bytes() <= most);
  }
  CHECK(memory.size() > 50);
  CHECK(memory.forgotten() > 2'000);
  CHECK(memory.children(std::string(250, 'p') + "0", 10).empty());
}

TEST_CASE("names and workers are bounded, and the longest silent is forgotten") {
  Memory memory({.tasks = 10});
  for (int at = 0; at <= static_cast<int>(most_workers); ++at) {
    const std::string number = std::to_string(at);
    memory.hear(told(Kind::succeeded, "a" + number, at, "w" + number, "n" + number));
  }
  CHECK(memory.roster().workers().size() == most_workers);
  CHECK(memory.tally().names().size() == most_names);
  CHECK(memory.roster().find("w0") == nullptr);
  CHECK(memory.roster().find("w1") != nullptr);
  CHECK_FALSE(memory.tally().names().contains("n0"));
}

TEST_CASE("figures of a name count its events and its run times") {
  Memory memory({});
  for (int at = 0; at < 3; ++at) {
    const std::string id = std::to_string(at);
    memory.hear(told(Kind::received, id, at, "w", "email.send"));
    Event done = told(at == 2 ? Kind::failed : Kind::succeeded, id, at + 10, "w");
    if (at < 2) done.runtime_s = at == 0 ? 0.01 : 2.0;
    memory.hear(done);
  }
  const NameFigures& figures = memory.tally().names().at("email.send");
  CHECK(figures.received == 3);
  CHECK(figures.succeeded == 2);
  CHECK(figures.failed == 1);
  CHECK(figures.runtime.count == 2);
  CHECK(figures.runtime.least == 0.01);
  CHECK(figures.runtime.most == 2.0);
  const auto states = memory.states_by_name();
  CHECK(states.at("email.send")[static_cast<std::size_t>(State::success)] == 2);
}

TEST_CASE("a worker is online until it goes or is silent") {
  Memory memory({});
  Event beat = told(Kind::heartbeat, "", 0, "w@1");
  beat.every_s = 2;
  beat.active = 3;
  memory.hear(beat);
  const Worker* worker = memory.roster().find("w@1");
  REQUIRE(worker);
  CHECK(worker->active == 3);
  CHECK(worker->online(second(7)));
  CHECK_FALSE(worker->online(second(8)));
  CHECK_FALSE(worker->task_events);
  memory.hear(told(Kind::started, "a", 9, "w@1"));
  CHECK(worker->online(second(10)));
  CHECK(worker->task_events);
  memory.hear(told(Kind::offline, "", 11, "w@1"));
  CHECK_FALSE(worker->online(second(11)));
  // A heartbeat that was overtaken does not bring it back.
  memory.hear(told(Kind::heartbeat, "", 10, "w@1"));
  CHECK_FALSE(worker->online(second(11)));
}

TEST_CASE("a client that tells what it sent is no worker") {
  Memory memory({});
  memory.hear(told(Kind::sent, "a", 1, "gen1@host", "email.send"));
  CHECK(memory.roster().workers().empty());
  CHECK(memory.find("a")->state() == State::pending);
}
