#include "sdk/link/session.h"

#include <algorithm>

#include <catch2/catch.hpp>

#include "tests/unit/sdk/session_world.h"

using namespace wherry;
using namespace wherry::sdk;
using namespace std::chrono_literals;
using test::error;
using test::List;
using test::Script;
using test::World;

TEST_CASE("what was asked for before there is a connection is done in order when it comes", "[session]") {
  World world;
  world.publish("early");
  world.declare({QueueSpec{.name = "q"}}, "declare");
  world.session->consumers().subscribe({.queues = {"q"}, .prefetch = 3}, [](Delivery) {}, {});
  world.up();
  CHECK(world.ups == std::vector<std::uint64_t>{1});
  CHECK(world.script.log == List{"declare queue q", "qos 3 global", "consume q"});
  REQUIRE(world.script.published.size() == 1);
  CHECK(world.script.published[0].body == "early");
  CHECK(world.reports == List{"declare confirmed", "early confirmed"});
}

TEST_CASE("a publish ends as the broker says: confirmed, refused or unroutable", "[session]") {
  World world;
  world.up();
  world.publish("a");
  world.script.confirm = [](const auto&) { return Script::Confirm::nack; };
  world.publish("b");
  world.script.confirm = [](const auto&) { return Script::Confirm::unroutable; };
  world.publish("c");
  CHECK(world.reports == List{"a confirmed", "b refused", "c unroutable"});
  CHECK(world.last.code == 312);
  CHECK(world.script.published[0].mandatory);
}

TEST_CASE("a publish that nobody confirms times out at its deadline", "[session]") {
  World world;
  world.up();
  world.script.confirm = [](const auto&) { return Script::Confirm::none; };
  world.publish("a", 2s);
  world.after(1s);
  CHECK(world.reports.empty());
  CHECK(world.session->next_deadline() <= world.now() + 1s);
  world.after(1s);
  CHECK(world.reports == List{"a timed_out"});
}

TEST_CASE("a connection lost before the confirm: the message is published again with the same id", "[session]") {
  World world;
  world.up();
  world.script.confirm = [](const auto&) { return Script::Confirm::none; };
  world.publish("a", 60s);
  world.lose();
  CHECK_FALSE(world.session->is_up());
  CHECK(world.reports.empty());
  world.script.confirm = [](const auto&) { return Script::Confirm::ack; };
  world.after(30s);
  world.up();
  CHECK(world.reports == List{"a confirmed"});
  REQUIRE(world.script.published.size() == 2);
  CHECK(world.script.published[0].properties == world.script.published[1].properties);
  CHECK(world.ups == std::vector<std::uint64_t>{1, 2});
}

TEST_CASE("without a connection until the deadline a publish is disconnected and says why", "[session]") {
  World world;
  world.session->start();
  world.publish("a", 3s);
  world.session->connect_failed("Connection refused");
  world.after(3s);
  CHECK(world.reports == List{"a disconnected"});
  CHECK(world.last.text == "amqp://guest@127.0.0.1:5672/: Connection refused");
}

TEST_CASE("a server that accepts and says nothing is timed out", "[session]") {
  World world;
  world.session->start();
  world.publish("a", 3s);
  OutputBuffer nowhere;
  world.session->connected(nowhere);
  world.after(3s);
  CHECK(world.reports == List{"a timed_out"});
  world.publish("b", 9s);
  world.after(8s);  // The handshake's own deadline passes, then the publish's.
  CHECK_FALSE(world.downs.empty());
  world.after(1s);
  CHECK(world.reports == List{"a timed_out", "b timed_out"});
}

TEST_CASE("a wrong password fails what waits at once, and the link goes on trying", "[session]") {
  World world;
  world.script.password = "other";
  world.publish("a", 60s);
  world.declare({QueueSpec{.name = "q"}}, "declare", 60s);
  world.session->start();
  world.accept();
  CHECK(world.was_denied == 403);
  std::sort(world.reports.begin(), world.reports.end());
  CHECK(world.reports == List{"a denied", "declare denied"});
  CHECK(world.last.text.find("Login was refused") != std::string::npos);
  world.script.password = "guest";
  world.after(1s);
  world.up();
  CHECK(world.script.log == List{"declare queue q"});  // Reported as denied, but still wanted.
  world.publish("b");
  CHECK(world.reports.back() == "b confirmed");
}

