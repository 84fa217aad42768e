// A cluster's publishes that get nowhere: the publisher alone, with a wire that only writes down, then a whole session.
#include "sdk/link/renewal.h"

#include <catch2/catch.hpp>

#include "base/log.h"
#include "sdk/link/publisher.h"
#include "tests/unit/sdk/fake_wire.h"
#include "tests/unit/sdk/session_world.h"

using namespace wherry;
using namespace wherry::sdk;
using namespace std::chrono_literals;
using test::List;

namespace {

struct ClusterFixture {
  explicit ClusterFixture(bool renews = true) : publisher(100, 1000, renews) {
    log::set_level(log::Level::off);
    publisher.up(wire, 1);
  }

  void publish(const std::string& body, std::chrono::milliseconds within = 1h) {
    Publication message{.routing_key = "q", .body = body, .deadline = now + within};
    publisher.publish(
        std::make_unique<Prepared>(std::move(message),
                                   [this, body](const Report& r) {
                                     reported.push_back(body + " " + std::string(outcome_name(r.outcome)));
                                     last = r;
                                   }),
        now);
  }
  // As its owner does it, to every deadline on the way.
  void pass(std::chrono::milliseconds time) {
    const Monotonic end = now + time;
    while (publisher.next_deadline() <= end) {
      now = std::max(now, publisher.next_deadline());
      publisher.on_time(now, {Outcome::timed_out, 0, "late"});
    }
    now = end;
  }
  bool renewed() { return std::exchange(wire.closed_channels, 0) > 0; }
  // The broker has closed the channel and opened it anew; what it hears there.
  List reopen() {
    publisher.down();
    wire.published.clear();
    wire.methods.clear();
    publisher.up(wire, 1);
    return sent();
  }
  List sent() const {
    List bodies;
    for (const auto& each : wire.published) bodies.push_back(each.body);
    return bodies;
  }
  bool asked() { return !std::exchange(wire.methods, {}).empty(); }
  // Silence until the channel is given up; how long it took. The broker answers what it is asked.
  std::chrono::seconds silence() {
    const Monotonic began = now;
    while (now - began < 10min) {
      pass(1s);
      if (asked()) publisher.on_select_ok();
      if (renewed()) break;
    }
    return std::chrono::duration_cast<std::chrono::seconds>(now - began);
  }

  Monotonic now{1000s};
  test::FakeWire wire;
  Publisher publisher;
  List reported;
  Report last;
};

}  // namespace

TEST_CASE("what a cluster nacks goes out again in order on a new channel, and what it confirmed does not",
          "[renewal]") {
  ClusterFixture f;
  for (const char* body : {"a", "b", "c"}) f.publish(body);
  f.publisher.on_nack(1, false, f.now);
  f.publish("d");
  CHECK(f.sent() == List{"a", "b", "c"});  // Nothing more on this channel.
  f.pass(1s);
  CHECK_FALSE(f.renewed());  // Others are not settled yet.
  f.publisher.on_ack(2, false);
  f.publisher.on_nack(3, false, f.now);
  f.pass(100ms);
  REQUIRE(f.renewed());
  CHECK(f.reported == List{"b confirmed"});
  CHECK(f.reopen() == List{"a", "c", "d"});
  f.publisher.on_ack(3, true);
  CHECK(f.reported == List{"b confirmed", "a confirmed", "c confirmed", "d confirmed"});
  f.pass(5min);
  CHECK_FALSE(f.renewed());
  CHECK(f.publisher.next_deadline() == Monotonic::max());
}

TEST_CASE("a confirm for many does not confirm those among them that were nacked", "[renewal]") {
  ClusterFixture f;
  for (const char* body : {"a", "b", "c"}) f.publish(body);
  f.publisher.on_nack(1, false, f.now);
  f.publisher.on_ack(3, true);
  CHECK(f.reported == List{"b confirmed", "c confirmed"});
  f.pass(1s);
  REQUIRE(f.renewed());
  CHECK(f.reopen() == List{"a"});
}

