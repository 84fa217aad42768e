// Delayed publishing by a session of the link, with brokers that can hold messages back and others.
#include <catch2/catch.hpp>

#include "sdk/link/delay_levels.h"
#include "tests/unit/sdk/session_world.h"

using namespace wherry;
using namespace wherry::sdk;
using namespace std::chrono_literals;
using test::error;
using test::List;
using test::World;

namespace {
std::string repeated(const std::string& text, int times) {
  std::string out;
  for (int i = 0; i < times; ++i) out += text;
  return out;
}

void publish_delayed(World& world, const std::string& body, std::chrono::milliseconds within = 5s) {
  Publication message;
  message.body = body;
  message.deadline = world.now() + within;
  world.session->publish_delayed(std::move(message), "q", 1500ms, world.report(body));
  world.pump();
}
}  // namespace

TEST_CASE("a delayed publish goes through the delayed exchange, bound once a queue", "[session]") {
  World world;
  world.up();
  publish_delayed(world, "a");
  publish_delayed(world, "b");
  CHECK(world.reports == List{"a confirmed", "b confirmed"});
  CHECK(world.script.log == List{"declare exchange wherry.delayed passive", "bind q to wherry.delayed by q"});
  REQUIRE(world.script.published.size() == 2);
  const auto& message = world.script.published[1];
  CHECK(message.exchange == "wherry.delayed");
  CHECK(message.routing_key == "q");
  CHECK_FALSE(message.mandatory);
  std::int64_t delay_ms = 0;
  CHECK(message.properties.headers->integer("x-delay", delay_ms));
  CHECK(delay_ms == 1500);
}

TEST_CASE("the delayed exchange is made by a probe where it is missing", "[session]") {
  World world;
  world.script.refuse_declare["wherry.delayed"] = error(amqp::ReplyCode::not_found);
  world.up();
  publish_delayed(world, "a");
  REQUIRE(world.probes.size() == 1);
  CHECK(world.reports.empty());
  world.probes[0]({});
  world.pump();
  CHECK(world.reports == List{"a confirmed"});
  CHECK(world.script.published.at(0).exchange == "wherry.delayed");
}

TEST_CASE("without the delayed exchange a delayed publish goes through Celery's levels", "[session]") {
  World world;
  world.script.refuse_declare["wherry.delayed"] = error(amqp::ReplyCode::not_found);
  world.up();
  publish_delayed(world, "a");
  world.probes.at(0)({Outcome::refused, 503, "unknown exchange type"});
  world.pump();
  publish_delayed(world, "b");
  CHECK(world.probes.size() == 1);
  CHECK(world.reports == List{"a confirmed", "b confirmed"});
  CHECK(world.script.log.at(1) == "declare exchange celery_delayed_delivery passive");
  CHECK(world.script.count("bind q to celery_delayed_delivery by " + repeated("*.", 28) + "q") == 1);
  REQUIRE(world.script.published.size() == 2);
  CHECK(world.script.published[1].exchange == "celery_delayed_27");
  CHECK(world.script.published[1].routing_key == repeated("0.", 27) + "1.q");
  CHECK(world.script.published[1].mandatory);
}

TEST_CASE("levels that are missing are made by a probe", "[session]") {
  World world;
  world.script.refuse_declare["wherry.delayed"] = error(amqp::ReplyCode::not_found);
  world.script.refuse_declare["celery_delayed_delivery"] = error(amqp::ReplyCode::not_found);
  world.up();
  publish_delayed(world, "a");
  world.probes.at(0)({Outcome::refused, 503, "unknown exchange type"});
  world.pump();
  CHECK(world.reports.empty());
  REQUIRE(world.probed.size() == 2);
  CHECK(world.probed[1] == delay_levels());
  world.probes.at(1)({});
  world.pump();
  CHECK(world.reports == List{"a confirmed"});
  CHECK(world.script.published.at(0).exchange == "celery_delayed_27");
}

TEST_CASE("what levels cannot hold goes to its queue at once", "[session]") {
  World world;
  world.script.refuse_declare["wherry.delayed"] = error(amqp::ReplyCode::not_found);
  world.up();
  publish_delayed(world, "a");
  world.probes.at(0)({Outcome::refused, 503, "unknown exchange type"});
  world.pump();
  world.session->publish_delayed({}, "q", 999ms, {});
  world.session->publish_delayed({}, "all.#", 5s, {});
  world.session->publish_delayed({}, std::string(200, 'q'), 5s, {});
  world.pump();
  REQUIRE(world.script.published.size() == 4);
  for (std::size_t i = 1; i < 4; ++i) CHECK(world.script.published[i].exchange.empty());
}

TEST_CASE("where the broker holds nothing back a delayed publish goes to its queue at once", "[session]") {
  World world;
  world.script.refuse_declare["wherry.delayed"] = error(amqp::ReplyCode::not_found);
  world.script.refuse_declare["celery_delayed_delivery"] = error(amqp::ReplyCode::not_found);
  world.up();
  publish_delayed(world, "a");
  world.probes.at(0)({Outcome::refused, 503, "unknown exchange type"});
  world.pump();
  world.probes.at(1)({Outcome::refused, 403, "no permission"});
  world.pump();
  publish_delayed(world, "b");
  CHECK(world.probes.size() == 2);
  CHECK(world.reports == List{"a confirmed", "b confirmed"});
  CHECK(world.script.published.at(0).exchange.empty());
  CHECK(world.script.published.at(0).routing_key == "q");
  CHECK(world.script.published.at(0).mandatory);
}

TEST_CASE("a delayed publish for a queue that is not there is unroutable", "[session]") {
  World world;
  world.script.refuse_declare["bind q"] = error(amqp::ReplyCode::not_found, "no queue 'q'");
  world.up();
  publish_delayed(world, "a");
  CHECK(world.reports == List{"a unroutable"});
}

TEST_CASE("a delayed publish keeps its deadline while the broker is asked", "[session]") {
  World world;
  world.script.answer_declares = false;
  world.up();
  publish_delayed(world, "a", 2s);
  world.after(2s);
  CHECK(world.reports == List{"a timed_out"});
}

// --- every step may fail
// ----------------------------------------------------------------------------------------------
