#include <catch2/catch.hpp>

#include "broker/routing/deduplication.h"
#include "tests/unit/broker/routing/topology.h"

using namespace wherry;
using namespace wherry::broker;
using namespace wherry::broker::test;
using amqp::ReplyCode;

namespace {

const std::string locked_q =
    "cannot obtain exclusive access to locked queue 'q' in vhost '/'. It could be originally declared on another "
    "connection or the exclusive property value does not match that of the original declaration.";

QueueSpec queue_spec(std::string name, bool durable = false, bool exclusive = false, bool auto_delete = false,
                     amqp::Table arguments = {}) {
  return {std::move(name), durable, exclusive, auto_delete, std::move(arguments)};
}
ExchangeSpec exchange_spec(std::string name, std::string type) {
  ExchangeSpec spec;
  spec.name = std::move(name);
  spec.type = std::move(type);
  return spec;
}

}  // namespace

TEST_CASE("a vhost begins with the exchanges that clients count on") {
  Topology vhost;
  std::vector<std::string> found;
  for (const auto& spec : vhost.exchanges()) {
    found.push_back(spec.name + ":" + spec.type);
    CHECK(spec.durable);
    CHECK(spec.internal == (spec.name == "amq.rabbitmq.trace"));
  }
  CHECK(found == Names{":direct", "amq.direct:direct", "amq.fanout:fanout", "amq.headers:headers", "amq.match:headers",
                       "amq.rabbitmq.trace:topic", "amq.topic:topic"});
}

TEST_CASE("declaring a queue again gives the same one") {
  Topology vhost;
  auto first = vhost.declare_queue(queue_spec("q", true), 1, 3, false).value();
  CHECK(first.created);
  CHECK(first.queue->home == 3);
  CHECK(first.queue->vhost == "/");
  auto again = vhost.declare_queue(queue_spec("q", true), 2, 4, false).value();
  CHECK_FALSE(again.created);
  CHECK(again.queue == first.queue);
  CHECK(vhost.find_queue("q", 9).value() == first.queue);
}

TEST_CASE("a queue that differs in a property or argument is refused, saying in which") {
  Topology vhost;
  vhost.declare_queue(queue_spec("q", true, false, false, table({{"x-message-ttl", 1000}})), 1, 0, false).value();
  auto differing = [&](QueueSpec spec) {
    auto error = refusal(vhost.declare_queue(spec, 1, 0, false));
    CHECK(error.code == ReplyCode::precondition_failed);
    return error.explanation;
  };
  auto ttl = table({{"x-message-ttl", 1000}});
  CHECK(differing(queue_spec("q", false, false, false, ttl)) ==
        "inequivalent arg 'durable' for queue 'q' in vhost '/': received 'false' but current is 'true'");
  CHECK(differing(queue_spec("q", true, false, true, ttl)) ==
        "inequivalent arg 'auto_delete' for queue 'q' in vhost '/': received 'true' but current is 'false'");
  CHECK(differing(queue_spec("q", true, false, false, table({{"x-message-ttl", 2000}}))) ==
        "inequivalent arg 'x-message-ttl' for queue 'q' in vhost '/': received '2000' but current is '1000'");
  CHECK(differing(queue_spec("q", true)) ==
        "inequivalent arg 'x-message-ttl' for queue 'q' in vhost '/': received none but current is the value '1000' of "
        "type 'signedint'");
  CHECK(differing(queue_spec("q", true, false, false, table({{"x-message-ttl", 1000.0}}))) ==
        "inequivalent arg 'x-message-ttl' for queue 'q' in vhost '/': received '1000.0' but current is '1000'");
  auto more = table({{"x-message-ttl", 1000}, {"x-overflow", "drop-head"}});
  CHECK(
      differing(queue_spec("q", true, false, false, more)) ==
      "inequivalent arg 'x-overflow' for queue 'q' in vhost '/': received the value 'drop-head' of type 'longstr' but "
      "current is none");
}

TEST_CASE(
    "integers of any width are one class; classic is what a queue without a type is; others' arguments are free") {
  Topology vhost;
  vhost.declare_queue(queue_spec("q", true, false, false, table({{"x-message-ttl", 1000}})), 1, 0, false).value();
  auto same = [&](amqp::Table arguments) {
    return vhost.declare_queue(queue_spec("q", true, false, false, std::move(arguments)), 1, 0, false).has_value();
  };
  CHECK(same(table({{"x-message-ttl", std::int64_t{1000}}})));
  CHECK(same(table({{"x-message-ttl", std::int16_t{1000}}})));
  CHECK(same(table({{"x-message-ttl", 1000}, {"x-queue-type", "classic"}})));
  CHECK(same(table({{"x-message-ttl", 1000}, {"my-note", "hello"}})));
  CHECK_FALSE(same(table({{"x-message-ttl", 1000}, {"x-queue-type", "quorum"}})));
}

