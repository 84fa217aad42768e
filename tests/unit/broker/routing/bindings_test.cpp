#include <catch2/catch.hpp>

#include "tests/unit/broker/routing/topology.h"

using namespace wherry;
using namespace wherry::broker;
using namespace wherry::broker::test;
using amqp::ReplyCode;

TEST_CASE("a binding is the same when source, destination, key and arguments are") {
  Topology vhost;
  vhost.queue("q");
  vhost.bind_queue("amq.direct", "q", "k", table({{"a", 1}, {"b", 2}}));
  auto version = vhost.version();
  vhost.bind_queue("amq.direct", "q", "k", table({{"b", 2}, {"a", 1}}));
  CHECK(vhost.version() == version);
  CHECK(vhost.bindings().size() == 1);
  vhost.bind_queue("amq.direct", "q", "k");
  CHECK(vhost.bindings().size() == 2);
  must(vhost.unbind(Topology::binding("amq.direct", "q", "k"), 1));
  CHECK(vhost.reached("amq.direct", "k") == Names{"q"});
  must(vhost.unbind(Topology::binding("amq.direct", "q", "k", table({{"a", 1}, {"b", 2}})), 1));
  CHECK(vhost.reached("amq.direct", "k") == Names{});
}

TEST_CASE("unbinding takes the one binding away, of each type of exchange") {
  for (std::string type : {"direct", "fanout", "topic", "headers"}) {
    CAPTURE(type);
    Topology vhost;
    vhost.exchange("x", type);
    for (std::string queue : {"a", "b", "c"}) {
      vhost.queue(queue);
      vhost.bind_queue("x", queue, "k");
    }
    must(vhost.unbind(Topology::binding("x", "a", "k"), 1));
    CHECK(vhost.reached("x", "k") == Names{"b", "c"});
    must(vhost.unbind(Topology::binding("x", "c", "k"), 1));
    CHECK(vhost.reached("x", "k") == Names{"b"});
    must(vhost.unbind(Topology::binding("x", "b", "k"), 1));
    CHECK(vhost.reached("x", "k") == Names{});
  }
}

TEST_CASE("unbinding what is not bound is fine, a missing end included") {
  Topology vhost;
  vhost.queue("q");
  CHECK(vhost.unbind(Topology::binding("amq.direct", "q", "k"), 1));
  CHECK(vhost.unbind(Topology::binding("nowhere", "q", "k"), 1));
  CHECK(vhost.unbind(Topology::binding("amq.direct", "nobody", "k"), 1));
}

TEST_CASE("exchanges bound to exchanges pass messages on") {
  Topology vhost;
  vhost.exchange("first", "fanout");
  vhost.exchange("second", "topic");
  vhost.queue("q");
  vhost.bind_exchange("first", "second", "");
  vhost.bind_queue("second", "q", "a.*");
  CHECK(vhost.reached("first", "a.b") == Names{"q"});
  CHECK(vhost.reached("first", "b") == Names{});
  must(vhost.unbind(Topology::to_exchange("first", "second", ""), 1));
  CHECK(vhost.reached("first", "a.b") == Names{});
}

TEST_CASE("circles of exchanges end, and a queue on every way is reached once") {
  Topology vhost;
  for (std::string name : {"a", "b", "c"}) {
    vhost.exchange(name, "fanout");
    vhost.queue("q" + name);
    vhost.bind_queue(name, "q" + name, "");
    vhost.queue("all");
    vhost.bind_queue(name, "all", "");
  }
  vhost.bind_exchange("a", "b", "");
  vhost.bind_exchange("b", "c", "");
  vhost.bind_exchange("c", "a", "");
  vhost.bind_exchange("a", "a", "");
  vhost.bind_exchange("a", "c", "");
  for (std::string from : {"a", "b", "c"}) CHECK(vhost.reached(from, "") == Names{"all", "qa", "qb", "qc"});
}

TEST_CASE("an internal exchange is reached through others but not by publishers") {
  Topology vhost;
  vhost.exchange("inside", "fanout", {}, false, true);
  vhost.exchange("outside", "fanout");
  vhost.queue("q");
  vhost.bind_queue("inside", "q", "");
  vhost.bind_exchange("outside", "inside", "");
  CHECK(vhost.reached("outside", "") == Names{"q"});
  std::vector<QueueEntryRef> into;
  auto error = refusal(vhost.route("inside", "", {}, into));
  CHECK(error.code == ReplyCode::access_refused);
  CHECK(error.explanation == "cannot publish to internal exchange 'inside' in vhost '/'");
  CHECK(into.empty());
  vhost.route_within("inside", "", {}, into);
  CHECK(Topology::names(into) == Names{"q"});
}

