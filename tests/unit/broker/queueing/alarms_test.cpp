#include "broker/queueing/alarms.h"

#include <vector>

#include <catch2/catch.hpp>

using namespace wherry::broker;

TEST_CASE("alarms speak RabbitMQ's words") {
  Alarms alarms;
  CHECK(alarms.reason().empty());
  alarms.set(Alarm::memory, true);
  CHECK(alarms.reason() == "low on memory");
  alarms.set(Alarm::disk, true);
  CHECK(alarms.reason() == "low on memory & disk");
  alarms.set(Alarm::memory, false);
  CHECK(alarms.reason() == "low on disk");
  alarms.set(Alarm::disk, false);
  CHECK(alarms.reason().empty());
}

TEST_CASE("a store without room is a disk that is low, until each store that said so has room") {
  Alarms alarms;
  alarms.set(Alarm::store_full, true, 0);
  alarms.set(Alarm::store_full, true, 3);
  CHECK(alarms.raised(Alarm::store_full));
  CHECK_FALSE(alarms.raised(Alarm::disk));
  CHECK(alarms.reason() == "low on disk");
  alarms.set(Alarm::store_full, false, 0);
  alarms.set(Alarm::store_full, false, 0);
  CHECK(alarms.reason() == "low on disk");
  alarms.set(Alarm::store_full, false, 3);
  CHECK(alarms.reason().empty());
}

TEST_CASE("changes are told once each, and none after the listener has left") {
  Alarms alarms;
  std::vector<std::string> told;
  alarms.on_change([&](const std::string& reason) { told.push_back(reason); });
  alarms.set(Alarm::disk, true);
  alarms.set(Alarm::disk, true);
  alarms.set(Alarm::store_full, true);
  alarms.set(Alarm::disk, false);
  alarms.set(Alarm::store_full, false);
  CHECK(told == std::vector<std::string>{"low on disk", ""});
  alarms.set_memory_short(true);
  alarms.set_memory_short(true);
  CHECK(alarms.memory_short());
  CHECK(alarms.reason().empty());
  CHECK(told.size() == 3);
  alarms.on_change({});
  alarms.set(Alarm::memory, true);
  CHECK(told.size() == 3);
}
