#include <catch2/catch.hpp>

#include "tests/unit/broker/routing/topology.h"

using namespace wherry;
using namespace wherry::broker;
using namespace wherry::broker::test;
using amqp::FieldValue;

TEST_CASE("the default exchange reaches the queue of that name and no other") {
  Topology vhost;
  vhost.queue("a");
  vhost.queue("b");
  CHECK(vhost.reached("", "a") == Names{"a"});
  CHECK(vhost.reached("", "c") == Names{});
  vhost.remove_queue(vhost.find_queue("a", 1).value());
  CHECK(vhost.reached("", "a") == Names{});
}

TEST_CASE("direct: equal keys only, and each queue once however often it is bound") {
  Topology vhost;
  vhost.queue("a");
  vhost.queue("b");
  vhost.bind_queue("amq.direct", "a", "k");
  vhost.bind_queue("amq.direct", "a", "k", table({{"why", 1}}));
  vhost.bind_queue("amq.direct", "b", "k");
  vhost.bind_queue("amq.direct", "b", "other");
  CHECK(vhost.reached("amq.direct", "k") == Names{"a", "b"});
  CHECK(vhost.reached("amq.direct", "other") == Names{"b"});
  CHECK(vhost.reached("amq.direct", "K") == Names{});
}

TEST_CASE("fanout: every queue, whatever the key") {
  Topology vhost;
  vhost.queue("a");
  vhost.queue("b");
  vhost.bind_queue("amq.fanout", "a", "");
  vhost.bind_queue("amq.fanout", "a", "twice");
  vhost.bind_queue("amq.fanout", "b", "x");
  CHECK(vhost.reached("amq.fanout", "anything") == Names{"a", "b"});
}

TEST_CASE("several keys of one message reach each queue once") {
  Topology vhost;
  vhost.queue("a");
  vhost.queue("b");
  std::vector<QueueEntryRef> into;
  must(vhost.route("", "a", {}, into));
  must(vhost.route("", "b", {}, into));
  must(vhost.route("", "a", {}, into));
  CHECK(Topology::names(into) == Names{"a", "b"});
}

namespace {

bool headers_match(amqp::Table binding, amqp::Table headers) {
  Topology vhost;
  vhost.queue("q");
  vhost.bind_queue("amq.headers", "q", "", std::move(binding));
  return vhost.reached("amq.headers", "", with_headers(std::move(headers))) == Names{"q"};
}

}  // namespace

TEST_CASE("headers: all is the default and wants every one of them") {
  CHECK(headers_match(table({{"a", 1}, {"b", "x"}}), table({{"b", "x"}, {"a", 1}, {"c", 3}})));
  CHECK_FALSE(headers_match(table({{"a", 1}, {"b", "x"}}), table({{"a", 1}})));
  CHECK_FALSE(headers_match(table({{"x-match", "all"}, {"a", 1}}), table({{"a", 2}})));
  CHECK(headers_match(table({}), table({})));
  CHECK(headers_match(table({{"x-match", "all"}}), table({{"a", 2}})));
}

TEST_CASE("headers: any wants one of them") {
  CHECK(headers_match(table({{"x-match", "any"}, {"a", 1}, {"b", 2}}), table({{"b", 2}})));
  CHECK_FALSE(headers_match(table({{"x-match", "any"}, {"a", 1}, {"b", 2}}), table({{"b", 1}})));
  CHECK_FALSE(headers_match(table({{"x-match", "any"}}), table({{"b", 1}})));
}

TEST_CASE("headers: names that begin with x- count only where the binding says so") {
  CHECK(headers_match(table({{"x-match", "all"}, {"x-a", 1}}), table({})));
  CHECK_FALSE(headers_match(table({{"x-match", "any"}, {"x-a", 1}}), table({{"x-a", 1}})));
  CHECK_FALSE(headers_match(table({{"x-match", "all-with-x"}, {"x-a", 1}}), table({})));
  CHECK(headers_match(table({{"x-match", "all-with-x"}, {"x-a", 1}}), table({{"x-a", 1}})));
  CHECK(headers_match(table({{"x-match", "any-with-x"}, {"x-a", 1}, {"b", 1}}), table({{"x-a", 1}})));
}

