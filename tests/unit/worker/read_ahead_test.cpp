#include "worker/runtime/read_ahead.h"

#include <catch2/catch.hpp>

using namespace std::chrono_literals;
using wherry::worker::ReadAhead;

namespace {

// So many runs of that length; how often tasks_per_slot() changed.
int run(ReadAhead& read_ahead, ReadAhead::Duration each, int count) {
  int changes = 0;
  for (int i = 0; i < count; ++i) changes += read_ahead.ran(each);
  return changes;
}

}  // namespace

TEST_CASE("Nothing is read ahead until tasks have shown that they are short") {
  ReadAhead read_ahead;
  CHECK(read_ahead.tasks_per_slot() == 0);
  run(read_ahead, 1us, 100);
  CHECK(read_ahead.tasks_per_slot() == 0);
  run(read_ahead, 1us, 900);
  CHECK(read_ahead.tasks_per_slot() == ReadAhead::most);
}

TEST_CASE("No more is read ahead than is begun within its time") {
  ReadAhead read_ahead;
  run(read_ahead, 100us, 2'000);
  CHECK(read_ahead.tasks_per_slot() >= 10);
  CHECK(read_ahead.tasks_per_slot() <= 20);
  run(read_ahead, 1ms, 1'000);
  CHECK(read_ahead.tasks_per_slot() <= 2);
  run(read_ahead, 3ms, 1'000);
  CHECK(read_ahead.tasks_per_slot() == 0);
}

TEST_CASE("One long run ends it, and short ones bring it back") {
  ReadAhead read_ahead;
  run(read_ahead, 1us, 2'000);
  CHECK(read_ahead.ran(1s));
  CHECK(read_ahead.tasks_per_slot() == 0);
  run(read_ahead, 1us, 2'000);
  CHECK(read_ahead.tasks_per_slot() == ReadAhead::most);
}

TEST_CASE("A slot that is kept ends it") {
  ReadAhead read_ahead;
  run(read_ahead, 1us, 2'000);
  CHECK(read_ahead.stalled());
  CHECK(read_ahead.tasks_per_slot() == 0);
  CHECK_FALSE(read_ahead.stalled());
}

TEST_CASE("It changes by factors of two, so that the broker is told rarely") {
  ReadAhead read_ahead;
  CHECK(run(read_ahead, 1us, 2'000) <= 10);
  int changes = 0;
  for (int i = 0; i < 1'000; ++i) changes += read_ahead.ran(i % 2 == 0 ? 15us : 30us);
  CHECK(changes <= 5);
}
