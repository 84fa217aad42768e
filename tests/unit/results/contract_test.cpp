// What every backend promises, shown on each of them with its real server.
#include <atomic>

#include "tests/unit/results/bench.h"
#include "tests/unit/results/servers.h"

using namespace wherry;
using namespace wherry::results;
using namespace wherry::results::test;

TEST_CASE("a stored result is read back with all its members, until it is forgotten", "[results]") {
  const auto server = make_server(GENERATE_COPY(from_range(kinds())));
  Bench bench(server->url());
  CHECK(*bench.get("unknown") == std::nullopt);
  task::ResultMeta meta;
  meta.task_id = "one";
  meta.status = "SUCCESS";
  meta.result =
      task::Value::Map{{"text", "ü"}, {"list", task::Value::Array{1, 0.5, nullptr, true}}, {"big", 1ULL << 63}};
  meta.children = task::Value::Array{task::Value::Array{task::Value::Array{"child", nullptr}, nullptr}};
  meta.date_done = WallTime(std::chrono::seconds(1'700'000'000)) + 250ms;
  meta.group_id = "group";
  meta.parent_id = "parent";
  REQUIRE(bench.store(meta));
  CHECK(*bench.get("one") == meta);

  task::ResultMeta failed{.task_id = "two", .status = "FAILURE"};
  failed.exception = task::TaskException{"ValueError", {"no such user", 7}, "builtins"};
  failed.traceback = "Traceback: ...";
  REQUIRE(bench.store(failed));
  CHECK(*bench.get("two") == failed);

  REQUIRE(bench.answer<void>([](ResultBackend& b, Done<> done) { b.forget("one", soon(), done); }));
  CHECK(*bench.get("one") == std::nullopt);
  CHECK(bench.get("two")->has_value());
}

TEST_CASE("a success stands whatever is stored after it; any other state gives way", "[results]") {
  const auto server = make_server(GENERATE_COPY(from_range(kinds())));
  Bench bench(server->url());
  REQUIRE(bench.store({.task_id = "t", .status = "PROGRESS", .result = task::Value::Map{{"done", 1}}}));
  REQUIRE(bench.store({.task_id = "t", .status = "FAILURE", .exception = task::TaskException{"E", {"x"}, {}}}));
  REQUIRE(bench.store(succeeded("t", 1)));
  REQUIRE(bench.store({.task_id = "t", .status = "RETRY", .exception = task::TaskException{"E", {"x"}, {}}}));
  REQUIRE(bench.store(succeeded("t", 2)));
  CHECK((*bench.get("t"))->result == task::Value(1));
}

TEST_CASE("a watch hears what stands and what comes, whoever stores it, and ends with the result", "[results]") {
  const auto server = make_server(GENERATE_COPY(from_range(kinds())));
  Bench reader(server->url());
  Bench writer(server->url());
  REQUIRE(writer.store(succeeded("before", "there already")));
  Ear before(reader, "before");
  CHECK(before.wait("SUCCESS").result == task::Value("there already"));

  Ear ear(reader, "t");
  REQUIRE(writer.store({.task_id = "t", .status = "PROGRESS", .result = 50}));
  CHECK(ear.wait("PROGRESS").result == task::Value(50));
  REQUIRE(writer.store(succeeded("t", 7)));
  CHECK(ear.wait("SUCCESS").result == task::Value(7));

  Ear dropped(reader, "u");
  reader.on_loop([&] { reader.backend().unwatch("u"); });
  Ear other(reader, "v");
  REQUIRE(writer.store(succeeded("u", 1)));
  REQUIRE(writer.store(succeeded("v", 1)));
  other.wait("SUCCESS");
  CHECK(dropped.count() == 0);
}

TEST_CASE("questions and watches outlive their server's absence", "[results]") {
  const auto server = make_server(GENERATE_COPY(from_range(kinds())));
  if (!server->can_stop()) return;
  Bench reader(server->url());
  Ear ear(reader, "t");
  Ear ready(reader, "ready");
  REQUIRE(reader.store(succeeded("ready", 1)));
  ready.wait("SUCCESS");
  server->stop();
  const auto late = reader.store(succeeded("late", 1), std::chrono::steady_clock::now() + 50ms);
  REQUIRE(!late);
  CHECK(late.error().kind != Failure::Kind::refused);

  std::promise<Outcome<void>> stored;
  reader.on_loop([&] {
    reader.backend().store(succeeded("t", 7), soon(), [&](Outcome<void> outcome) { stored.set_value(outcome); });
  });
  server->start();
  REQUIRE(stored.get_future().get());
  CHECK(ear.wait("SUCCESS").result == task::Value(7));
  CHECK((*reader.get("ready"))->result == task::Value(1));
}

TEST_CASE("a chord's parts count once each and come back in order with the last", "[results][chord]") {
  const auto server = make_server(GENERATE_COPY(from_range(kinds())));
  Bench one(server->url());
  Bench two(server->url());
  REQUIRE(one.chord_size("g", 3));
  auto progress = *one.part("g", 2, succeeded("c", "third"));
  CHECK(progress.returned == 1);
  CHECK(progress.size == 3u);
  CHECK_FALSE(progress.complete());
  // A task that runs again returns again, perhaps with another result.
  progress = *two.part("g", 2, succeeded("c", "third, again"));
  CHECK(progress.returned == 1);
  REQUIRE(one.part("g", 0, succeeded("a", "first")));
  task::ResultMeta failed{.task_id = "b", .status = "FAILURE"};
  failed.exception = task::TaskException{"ValueError", {"second"}, "builtins"};
  for (Bench* bench : {&two, &one}) {
    // Whoever's worker dies before the body is sent returns again, and hears it again.
    progress = *bench->part("g", 1, failed);
    REQUIRE(progress.complete());
    REQUIRE(progress.parts.size() == 3);
    CHECK(progress.parts[0] == succeeded("a", "first"));
    CHECK(progress.parts[1] == failed);
    CHECK(progress.parts[2] == succeeded("c", "third"));
  }
  REQUIRE(one.answer<void>([](ResultBackend& b, Done<> done) { b.forget_chord("g", soon(), done); }));
  progress = *two.part("g", 1, failed);
  CHECK_FALSE(progress.complete());
}

TEST_CASE("a chord's size may come late, and grow", "[results][chord]") {
  const auto server = make_server(GENERATE_COPY(from_range(kinds())));
  Bench bench(server->url());
  CHECK(bench.part("g", 0, succeeded("a", 1))->size == std::nullopt);
  REQUIRE(bench.chord_size("g", 2));
  // A part that adds another to its chord shares its index with it.
  // Also when it runs again.
  for (int runs = 0; runs < 2; ++runs) {
    REQUIRE(bench.answer<void>([](ResultBackend& b, Done<> done) { b.add_to_chord("g", "b", 1, soon(), done); }));
  }
  CHECK_FALSE(bench.part("g", 1, succeeded("b", 2))->complete());
  const auto progress = *bench.part("g", 1, succeeded("added", 3));
  REQUIRE(progress.complete());
  CHECK(progress.parts.size() == 3);
  CHECK(progress.parts[0].task_id == "a");
}

TEST_CASE("of ten thousand parts returned at once by several workers exactly one is the last", "[results][chord]") {
  const auto server = make_server(GENERATE_COPY(from_range(kinds())));
  constexpr int count = 10'000;
  Bench first(server->url());
  Bench second(server->url());
  REQUIRE(first.chord_size("g", count));
  std::atomic<int> answered = 0;
  std::atomic<int> complete = 0;
  std::atomic<int> failed = 0;
  std::vector<task::ResultMeta> parts;
  for (int begin : {0, 1}) {
    Bench& bench = begin == 0 ? first : second;
    bench.loop().post([&, begin, &backend = bench.backend()] {
      for (int i = begin; i < count; i += 2) {
        backend.chord_part_return({"g", i, succeeded("task-" + std::to_string(i), i)}, soon(), [&](auto outcome) {
          if (!outcome) ++failed;
          if (outcome && outcome->complete()) {
            ++complete;
            parts = std::move(outcome->parts);
          }
          ++answered;
        });
      }
    });
  }
  REQUIRE(eventually([&] { return answered == count; }));
  CHECK(failed == 0);
  CHECK(complete == 1);
  REQUIRE(parts.size() == count);
  for (int i = 0; i < count; ++i) REQUIRE(parts[static_cast<std::size_t>(i)].result == task::Value(i));
}

TEST_CASE("a saved group is restored, until it is forgotten", "[results]") {
  const auto server = make_server(GENERATE_COPY(from_range(kinds())));
  Bench bench(server->url());
  const task::Value tuple = task::Value::Array{task::Value::Array{"g", nullptr}, task::Value::Array{}};
  auto restored = [&] {
    return *bench.answer<std::optional<task::Value>>(
        [](ResultBackend& b, auto done) { b.restore_group("g", soon(), done); });
  };
  CHECK(restored() == std::nullopt);
  REQUIRE(bench.answer<void>([&](ResultBackend& b, Done<> done) { b.save_group("g", tuple, soon(), done); }));
  CHECK(restored() == tuple);
  REQUIRE(bench.answer<void>([&](ResultBackend& b, Done<> done) { b.forget_group("g", soon(), done); }));
  CHECK(restored() == std::nullopt);
}

TEST_CASE("results and chords are dropped after their time", "[results]") {
  const auto server = make_server(GENERATE_COPY(from_range(kinds())));
  Bench bench(server->url(), {.expires = 1s});
  REQUIRE(bench.part("g", 0, succeeded("a", 1)));
  // The later of the two: when it has gone the chord has, which each further part would keep for longer.
  REQUIRE(bench.store(succeeded("t", 1)));
  CHECK(eventually([&] { return !bench.get("t")->has_value(); }));
  CHECK(eventually([&] { return bench.part("g", 1, succeeded("b", 1))->returned == 1; }));
}

TEST_CASE("what cannot be written is refused, and says why", "[results]") {
  const auto server = make_server(GENERATE_COPY(from_range(kinds())));
  Bench bench(server->url());
  const auto stored = bench.store(succeeded("t", std::numeric_limits<double>::infinity()));
  REQUIRE(!stored);
  CHECK(stored.error().kind == Failure::Kind::refused);
  CHECK_FALSE(stored.error().message.empty());
}

TEST_CASE("a backend that is destroyed answers what still waits", "[results]") {
  const auto server = make_server(GENERATE_COPY(from_range(kinds())));
  if (server->can_stop()) server->stop();
  int answered = 0;
  {
    Bench bench(server->url());
    bench.on_loop([&] {
      bench.backend().store(succeeded("t", 1), soon(), [&](Outcome<void>) { ++answered; });
      bench.backend().get("t", soon(), [&](auto) { ++answered; });
    });
  }
  CHECK(answered == 2);
}