TEST_CASE("a vhost that is not there is denied with the broker's words", "[session]") {
  World world;
  world.script.virtual_host = "elsewhere";
  world.publish("a", 60s);
  world.session->start();
  world.accept();
  CHECK(world.reports == List{"a denied"});
  CHECK(world.last.text.find("vhost not found") != std::string::npos);
}

TEST_CASE("attempts go through the endpoints in turn and wait longer after each round", "[session]") {
  LinkConfig config;
  config.endpoints = *parse_endpoints("amqp://a;amqp://b");
  config.backoff_first = 100ms;
  config.backoff_max = 1s;
  World world(config);
  world.session->start();
  std::vector<std::chrono::milliseconds> waits;
  for (int i = 0; i < 12; ++i) {
    world.session->connect_failed("Connection refused");
    const auto wait = world.session->next_deadline() - world.now();
    waits.push_back(std::chrono::duration_cast<std::chrono::milliseconds>(wait));
    world.after(waits.back());
  }
  CHECK(waits ==
        std::vector<std::chrono::milliseconds>{0ms, 50ms, 0ms, 100ms, 0ms, 200ms, 0ms, 400ms, 0ms, 500ms, 0ms, 500ms});
  for (std::size_t i = 0; i < world.wanted.size(); ++i) {
    CHECK(world.wanted[i].address.host == (i % 2 == 0 ? "a" : "b"));
  }
}

TEST_CASE("after a reconnect all is declared and consumed again, in order", "[session]") {
  World world;
  world.up();
  world.declare({ExchangeSpec{.name = "x"}, QueueSpec{.name = "q"},
                 BindingSpec{.source = "x", .destination = "q", .routing_key = "k"}},
                "declare");
  world.session->consumers().subscribe({.queues = {"q"}}, [](Delivery) {}, {});
  world.pump();
  const List once{"declare exchange x", "declare queue q", "bind q to x by k", "qos 1 global", "consume q"};
  CHECK(world.script.log == once);
  world.declare({QueueSpec{.name = "q"}}, "again");  // Stands already: nothing is sent.
  CHECK(world.script.log == once);
  world.script.log.clear();
  world.lose();
  world.after(1s);
  world.up();
  CHECK(world.script.log == once);
}

TEST_CASE("a refused declaration is reported, costs only itself and is not remembered", "[session]") {
  World world;
  world.script.refuse_declare["bad"] = error(amqp::ReplyCode::precondition_failed);
  world.up();
  world.declare({QueueSpec{.name = "bad"}, QueueSpec{.name = "behind"}}, "first");
  world.declare({QueueSpec{.name = "good"}}, "second");
  CHECK(world.reports == List{"first refused", "second confirmed"});
  CHECK(world.script.log == List{"declare queue bad", "declare queue good"});
  world.publish("still works");
  CHECK(world.reports.back() == "still works confirmed");
  world.script.log.clear();
  world.lose();
  world.after(1s);
  world.up();
  CHECK(world.script.log == List{"declare queue good"});
  CHECK(world.not_restored.empty());
}

TEST_CASE("what cannot be restored is told, and does not stop the rest", "[session]") {
  World world;
  world.up();
  world.declare({QueueSpec{.name = "a"}, QueueSpec{.name = "b"}}, "declare");
  world.script.refuse_declare["a"] = error(amqp::ReplyCode::resource_locked);
  world.lose();
  world.after(1s);
  world.up();
  CHECK(world.not_restored == std::vector<int>{405});
  CHECK(world.script.count("declare queue b") == 2);
}

TEST_CASE("a declaration that costs the connection is not tried again on the next", "[session]") {
  World world;
  world.script.refuse_declare["odd"] = error(amqp::ReplyCode::command_invalid, "unknown exchange type");
  world.up();
  world.declare({ExchangeSpec{.name = "odd", .type = "odd"}}, "odd");
  CHECK(world.reports == List{"odd refused"});
  CHECK(world.last.code == 503);
  world.after(1s);
  world.up();
  CHECK(world.script.count("declare exchange odd") == 1);
}

