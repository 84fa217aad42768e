// Heartbeats, with a clock of our own.
#include <catch2/catch.hpp>

#include "tests/unit/protocol/amqp/machines.h"

using namespace wherry;
using namespace wherry::amqp;
using namespace wherry::amqp::test;
using namespace std::chrono_literals;

namespace {
const Lines one_heartbeat{"0 heartbeat"};
}

TEST_CASE("a heartbeat is sent every half interval when nothing else was") {
  Server server;
  server.config.tuning.heartbeat_s = 10;
  server.run();
  server.open_channel(1);
  server.pass(4999ms);
  CHECK(server.written().empty());
  // channel.open-ok went out in the first half.
  server.pass(1ms);
  CHECK(server.written().empty());
  server.give(frame(8, 0, ""));
  server.pass(5s);
  CHECK(frames_in(server.written()) == one_heartbeat);
  server.connection->send(1, BasicAck{1, false});
  server.written();
  server.pass(5s);
  CHECK(server.written().empty());
  server.pass(5s);
  CHECK(frames_in(server.written()) == one_heartbeat);
}

TEST_CASE("a peer that is silent for two intervals is dead; any byte keeps it alive") {
  Server server;
  server.config.tuning.heartbeat_s = 10;
  server.run();
  server.open_channel(1);
  server.pass(19s);
  server.give("\x01");  // Not even a whole frame.
  server.pass(19s);
  CHECK(!server.connection->finished());
  server.pass(999ms);
  CHECK(!server.connection->finished());
  server.pass(1ms);
  CHECK(server.connection->finished());
  CHECK(server.owner.take() == Lines{"1 closed", "ended 0 missed heartbeats from the client, timeout: 10s (lost)"});
}

TEST_CASE("two idle machines keep each other alive for ever") {
  Pair pair;
  pair.client.config.tuning.heartbeat_s = 2;
  pair.start();
  pair.exchange();
  for (int i = 0; i < 1000; ++i) {
    pair.server.pass(100ms);
    pair.client.pass(100ms);
    pair.exchange();
  }
  CHECK(!pair.server.connection->finished());
  CHECK(!pair.client.connection->finished());
  auto beats = std::count(pair.to_client.begin(), pair.to_client.end(), "0 heartbeat");
  CHECK(beats >= 98);
  CHECK(beats <= 101);
}

TEST_CASE("a peer that we hold back is not taken for dead") {
  Server server;
  server.config.tuning.heartbeat_s = 10;
  server.run();
  server.connection->hold();
  for (int i = 0; i < 20; ++i) server.pass(5s);
  CHECK(!server.connection->finished());
  server.give("");
  server.pass(19s);
  CHECK(!server.connection->finished());
  server.pass(1s);
  server.pass(20s);
  CHECK(server.connection->finished());
}

TEST_CASE("a peer that was held back has its full time from when we read again") {
  Server server;
  server.config.tuning.heartbeat_s = 10;
  server.run();
  server.connection->hold();
  server.pass(20s);
  server.pass(19s);
  server.give("");
  server.pass(19s);
  CHECK(!server.connection->finished());
  server.pass(1s);
  CHECK(server.connection->finished());
}

TEST_CASE("without an interval there is nothing to wait for") {
  Server server;
  server.config.tuning.heartbeat_s = 0;
  server.run();
  CHECK(server.connection->next_deadline() == Monotonic::max());
  server.connection->on_time(server.now + 24h);
  CHECK(server.written().empty());
  CHECK(!server.connection->finished());
}
