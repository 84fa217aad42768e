#include "sdk/link/publisher.h"

#include <catch2/catch.hpp>

#include "tests/unit/sdk/fake_wire.h"

using namespace wherry;
using namespace wherry::sdk;

namespace {

struct Fixture {
  Fixture(std::size_t window = 100, std::size_t most = 1000) : publisher(window, most) {}

  void publish(const std::string& body, Monotonic deadline = Monotonic::max(), const std::string& exchange = "x") {
    Publication message;
    message.exchange = exchange;
    message.routing_key = "k";
    message.body = body;
    message.properties.message_id = "id-" + body.substr(0, 20);
    message.deadline = deadline;
    auto done = [this, body](const Report& r) { reports.emplace_back(body, r); };
    publisher.publish(std::make_unique<Prepared>(std::move(message), done), now);
  }
  std::vector<std::string> sent(const test::FakeWire& on) const {
    std::vector<std::string> out;
    for (const auto& each : on.published) out.push_back(each.body);
    return out;
  }
  std::vector<std::string> reported() const {
    std::vector<std::string> out;
    for (const auto& [body, report] : reports) out.push_back(body + " " + std::string(outcome_name(report.outcome)));
    return out;
  }

  Monotonic now{std::chrono::seconds(1000)};
  test::FakeWire wire;
  Publisher publisher;
  std::vector<std::pair<std::string, Report>> reports;
};

using List = std::vector<std::string>;

}  // namespace

TEST_CASE("publishes wait for the channel and are confirmed by their tags", "[publisher]") {
  Fixture f;
  f.publish("a");
  f.publish("b");
  CHECK(f.wire.published.empty());
  f.publisher.up(f.wire, 1);
  f.publish("c");
  CHECK(f.sent(f.wire) == List{"a", "b", "c"});
  f.publisher.on_ack(2, false);
  CHECK(f.reported() == List{"b confirmed"});
  f.publisher.on_ack(3, true);
  CHECK(f.reported() == List{"b confirmed", "a confirmed", "c confirmed"});
  CHECK(f.publisher.size() == 0);
}

TEST_CASE("a nack is a refusal of that message alone", "[publisher]") {
  Fixture f;
  f.publisher.up(f.wire, 1);
  f.publish("a");
  f.publish("b");
  f.publisher.on_nack(1, false, f.now);
  f.publisher.on_ack(2, false);
  CHECK(f.reported() == List{"a refused", "b confirmed"});
}

TEST_CASE("a returned message is unroutable, with the broker's words, when its confirm comes", "[publisher]") {
  Fixture f;
  f.publisher.up(f.wire, 1);
  f.publish("a");
  f.publish("b");
  f.publisher.on_return(amqp::BasicReturn{312, "NO_ROUTE", "x", "k"}, "id-b");
  CHECK(f.reports.empty());
  f.publisher.on_ack(2, true);
  CHECK(f.reported() == List{"a confirmed", "b unroutable"});
  CHECK(f.reports[1].second.code == 312);
  CHECK(f.reports[1].second.text == "NO_ROUTE");
}

TEST_CASE("what was not confirmed is published again, in order, on the next channel", "[publisher]") {
  Fixture f;
  f.publisher.up(f.wire, 1);
  for (const char* body : {"a", "b", "c"}) f.publish(body);
  f.publisher.on_ack(2, false);
  f.publisher.down();
  f.publish("d");
  test::FakeWire next;
  f.publisher.up(next, 1);
  CHECK(f.sent(next) == List{"a", "c", "d"});
  CHECK(next.published[0].properties == f.wire.published[0].properties);
  f.publisher.on_ack(3, true);
  CHECK(f.reported() == List{"b confirmed", "a confirmed", "c confirmed", "d confirmed"});
}

TEST_CASE("a confirm that comes twice or for nothing changes nothing", "[publisher]") {
  Fixture f;
  f.publisher.up(f.wire, 1);
  f.publish("a");
  f.publisher.on_ack(7, false);
  f.publisher.on_ack(1, false);
  f.publisher.on_ack(1, true);
  CHECK(f.reported() == List{"a confirmed"});
}

TEST_CASE("no more than the window is on the wire", "[publisher]") {
  Fixture f(2);
  f.publisher.up(f.wire, 1);
  for (const char* body : {"a", "b", "c", "d"}) f.publish(body);
  CHECK(f.sent(f.wire) == List{"a", "b"});
  f.publisher.on_ack(1, false);
  CHECK(f.sent(f.wire) == List{"a", "b", "c"});
}