TEST_CASE("each channel on which nacks go on is given up later than the one before", "[renewal]") {
  ClusterFixture f;
  f.publish("a");
  std::vector<std::chrono::milliseconds> waits;
  for (int round = 0; round < 5; ++round) {
    f.publisher.on_nack(1, false, f.now);
    const Monotonic nacked = f.now;
    while (!f.renewed()) f.pass(10ms);
    waits.push_back(std::chrono::duration_cast<std::chrono::milliseconds>(f.now - nacked));
    CHECK(f.reopen() == List{"a"});
  }
  CHECK(waits == std::vector<std::chrono::milliseconds>{250ms, 500ms, 1000ms, 2000ms, 2000ms});
}

TEST_CASE("a nack is the last word when there were nacks for half a minute, and others are not held up", "[renewal]") {
  ClusterFixture f;
  f.publish("full");
  for (int round = 0; round < 100 && f.reported.empty(); ++round) {
    f.publisher.on_nack(1, false, f.now);
    if (!f.reported.empty()) break;
    while (!f.renewed()) f.pass(50ms);
    f.reopen();
  }
  CHECK(f.reported == List{"full refused"});
  CHECK(f.now - Monotonic(1000s) >= 30s);
  CHECK(f.now - Monotonic(1000s) < 33s);
  f.publish("full too");
  f.publisher.on_nack(2, false, f.now);
  CHECK(f.reported.back() == "full too refused");
  f.publish("other");
  f.publisher.on_ack(3, false);
  CHECK(f.reported.back() == "other confirmed");
  // It may have been a queue without a leader all the same: a new channel now and then.
  f.pass(35s);
  CHECK(f.renewed());
  CHECK(f.reopen().empty());
  // A queue that has been heard of long ago is trusted again.
  f.pass(1min);
  f.publish("much later");
  f.publisher.on_nack(1, false, f.now);
  CHECK(f.reported.back() == "other confirmed");
}

TEST_CASE("what is nacked until its deadline is late then, with the reason", "[renewal]") {
  ClusterFixture f;
  f.publish("a", 100ms);
  f.publisher.on_nack(1, false, f.now);
  f.pass(1s);
  CHECK(f.reported == List{"a timed_out"});
  CHECK(f.last.text == "the broker did not take the message (nack): its queue has no leader, or is full");
  REQUIRE(f.renewed());
  CHECK(f.reopen().empty());
}

TEST_CASE("a publish without its confirm goes out again on a new channel when the broker has answered behind it",
          "[renewal]") {
  ClusterFixture f;
  for (const char* body : {"a", "b"}) f.publish(body);
  f.publisher.on_ack(2, false);
  f.pass(1min);
  CHECK(f.asked());
  CHECK_FALSE(f.renewed());  // Not read yet: a slow broker, or a full socket.
  f.publisher.on_select_ok();
  f.pass(10s);
  REQUIRE(f.renewed());
  CHECK(f.reopen() == List{"a"});
  f.publisher.on_ack(1, false);
  CHECK(f.reported == List{"b confirmed", "a confirmed"});
}

TEST_CASE("a broker that confirms slowly in order is not taken for a silent one", "[renewal]") {
  ClusterFixture f;
  for (int n = 0; n < 60; ++n) f.publish(std::to_string(n));
  for (std::uint64_t tag = 1; tag <= 60; ++tag) {
    f.pass(2s);
    if (f.asked()) f.publisher.on_select_ok();
    f.publisher.on_ack(tag, false);
  }
  CHECK_FALSE(f.renewed());
  CHECK(f.reported.size() == 60);
}

TEST_CASE("others that are confirmed do not hide one that is not", "[renewal]") {
  ClusterFixture f;
  f.publish("stuck");
  int seconds = 0;
  for (std::uint64_t tag = 2; seconds < 60 && !f.renewed(); ++tag, ++seconds) {
    f.publish("other");
    f.publisher.on_ack(tag, false);
    f.pass(1s);
    if (f.asked()) f.publisher.on_select_ok();
  }
  CHECK(seconds < 10);
  CHECK(f.reopen() == List{"stuck"});
}

