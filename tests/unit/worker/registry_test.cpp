#include "wherry/registry.h"

#include <stdexcept>

#include <catch2/catch.hpp>
#include <wherry/canvas.h>

#include "tests/unit/worker/fake_context.h"

using namespace wherry;
using namespace wherry::worker::test;
using Kind = wherry::detail::Outcome::Kind;

namespace {

struct Mail {
  static constexpr auto task_name = "mail";
  using Result = std::string;
  std::string to;
  int copies = 1;
};

std::string deliver(const Mail& mail) {
  return mail.to + " x" + std::to_string(mail.copies);
}

int twice(int number) noexcept {
  return 2 * number;
}

}  // namespace

TEST_CASE("A task struct's fields are filled by name, by position, and from their defaults") {
  Registry registry;
  FakeContext context;
  registry.on<Mail>(deliver);
  CHECK((*call(registry, "mail", context, {}, {{"to", "ann"}, {"copies", 3}}).outcome)->result ==
        task::Value("ann x3"));
  CHECK((*call(registry, "mail", context, {"ann"}, {{"copies", 2}}).outcome)->result == task::Value("ann x2"));
}

TEST_CASE("Arguments that do not fit are refused by name and the function is not called") {
  Registry registry;
  FakeContext context;
  int calls = 0;
  registry.on<Mail>([&](const Mail&) { ++calls; });
  registry.on("add", [&](int a, int b) {
    ++calls;
    return a + b;
  });
  using Args = task::Value::Array;
  using Kwargs = task::Value::Map;
  auto refused = [&](std::string_view name, const Args& args, const Kwargs& kwargs = {}) {
    auto called = call(registry, name, context, args, kwargs);
    CHECK_FALSE(called.outcome->has_value());
    return called.refused;
  };
  using Catch::Contains;
  CHECK_THAT(refused("mail", {}, {{"copies", 1}}), Contains("'to'") && Contains("missing"));
  CHECK_THAT(refused("mail", {}, {{"to", "ann"}, {"copies", "many"}}), Contains("'copies'") && Contains("integer"));
  CHECK_THAT(refused("mail", {}, {{"to", "ann"}, {"copies", 1}, {"cc", "bob"}}), Contains("'cc'"));
  CHECK_THAT(refused("mail", {"ann"}, {{"to", "bob"}, {"copies", 1}}), Contains("'to'") && Contains("twice"));
  CHECK_THAT(refused("mail", {"ann", 1, 2}), Contains("takes at most 2 arguments, got 3"));
  CHECK(refused("add", {1}) == "takes 2 arguments, got 1");
  CHECK_THAT(refused("add", {1, "x"}), Contains("argument 2: expected an integer"));
  CHECK_THAT(refused("add", {1, 2}, {{"c", 3}}), Contains("no keyword arguments, got 'c'"));
  CHECK(calls == 0);
}

TEST_CASE("Functions of every kind can be registered, with a context or without") {
  Registry registry;
  FakeContext context;
  registry.on("pointer", &twice);
  registry.on("lambda", [](const std::string& text, Context& its) {
    its.progress(text);
    return its.name() + text;
  });
  registry.on("nothing", [] {});
  registry.on("quiet", [](int) noexcept {});
  registry.on("counting", [calls = 0](int by) mutable { return calls += by; });
  registry.on<Mail>([](Mail mail, Context& its) { return its.queue() + mail.to; });
  CHECK((*call(registry, "pointer", context, {4}).outcome)->result == task::Value(8));
  CHECK((*call(registry, "lambda", context, {"!"}).outcome)->result == task::Value("name!"));
  CHECK(context.reports == std::vector<task::Value>{task::Value("!")});
  CHECK((*call(registry, "nothing", context, {}).outcome)->result == task::Value());
  CHECK((*call(registry, "quiet", context, {1}).outcome)->kind == Kind::done);
  call(registry, "counting", context, {2});
  CHECK((*call(registry, "counting", context, {3}).outcome)->result == task::Value(5));
  CHECK((*call(registry, "mail", context, {"ann", 1}).outcome)->result == task::Value("queueann"));
  CHECK(registry.names() == std::vector<std::string>{"counting", "lambda", "mail", "nothing", "pointer", "quiet"});
}