TEST_CASE("what the operator has a queue do may be left out of a client's declaration, and not said otherwise") {
  Topology vhost;
  const auto spec = [](amqp::Table arguments) { return queue_spec("q", true, false, false, std::move(arguments)); };
  REQUIRE(vhost.declare_queue(spec(table({{"x-hold-eta", true}})), 1, 0, false));
  CHECK(vhost.declare_queue(spec({}), 1, 0, false));
  CHECK(vhost.declare_queue(spec(table({{"x-hold-eta", true}})), 1, 0, false));
  CHECK(refusal(vhost.declare_queue(spec(table({{"x-hold-eta", false}})), 1, 0, false)).explanation ==
        "inequivalent arg 'x-hold-eta' for queue 'q' in vhost '/': received 'false' but current is 'true'");
  CHECK(refusal(vhost.declare_queue(spec(table({{"x-dedup-count", 5}})), 1, 0, false)).explanation ==
        "inequivalent arg 'x-dedup-count' for queue 'q' in vhost '/': received the value '5' of type 'signedint' but "
        "current is none");
  ExchangeSpec exchange = exchange_spec("x", "direct");
  exchange.arguments = table({{"x-dedup-window", 1000}});
  REQUIRE(vhost.declare_exchange(exchange, false));
  CHECK(vhost.declare_exchange(exchange_spec("x", "direct"), false));
  exchange.arguments = table({{"x-dedup-window", 2000}});
  CHECK_FALSE(vhost.declare_exchange(exchange, false));
}

TEST_CASE("an exchange that accepts a message once has keys of its own, while it is there") {
  Topology vhost;
  vhost.exchange("once", "topic", table({{"x-message-deduplication", true}}));
  vhost.exchange("plain", "topic", table({{"x-message-deduplication", false}}));
  const auto known = vhost.deduplication_of("once");
  REQUIRE(known);
  CHECK_FALSE(vhost.deduplication_of("plain"));
  CHECK_FALSE(vhost.deduplication_of(""));
  CHECK_FALSE(vhost.deduplication_of("none"));
  // Each publish has to ask.
  CHECK_FALSE(vhost.routes_by_key_alone("once"));
  CHECK(vhost.routes_by_key_alone("plain"));
  CHECK(known->begin("k", 1));
  CHECK_FALSE(known->begin("k", UINT64_MAX));
  CHECK(known->duplicates() == 1);
  known->undo("k");
  CHECK(known->begin("k", 2));
  must(vhost.delete_exchange("once", false));
  vhost.exchange("once", "topic", table({{"x-message-deduplication", true}}));
  CHECK(vhost.deduplication_of("once")->begin("k", 3));
}

TEST_CASE("an exclusive queue is its connection's alone") {
  Topology vhost;
  auto queue = vhost.declare_queue(queue_spec("q", true, true), 1, 0, false).value().queue;
  CHECK(queue->owner == 1);
  CHECK_FALSE(queue->spec.durable);  // Nothing of it outlives the connection.
  CHECK(vhost.declare_queue(queue_spec("q", true, true), 1, 0, false));
  CHECK(vhost.find_queue("q", 1));

  for (auto error :
       {refusal(vhost.declare_queue(queue_spec("q", true, true), 2, 0, false)),
        refusal(vhost.declare_queue(queue_spec("q", true, false), 1, 0, false)), refusal(vhost.find_queue("q", 2))}) {
    CHECK(error.code == ReplyCode::resource_locked);
    CHECK(error.explanation == locked_q);
  }
}

TEST_CASE("a shared queue cannot be declared exclusive afterwards") {
  Topology vhost;
  vhost.declare_queue(queue_spec("q"), 1, 0, false).value();
  auto error = refusal(vhost.declare_queue(queue_spec("q", false, true), 1, 0, false));
  CHECK(error.code == ReplyCode::resource_locked);
  CHECK(error.explanation == locked_q);
}

TEST_CASE("a missing queue is not found") {
  Topology vhost;
  auto error = refusal(vhost.find_queue("q", 1));
  CHECK(error.code == ReplyCode::not_found);
  CHECK(error.explanation == "no queue 'q' in vhost '/'");
}

TEST_CASE("names with amq. in front are the broker's") {
  Topology vhost;
  auto error = refusal(vhost.declare_queue(queue_spec("amq.x"), 1, 0, false));
  CHECK(error.code == ReplyCode::access_refused);
  CHECK(error.explanation == "queue name 'amq.x' contains reserved prefix 'amq.*'");
  CHECK(vhost.declare_queue(queue_spec("amq.gen-abc"), 1, 0, true));

  error = refusal(vhost.declare_exchange(exchange_spec("amq.x", "direct"), false));
  CHECK(error.code == ReplyCode::access_refused);
  CHECK(error.explanation == "exchange name 'amq.x' contains reserved prefix 'amq.*'");
  error = refusal(vhost.delete_exchange("amq.direct", false));
  CHECK(error.code == ReplyCode::access_refused);
  CHECK(error.explanation == "deletion of system exchange 'amq.direct' in vhost '/' not allowed");

  auto direct = exchange_spec("amq.direct", "direct");
  direct.durable = true;
  CHECK(vhost.declare_exchange(direct, false));
}