TEST_CASE("a publish to an exchange that is not there is refused and the others are not", "[session]") {
  World world;
  world.up();
  world.script.refuse_publish["nowhere"] = error(amqp::ReplyCode::not_found, "no exchange 'nowhere'");
  world.script.confirm = [](const auto&) { return Script::Confirm::none; };
  world.publish("before");
  world.script.confirm = [](const auto&) { return Script::Confirm::ack; };
  world.publish("bad", 5s, "nowhere");
  world.publish("behind");
  std::sort(world.reports.begin(), world.reports.end());
  CHECK(world.reports == List{"bad refused", "before confirmed", "behind confirmed"});
  CHECK(world.session->is_up());
}

TEST_CASE("deliveries are settled by their reference, and a stale reference does nothing", "[session]") {
  World world;
  std::vector<Delivery> got;
  world.session->consumers().subscribe({.queues = {"q"}}, [&](Delivery d) { got.push_back(std::move(d)); }, {});
  world.up();
  amqp::Properties properties;
  properties.correlation_id = "id";
  REQUIRE(world.broker->deliver("q", "one", properties, true));
  REQUIRE(world.broker->deliver("q", "two"));
  world.pump();
  REQUIRE(got.size() == 2);
  CHECK(got[0].body == "one");
  CHECK(got[0].queue == "q");
  CHECK(got[0].redelivered);
  CHECK(got[0].properties == properties);
  world.session->consumers().ack(got[0].ref);
  world.pump();
  world.lose();
  world.session->consumers().ack(got[1].ref);
  world.after(1s);
  world.up();
  world.session->consumers().nack(got[1].ref, true);
  REQUIRE(world.broker->deliver("q", "two", {}, true));
  world.pump();
  REQUIRE(got.size() == 3);
  world.session->consumers().nack(got[2].ref, false);
  world.pump();
  CHECK(world.script.count("ack 1") == 1);
  CHECK(world.script.count("ack 2") == 0);
  CHECK(world.script.count("reject 2 requeue") == 0);
  CHECK(world.script.count("reject 1") == 1);
}

TEST_CASE("a queue that cannot be consumed is told, and the others are consumed", "[session]") {
  World world;
  world.script.refuse_consume["gone"] = error(amqp::ReplyCode::not_found);
  List refused;
  const auto id = world.session->consumers().subscribe(
      {.queues = {"a", "gone", "b"}}, [](Delivery) {},
      [&](const std::string& queue, const Report& why) { refused.push_back(queue + " " + std::to_string(why.code)); });
  world.up();
  CHECK(refused == List{"gone 404"});
  CHECK(world.broker->deliver("a", ""));
  CHECK(world.broker->deliver("b", ""));
  world.broker->cancel_consumer("b");
  world.pump();
  CHECK(refused == List{"gone 404", "b 404"});
  world.script.refuse_consume.clear();
  world.session->consumers().add_queue(id, "gone");
  world.pump();
  CHECK(world.broker->deliver("gone", ""));
}

TEST_CASE("prefetch changes while consuming, for the channel at once and for consumers by consuming anew",
          "[session]") {
  World world;
  world.up();
  const auto whole = world.session->consumers().subscribe({.queues = {"a"}, .prefetch = 1}, [](Delivery) {}, {});
  world.pump();
  world.session->consumers().set_prefetch(whole, 7);
  world.pump();
  CHECK(world.script.log == List{"qos 1 global", "consume a", "qos 7 global"});
  world.script.log.clear();
  const auto each = world.session->consumers().subscribe(
      {.queues = {"b"}, .prefetch = 1, .scope = Subscription::Scope::consumer}, [](Delivery) {}, {});
  world.pump();
  world.session->consumers().set_prefetch(each, 7);
  world.pump();
  CHECK(world.script.log == List{"qos 1", "consume b", "qos 7", "cancel", "consume b"});
}