TEST_CASE("A coroutine keeps its arguments, also those it takes by reference") {
  Registry registry;
  FakeContext context;
  const std::string address = "a very long address that no small string holds in itself";
  registry.on<Mail>([](const Mail& mail, Context& its) -> Coro<std::string> {
    co_await its.sleep(std::chrono::milliseconds(1));
    co_return mail.to;
  });
  registry.on("by.position", [](const std::string& text, Context& its) -> Coro<std::string> {
    co_await its.sleep(std::chrono::milliseconds(1));
    co_return text;
  });
  auto mail = call(registry, "mail", context, {address, 1});
  CHECK_FALSE(mail.outcome->has_value());
  context.sleeping->settle({});
  REQUIRE(mail.outcome->has_value());
  CHECK((*mail.outcome)->result == task::Value(address));

  FakeContext another;
  auto text = call(registry, "by.position", another, {address});
  another.sleeping->settle({});
  REQUIRE(text.outcome->has_value());
  CHECK((*text.outcome)->result == task::Value(address));
}

TEST_CASE("What a function throws becomes its outcome, from a coroutine too") {
  Registry registry;
  FakeContext context;
  registry.on("throws", [] { throw std::invalid_argument("no such user"); });
  registry.on("coroutine.throws", []() -> Coro<> {
    throw std::invalid_argument("no such user");
    co_return;
  });
  for (const char* name : {"throws", "coroutine.throws"}) {
    auto called = call(registry, name, context, {});
    REQUIRE(called.outcome->has_value());
    CHECK((*called.outcome)->kind == Kind::failed);
    CHECK((*called.outcome)->error_type == "std::invalid_argument");
    CHECK((*called.outcome)->reason == "no such user");
  }
}

TEST_CASE("A name is registered once, and is not empty") {
  Registry registry;
  registry.on("a", [] {});
  CHECK_THROWS_WITH(registry.on("a", [] {}), "task 'a' is registered twice");
  CHECK_THROWS_WITH(registry.on("", [] {}), "a task needs a name");
  CHECK(registry.find("b") == nullptr);
}

TEST_CASE("Each exception has its outcome") {
  auto outcome_of = [](auto thrown) {
    try {
      throw thrown;
    } catch (...) {
      return detail::outcome_of_current_exception();
    }
  };
  auto retry = outcome_of(Retry{.after = std::chrono::seconds(3), .reason = "busy"});
  CHECK(retry.kind == Kind::retry);
  CHECK(retry.after == std::chrono::seconds(3));
  CHECK(retry.reason == "busy");
  CHECK_FALSE(outcome_of(Retry{}).reason.empty());
  CHECK_FALSE(outcome_of(Retry{}).after);
  auto dead = outcome_of(Dead{"no such account"});
  CHECK(dead.kind == Kind::dead);
  CHECK(dead.reason == "no such account");
  auto raised = outcome_of(Raise{.type = "ValueError", .arguments = {"no such account", 7}});
  CHECK(raised.kind == Kind::failed);
  CHECK(raised.error_type == "ValueError");
  CHECK(raised.reason == "('no such account', 7)");
  REQUIRE(raised.raised);
  CHECK(raised.raised->arguments == task::Value::Array{"no such account", 7});
  CHECK(raised.raised->module == "builtins");
  auto replaced = outcome_of(Replace(sig(Function<int(int, int)>{"add"}, 1, 2)));
  CHECK(replaced.kind == Kind::replaced);
  CHECK(task::read_signature(replaced.result)->task == "add");
  auto failed = outcome_of(std::out_of_range("7"));
  CHECK(failed.kind == Kind::failed);
  CHECK(failed.error_type == "std::out_of_range");
  CHECK(failed.reason == "7");
  auto unknown = outcome_of(7);
  CHECK(unknown.kind == Kind::failed);
  CHECK(unknown.error_type == "UnknownError");
}