TEST_CASE("the default exchange can be neither declared nor deleted") {
  Topology vhost;
  for (auto error : {refusal(vhost.declare_exchange(exchange_spec("", "direct"), false)),
                     refusal(vhost.declare_exchange(exchange_spec("", "direct"), true)),
                     refusal(vhost.delete_exchange("", false))}) {
    CHECK(error.code == ReplyCode::access_refused);
    CHECK(error.explanation == "operation not permitted on the default exchange");
  }
}

TEST_CASE("an exchange that differs is refused, saying in what") {
  Topology vhost;
  auto spec = exchange_spec("x", "topic");
  spec.arguments = table({{"alternate-exchange", "a"}, {"note", 1}});
  must(vhost.declare_exchange(spec, false));
  auto other = spec;
  other.arguments = table({{"alternate-exchange", "a"}});
  CHECK(vhost.declare_exchange(other, false));

  auto differing = [&](const ExchangeSpec& changed) {
    auto error = refusal(vhost.declare_exchange(changed, false));
    CHECK(error.code == ReplyCode::precondition_failed);
    return error.explanation;
  };
  other = spec;
  other.type = "direct";
  CHECK(differing(other) ==
        "inequivalent arg 'type' for exchange 'x' in vhost '/': received 'direct' but current is 'topic'");
  other = spec;
  other.durable = true;
  CHECK(differing(other) ==
        "inequivalent arg 'durable' for exchange 'x' in vhost '/': received 'true' but current is 'false'");
  other = spec;
  other.auto_delete = true;
  CHECK(differing(other) ==
        "inequivalent arg 'auto_delete' for exchange 'x' in vhost '/': received 'true' but current is 'false'");
  other = spec;
  other.internal = true;
  CHECK(differing(other) ==
        "inequivalent arg 'internal' for exchange 'x' in vhost '/': received 'true' but current is 'false'");
  other = spec;
  other.arguments = {};
  CHECK(
      differing(other) ==
      "inequivalent arg 'alternate-exchange' for exchange 'x' in vhost '/': received none but current is the value 'a' "
      "of type 'longstr'");
}

TEST_CASE("an unknown type of exchange closes the connection") {
  Topology vhost;
  auto error = refusal(vhost.declare_exchange(exchange_spec("x", "x-recent-history"), false));
  CHECK(error.code == ReplyCode::command_invalid);
  CHECK(error.explanation == "unknown exchange type 'x-recent-history'");
  CHECK(error.closes_connection());
  CHECK_FALSE(vhost.exists("x"));
}

TEST_CASE("a passive declaration only asks") {
  Topology vhost;
  auto error = refusal(vhost.declare_exchange(exchange_spec("x", "direct"), true));
  CHECK(error.code == ReplyCode::not_found);
  CHECK(error.explanation == "no exchange 'x' in vhost '/'");
  CHECK(vhost.declare_exchange(exchange_spec("amq.topic", "whatever"), true));
}

TEST_CASE("a delayed exchange needs a type to route by") {
  Topology vhost;
  CHECK(refusal(vhost.declare_exchange(exchange_spec("x", "x-delayed-message"), false)).code ==
        ReplyCode::precondition_failed);
  auto spec = exchange_spec("x", "x-delayed-message");
  for (std::string inner : {"none", "x-delayed-message"}) {
    spec.arguments = table({{"x-delayed-type", inner.c_str()}});
    CHECK(refusal(vhost.declare_exchange(spec, false)).code == ReplyCode::command_invalid);
  }
}

TEST_CASE("removing a queue marks it and is idempotent; a new one of its name is another") {
  Topology vhost;
  auto queue = vhost.queue("q");
  vhost.bind_queue("amq.direct", "q", "k");
  vhost.remove_queue(queue);
  CHECK(queue->deleted);
  auto next = vhost.queue("q");
  CHECK(next->id != queue->id);
  vhost.remove_queue(queue);
  CHECK(vhost.find_queue("q", 1).value() == next);
  CHECK(vhost.reached("amq.direct", "k") == Names{});
}

TEST_CASE("listings come in name order") {
  Topology vhost;
  for (std::string name : {"c", "a", "b"}) vhost.queue(name);
  CHECK(Topology::names(vhost.queues()) == Names{"a", "b", "c"});
  Names in_order;
  for (const auto& queue : vhost.queues()) in_order.push_back(queue->spec.name);
  CHECK(in_order == Names{"a", "b", "c"});
}