TEST_CASE("publishing to a missing exchange is refused; the broker's own goes nowhere") {
  Topology vhost;
  std::vector<QueueEntryRef> into;
  auto error = refusal(vhost.route("x", "", {}, into));
  CHECK(error.code == ReplyCode::not_found);
  CHECK(error.explanation == "no exchange 'x' in vhost '/'");
  CHECK_FALSE(error.closes_connection());
  vhost.route_within("x", "", {}, into);
  CHECK(into.empty());
}

TEST_CASE("an alternate exchange takes what an exchange can route nowhere, however many in a row") {
  Topology vhost;
  vhost.exchange("first", "direct", table({{"alternate-exchange", "second"}}));
  vhost.exchange("second", "direct", table({{"alternate-exchange", "third"}}));
  vhost.exchange("third", "fanout", table({{"alternate-exchange", "first"}}));
  vhost.queue("a");
  vhost.queue("b");
  vhost.queue("c");
  vhost.bind_queue("first", "a", "a");
  vhost.bind_queue("second", "b", "b");
  CHECK(vhost.reached("first", "a") == Names{"a"});
  CHECK(vhost.reached("first", "b") == Names{"b"});
  CHECK(vhost.reached("first", "c") == Names{});
  vhost.bind_queue("third", "c", "");
  CHECK(vhost.reached("first", "c") == Names{"c"});
  CHECK(vhost.reached("first", "a") == Names{"a"});
}

TEST_CASE("an alternate exchange that does not exist (yet) is no error") {
  Topology vhost;
  vhost.exchange("x", "direct", table({{"alternate-exchange", "lost"}}));
  CHECK(vhost.reached("x", "k") == Names{});
  vhost.exchange("lost", "fanout");
  vhost.queue("q");
  vhost.bind_queue("lost", "q", "");
  CHECK(vhost.reached("x", "k") == Names{"q"});
}

TEST_CASE("an auto-delete exchange goes with its last binding, not before it had one") {
  Topology vhost;
  vhost.exchange("x", "direct", {}, true);
  vhost.queue("a");
  vhost.queue("b");
  CHECK(vhost.exists("x"));
  vhost.bind_queue("x", "a", "k");
  vhost.bind_queue("x", "b", "k");
  must(vhost.unbind(Topology::binding("x", "a", "k"), 1));
  CHECK(vhost.exists("x"));
  SECTION("by unbinding") {
    must(vhost.unbind(Topology::binding("x", "b", "k"), 1));
  }
  SECTION("by the queue's end") {
    vhost.remove_queue(vhost.find_queue("b", 1).value());
  }
  CHECK_FALSE(vhost.exists("x"));
}

TEST_CASE("an auto-delete exchange takes those with it that lead only to it, circles included") {
  Topology vhost;
  vhost.exchange("a", "fanout", {}, true);
  vhost.exchange("b", "fanout", {}, true);
  vhost.exchange("kept", "fanout");
  vhost.queue("q");
  vhost.bind_queue("b", "q", "");
  vhost.bind_exchange("a", "b", "");
  vhost.bind_exchange("kept", "b", "");
  vhost.bind_exchange("b", "b", "self");
  must(vhost.unbind(Topology::to_exchange("b", "b", "self"), 1));
  vhost.remove_queue(vhost.find_queue("q", 1).value());
  CHECK_FALSE(vhost.exists("b"));
  CHECK_FALSE(vhost.exists("a"));
  CHECK(vhost.exists("kept"));
  CHECK(vhost.bindings().empty());
  CHECK(vhost.reached("kept", "") == Names{});
}

TEST_CASE("deleting an exchange takes the bindings on both of its sides away") {
  Topology vhost;
  vhost.exchange("x", "fanout");
  vhost.exchange("before", "fanout");
  vhost.queue("q");
  vhost.bind_queue("x", "q", "");
  vhost.bind_exchange("before", "x", "");
  vhost.bind_exchange("x", "x", "");
  CHECK(vhost.reached("before", "") == Names{"q"});
  must(vhost.delete_exchange("x", false));
  CHECK(vhost.bindings().empty());
  CHECK(vhost.reached("before", "") == Names{});
  vhost.remove_queue(vhost.find_queue("q", 1).value());
}