TEST_CASE("headers: a binding without a value asks for presence") {
  CHECK(headers_match(table({{"a", FieldValue{}}}), table({{"a", "whatever"}})));
  CHECK_FALSE(headers_match(table({{"a", FieldValue{}}}), table({{"b", "whatever"}})));
}

TEST_CASE("headers: the value counts, not the type it was sent with") {
  CHECK(headers_match(table({{"a", std::int8_t{5}}}), table({{"a", std::int64_t{5}}})));
  CHECK(headers_match(table({{"a", 5}}), table({{"a", 5.0}})));
  CHECK(headers_match(table({{"a", 5}}), table({{"a", amqp::Timestamp{5}}})));
  CHECK(headers_match(table({{"a", "text"}}), table({{"a", amqp::ByteArray{"text"}}})));
  CHECK_FALSE(headers_match(table({{"a", 5}}), table({{"a", "5"}})));
  CHECK_FALSE(headers_match(table({{"a", true}}), table({{"a", 1}})));
  CHECK_FALSE(headers_match(table({{"a", 5}}), table({{"a", 5.5}})));
}

TEST_CASE("headers: inside lists and tables the type counts") {
  auto list = [](auto number) { return table({{"a", amqp::FieldArray{FieldValue(number), FieldValue("two")}}}); };
  CHECK(headers_match(list(1), list(1)));
  CHECK_FALSE(headers_match(list(1), list(std::int64_t{1})));
  CHECK_FALSE(headers_match(list(1), table({{"a", amqp::FieldArray{FieldValue(1)}}})));
  CHECK(headers_match(table({{"a", amqp::FieldArray{}}}), table({{"a", amqp::Table{}}})));
  CHECK(headers_match(table({{"a", table({{"b", 1}})}}), table({{"a", table({{"b", 1}})}})));
  CHECK_FALSE(headers_match(table({{"a", table({{"b", 1}})}}), table({{"a", table({{"b", std::int64_t{1}}})}})));
}

TEST_CASE("headers: without headers only an empty all matches") {
  Topology vhost;
  vhost.queue("q");
  vhost.bind_queue("amq.match", "q", "", table({{"a", 1}}));
  CHECK(vhost.reached("amq.match", "") == Names{});
  CHECK(vhost.reached("amq.match", "", with_headers(table({{"a", 1}}))) == Names{"q"});
}

TEST_CASE("a delayed exchange routes as its x-delayed-type does, and says how long to wait") {
  Topology vhost;
  vhost.exchange("later", "x-delayed-message", table({{"x-delayed-type", "topic"}}));
  vhost.queue("q");
  vhost.bind_queue("later", "q", "a.#");
  CHECK(vhost.reached("later", "a.b") == Names{"q"});
  auto delay = [&](FieldValue value) { return vhost.delay_of("later", with_headers(table({{"x-delay", value}}))); };
  CHECK(delay(1500) == 1500);
  CHECK(delay("1500") == 1500);
  CHECK(delay(1500.0) == 1500);
  CHECK(delay(std::int64_t{30} * 24 * 3600 * 1000 * 10) == 25'920'000'000);
  CHECK(delay(0) == 0);
  CHECK(delay(-5) == 0);
  CHECK(delay("soon") == 0);
  CHECK(delay("15s") == 0);
  CHECK(delay(true) == 0);
  CHECK(vhost.delay_of("later", with_headers({})) == 0);
  CHECK(vhost.delay_of("later", {}) == 0);
  CHECK(vhost.delay_of("amq.topic", with_headers(table({{"x-delay", 5}}))) == 0);
  CHECK(vhost.delay_of("nowhere", with_headers(table({{"x-delay", 5}}))) == 0);
}
