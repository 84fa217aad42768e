#include "broker/session/publisher_gate.h"

#include <catch2/catch.hpp>

using wherry::broker::PublisherGate;

TEST_CASE("a gate closes above its limit and opens only below half of it") {
  PublisherGate gate(1000);
  CHECK_FALSE(gate.set_waiting(1000));
  CHECK(gate.open());
  CHECK(gate.set_waiting(1001));
  CHECK_FALSE(gate.open());
  CHECK(gate.behind());
  CHECK(gate.waits_for_disk());
  CHECK_FALSE(gate.set_waiting(501));
  CHECK_FALSE(gate.open());
  CHECK(gate.set_waiting(500));
  CHECK(gate.open());
  CHECK_FALSE(gate.set_waiting(999));
  CHECK(gate.open());
}

TEST_CASE("another shard's disk closes a gate without making this shard one that is behind") {
  PublisherGate gate(1000);
  CHECK(gate.set_others_behind(true));
  CHECK_FALSE(gate.open());
  CHECK_FALSE(gate.behind());
  CHECK(gate.waits_for_disk());
  CHECK(gate.set_others_behind(false));
  CHECK(gate.open());
}

TEST_CASE("an alarm closes a gate, and its words may change while it is closed") {
  PublisherGate gate(1000);
  CHECK(gate.set_alarm("low on disk"));
  CHECK_FALSE(gate.open());
  CHECK_FALSE(gate.waits_for_disk());
  CHECK_FALSE(gate.set_alarm("low on disk"));
  CHECK(gate.set_alarm("low on memory & disk"));
  CHECK_FALSE(gate.set_waiting(2000));
  CHECK(gate.set_alarm(""));
  CHECK_FALSE(gate.open());
  CHECK(gate.set_waiting(0));
  CHECK(gate.open());
}