TEST_CASE("if-unused refuses to delete an exchange with bindings of its own") {
  Topology vhost;
  vhost.exchange("x", "fanout");
  vhost.queue("q");
  vhost.bind_queue("x", "q", "");
  auto error = refusal(vhost.delete_exchange("x", true));
  CHECK(error.code == ReplyCode::precondition_failed);
  CHECK(error.explanation == "exchange 'x' in vhost '/' in use");
  must(vhost.unbind(Topology::binding("x", "q", ""), 1));
  CHECK(vhost.delete_exchange("x", true));
  CHECK(vhost.delete_exchange("x", true));
}

TEST_CASE("what binding refuses, and in which words") {
  Topology vhost;
  vhost.queue("q");
  vhost.exchange("x", "direct");
  auto not_default = "operation not permitted on the default exchange";

  auto error = refusal(vhost.bind(Topology::binding("", "q", "k"), 1));
  CHECK(error.code == ReplyCode::access_refused);
  CHECK(error.explanation == not_default);
  CHECK(refusal(vhost.bind(Topology::to_exchange("x", "", "k"), 1)).explanation == not_default);
  CHECK(refusal(vhost.unbind(Topology::binding("", "q", "k"), 1)).explanation == not_default);

  error = refusal(vhost.bind(Topology::binding("no", "nor", "k"), 1));
  CHECK(error.code == ReplyCode::not_found);
  CHECK(error.explanation == "no exchange 'no' in vhost '/'");
  CHECK(refusal(vhost.bind(Topology::binding("x", "nor", "k"), 1)).explanation == "no queue 'nor' in vhost '/'");
  CHECK(refusal(vhost.bind(Topology::to_exchange("x", "nor", "k"), 1)).explanation == "no exchange 'nor' in vhost '/'");

  error = refusal(vhost.bind(Topology::binding("amq.headers", "q", "", table({{"x-match", "some"}})), 1));
  CHECK(error.code == ReplyCode::precondition_failed);
  CHECK(error.explanation == "Invalid x-match field value <<\"some\">>; expected all, any, all-with-x, or any-with-x");
  error = refusal(vhost.bind(Topology::binding("amq.headers", "q", "", table({{"x-match", 5}})), 1));
  CHECK(error.explanation == "Invalid x-match field type signedint (value 5); expected longstr");
  // Only a headers exchange reads x-match.
  CHECK(vhost.bind(Topology::binding("x", "q", "", table({{"x-match", "some"}})), 1));
}

TEST_CASE("another connection's exclusive queue can be neither bound nor unbound") {
  Topology vhost;
  QueueSpec spec;
  spec.name = "mine";
  spec.exclusive = true;
  vhost.declare_queue(spec, 7, 0, false).value();
  CHECK(refusal(vhost.bind(Topology::binding("amq.direct", "mine", "k"), 8)).code == ReplyCode::resource_locked);
  must(vhost.bind(Topology::binding("amq.direct", "mine", "k"), 7));
  CHECK(refusal(vhost.unbind(Topology::binding("amq.direct", "mine", "k"), 8)).code == ReplyCode::resource_locked);
  CHECK(vhost.unbind(Topology::binding("amq.direct", "mine", "k"), 7));
}

TEST_CASE("the version moves with whatever could change an answer, and only then") {
  Topology vhost;
  auto last = vhost.version();
  auto moved = [&] { return std::exchange(last, vhost.version()) != last; };
  vhost.queue("q");
  CHECK(moved());
  vhost.queue("q");
  CHECK_FALSE(moved());
  vhost.exchange("x", "direct");
  CHECK(moved());
  vhost.bind_queue("x", "q", "k");
  CHECK(moved());
  must(vhost.unbind(Topology::binding("x", "q", "j"), 1));
  CHECK_FALSE(moved());
  must(vhost.unbind(Topology::binding("x", "q", "k"), 1));
  CHECK(moved());
  must(vhost.delete_exchange("x", false));
  CHECK(moved());
  vhost.remove_queue(vhost.find_queue("q", 1).value());
  CHECK(moved());
}

TEST_CASE("an answer may be kept by key alone unless headers can play a part") {
  Topology vhost;
  vhost.exchange("a", "topic");
  vhost.exchange("b", "fanout");
  vhost.exchange("c", "fanout", table({{"alternate-exchange", "amq.headers"}}));
  CHECK(vhost.routes_by_key_alone(""));
  CHECK(vhost.routes_by_key_alone("a"));
  CHECK_FALSE(vhost.routes_by_key_alone("amq.headers"));
  CHECK_FALSE(vhost.routes_by_key_alone("c"));
  vhost.bind_exchange("a", "b", "");
  vhost.bind_exchange("b", "a", "");
  CHECK(vhost.routes_by_key_alone("a"));
  vhost.bind_exchange("b", "amq.match", "");
  CHECK_FALSE(vhost.routes_by_key_alone("a"));
}