TEST_CASE("a window of bytes lets one large message through at a time", "[publisher]") {
  Fixture f;
  f.publisher.up(f.wire, 1);
  f.publish(std::string(9 << 20, 'a'));
  f.publish(std::string(9 << 20, 'b'));
  f.publish("c");
  CHECK(f.wire.published.size() == 1);
  f.publisher.on_ack(1, false);
  CHECK(f.wire.published.size() == 2);
  f.publisher.on_ack(2, false);
  CHECK(f.wire.published.size() == 3);
}

TEST_CASE("more than may wait is refused at once as overload", "[publisher]") {
  Fixture f(2, 3);
  for (const char* body : {"a", "b", "c", "d"}) f.publish(body);
  CHECK(f.reported() == List{"d overloaded"});
  f.publisher.up(f.wire, 1);
  f.publisher.on_ack(1, false);
  f.publish("e");
  CHECK(f.reported() == List{"d overloaded", "a confirmed"});
}

TEST_CASE("a deadline ends the wait of a message, on the wire or not, and it is not published again", "[publisher]") {
  Fixture f(1);
  f.publisher.up(f.wire, 1);
  f.publish("a", f.now + std::chrono::seconds(1));
  f.publish("b", f.now + std::chrono::seconds(2));
  f.publish("c");
  CHECK(f.publisher.next_deadline() == f.now + std::chrono::seconds(1));
  f.publisher.on_time(f.now + std::chrono::seconds(2), {Outcome::timed_out, 0, "late"});
  CHECK(f.reported() == List{"a timed_out", "b timed_out"});
  CHECK(f.publisher.next_deadline() == Monotonic::max());
  f.publisher.on_ack(1, false);  // Too late for a, whose place in line it frees.
  CHECK(f.sent(f.wire) == List{"a", "c"});
  f.publisher.down();
  test::FakeWire next;
  f.publisher.up(next, 1);
  CHECK(f.sent(next) == List{"c"});
}

TEST_CASE("the publish that costs the channel is found, and only it is refused", "[publisher]") {
  Fixture f;
  f.publisher.up(f.wire, 1);
  for (const char* body : {"a", "bad", "c"}) f.publish(body);
  const Report closed{Outcome::refused, 404, "NOT_FOUND - no exchange 'x'"};
  f.publisher.down(&closed);
  CHECK(f.reports.empty());

  test::FakeWire second;
  f.publisher.up(second, 1);
  f.publish("late");
  CHECK(f.sent(second) == List{"a"});
  f.publisher.on_ack(1, false);
  CHECK(f.sent(second) == List{"a", "bad"});
  f.publisher.down(&closed);
  CHECK(f.reported() == List{"a confirmed", "bad refused"});
  CHECK(f.reports[1].second.code == 404);

  test::FakeWire third;
  f.publisher.up(third, 1);
  CHECK(f.sent(third) == List{"c"});
  f.publisher.on_ack(1, false);
  CHECK(f.sent(third) == List{"c", "late"});
  f.publish("after");
  CHECK(f.sent(third) == List{"c", "late", "after"});
}

TEST_CASE("nothing is sent while the broker holds publishers back", "[publisher]") {
  Fixture f;
  f.publisher.up(f.wire, 1);
  f.publisher.hold(true);
  f.publish("a");
  CHECK(f.wire.published.empty());
  f.publisher.hold(false);
  CHECK(f.sent(f.wire) == List{"a"});
}

TEST_CASE("a report may publish the next message", "[publisher]") {
  Fixture f;
  f.publisher.up(f.wire, 1);
  int left = 3;
  std::function<void(const Report&)> again = [&](const Report&) {
    if (--left > 0)
      f.publisher.publish(std::make_unique<Prepared>(Publication{.routing_key = "k", .body = "again"}, again), f.now);
  };
  f.publisher.publish(std::make_unique<Prepared>(Publication{.routing_key = "k", .body = "first"}, again), f.now);
  for (std::uint64_t tag = 1; tag <= 3; ++tag) f.publisher.on_ack(tag, true);
  CHECK(left == 0);
  CHECK(f.sent(f.wire) == List{"first", "again", "again"});
}

TEST_CASE("all that waits can be ended at once", "[publisher]") {
  Fixture f(1);
  f.publisher.up(f.wire, 1);
  f.publish("a");
  f.publish("b");
  f.publisher.fail_all({Outcome::closed, 0, "closed"});
  CHECK(f.reported() == List{"a closed", "b closed"});
  CHECK(f.publisher.size() == 0);
  f.publisher.on_ack(1, false);
  f.publish("c");
  CHECK(f.sent(f.wire) == List{"a", "c"});
}