TEST_CASE("a subscription can be asked whether the broker has done all that was sent for it", "[session]") {
  World world;
  std::vector<std::string> seen;
  const auto id = world.session->consumers().subscribe({.queues = {"a"}, .prefetch = 1},
                                                       [&](Delivery delivery) {
                                                         seen.push_back(delivery.body);
                                                         world.session->consumers().nack(delivery.ref, true);
                                                       },
                                                       {});
  // Without a channel there is nothing to ask.
  world.session->consumers().when_processed(id, [&] { seen.push_back("never"); });
  world.up();
  world.broker->deliver("a", "on its way");
  world.session->consumers().when_processed(id, [&] { seen.push_back("done"); });
  CHECK(seen.empty());
  world.pump();
  CHECK(seen == std::vector<std::string>{"on its way", "done"});
  CHECK(world.script.log == List{"qos 1 global", "consume a", "qos 1 global", "reject 1 requeue"});
}

TEST_CASE("a paused subscription gets no more deliveries and may still settle", "[session]") {
  World world;
  std::vector<Delivery> got;
  const auto id =
      world.session->consumers().subscribe({.queues = {"q"}}, [&](Delivery d) { got.push_back(std::move(d)); }, {});
  world.up();
  world.broker->deliver("q", "one");
  world.pump();
  bool paused = false;
  world.session->consumers().pause(id, [&] { paused = true; });
  CHECK_FALSE(paused);
  world.pump();
  CHECK(paused);
  CHECK_FALSE(world.broker->deliver("q", "two"));
  world.session->consumers().ack(got.at(0).ref);
  world.pump();
  CHECK(world.script.count("ack 1") == 1);
  world.session->consumers().resume(id);
  world.pump();
  CHECK(world.broker->deliver("q", "two"));
}

TEST_CASE("closing says goodbye and ends what waits", "[session]") {
  World world;
  world.up();
  world.script.confirm = [](const auto&) { return Script::Confirm::none; };
  world.publish("a");
  bool done = false;
  world.session->close([&] { done = true; });
  CHECK(world.reports == List{"a closed"});
  world.pump();
  CHECK(done);
  CHECK(world.script.log == List{"goodbye"});
  world.publish("b");
  CHECK(world.reports == List{"a closed", "b closed"});
  CHECK(world.session->next_deadline() == Monotonic::max());
}

// --- delays
// -----------------------------------------------------------------------------------------------------------

TEST_CASE("a connection that breaks after any number of bytes recovers and loses nothing", "[session]") {
  // How many bytes the server says in a whole exchange; then the same with the line cut after each of them.
  std::size_t cut = 0;
  for (bool whole = false; !whole; ++cut) {
    INFO("cut after " << cut << " bytes");
    World world;
    int delivered = 0;
    world.declare({QueueSpec{.name = "q"}}, "declare", 600s);
    world.session->consumers().subscribe({.queues = {"q"}}, [&](Delivery) { ++delivered; }, {});
    world.publish("a", 600s);
    world.session->start();
    world.to_server = std::make_unique<OutputBuffer>();
    world.to_client = std::make_unique<OutputBuffer>();
    world.broker = std::make_unique<test::ScriptedConnection>(world.script, *world.to_client, world.now_);
    world.session->connected(*world.to_server);
    std::size_t said = 0;
    std::string inbound, outbound;
    while (said < cut && (!world.to_server->empty() || !world.to_client->empty())) {
      inbound += world.to_server->to_string();
      world.to_server->clear();
      inbound.erase(0, world.broker->machine().receive(inbound, world.now_));
      std::string fresh = world.to_client->to_string().substr(0, cut - said);
      world.to_client->consume(fresh.size());
      said += fresh.size();
      outbound += fresh;
      outbound.erase(0, world.session->receive(outbound));
    }
    whole = said < cut;
    world.lose();
    world.after(60s);
    world.up();
    world.broker->deliver("q", "x");
    world.pump();
    CHECK(delivered == 1);
    std::sort(world.reports.begin(), world.reports.end());
    CHECK(world.reports == List{"a confirmed", "declare confirmed"});
  }
  CHECK(cut > 200);
}