TEST_CASE("no time passes while the broker holds publishers back", "[renewal]") {
  ClusterFixture f;
  f.publish("a");
  f.pass(1500ms);
  f.publisher.hold(true);
  f.pass(5min);
  CHECK_FALSE(f.asked());
  f.publisher.on_nack(1, false, f.now);
  f.pass(1min);
  CHECK_FALSE(f.renewed());
  f.publisher.hold(false);
  f.pass(2s);
  CHECK(f.renewed());
}

TEST_CASE("silence that goes on makes renewals rare, and confirms make them prompt again", "[renewal]") {
  ClusterFixture f;
  f.publish("a");
  std::vector<std::chrono::seconds> waits;
  for (int round = 0; round < 5; ++round) {
    waits.push_back(f.silence());
    CHECK(f.reopen() == List{"a"});
  }
  for (std::size_t n = 1; n < waits.size(); ++n) CHECK(waits[n] > waits[n - 1]);
  CHECK(waits.back() >= 60s);
  f.publisher.on_ack(1, false);
  f.pass(5s);
  f.publish("b");
  CHECK(f.silence() == waits.front());
}

TEST_CASE("a channel that ends by itself ends the wait for its renewal", "[renewal]") {
  ClusterFixture f;
  f.publish("a");
  f.publisher.on_nack(1, false, f.now);
  f.publisher.down();
  f.pass(1min);
  CHECK_FALSE(f.renewed());
  f.wire.published.clear();
  f.publisher.up(f.wire, 1);
  CHECK(f.sent() == List{"a"});
}

TEST_CASE("a single broker's nack is final, and its silence is borne", "[renewal]") {
  ClusterFixture f(false);
  f.publish("a");
  f.publish("b");
  f.publisher.on_nack(1, false, f.now);
  CHECK(f.reported == List{"a refused"});
  CHECK(f.publisher.next_deadline() == f.now + 1h);
  f.pass(30min);
  CHECK_FALSE(f.asked());
  CHECK_FALSE(f.renewed());
}

TEST_CASE("a session in a cluster opens the channel anew, and the connection stands", "[renewal]") {
  test::World world({.quorum_queues = true});
  int without_leader = 2;
  world.script.confirm = [&](const auto& message) {
    const bool none = message.body == "a" && without_leader-- > 0;
    return none ? test::Script::Confirm::nack : test::Script::Confirm::ack;
  };
  world.up();
  world.publish("a");
  world.publish("b");
  CHECK(world.reports.empty());
  for (int n = 0; n < 20; ++n) world.after(100ms);
  CHECK(world.reports == List{"b confirmed", "a confirmed"});
  CHECK(world.script.published.size() == 4);
  CHECK(world.script.connections == 1);
  CHECK(world.downs.empty());
}

TEST_CASE("a session in a cluster publishes again what is never confirmed", "[renewal]") {
  test::World world({.quorum_queues = true});
  bool silent = true;
  world.script.confirm = [&](const auto&) { return silent ? test::Script::Confirm::none : test::Script::Confirm::ack; };
  world.up();
  world.publish("a", 60s);
  for (int n = 0; n < 10 && world.script.published.size() < 2; ++n) {
    world.after(1s);
    silent = false;
  }
  CHECK(world.reports == List{"a confirmed"});
  CHECK(world.script.published.size() == 2);
  CHECK(world.script.connections == 1);
}

TEST_CASE("a consumer that a cluster cancels is consumed again, and given up when the broker refuses that",
          "[renewal]") {
  test::World world({.quorum_queues = true});
  List delivered, refused;
  world.session->consumers().subscribe(
      {.queues = {"q"}}, [&](Delivery d) { delivered.push_back(d.body); },
      [&](const std::string& queue, const Report& why) { refused.push_back(queue + " " + why.text); });
  world.up();
  world.broker->cancel_consumer("q");
  world.pump();
  REQUIRE(world.broker->deliver("q", "after"));
  world.pump();
  CHECK(delivered == List{"after"});
  CHECK(refused.empty());

  world.script.refuse_consume["q"] = test::error(amqp::ReplyCode::not_found, "no queue");
  world.broker->cancel_consumer("q");
  world.pump();
  REQUIRE(refused.size() == 1);
  CHECK(refused[0].starts_with("q NOT_FOUND"));
}
