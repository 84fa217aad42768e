// The code of docs/sdk.md, compiled and run; the last test holds the page against this file.
#include <atomic>
#include <chrono>
#include <coroutine>
#include <future>
#include <iostream>
#include <sstream>
#include <string>
#include <vector>

#include <catch2/catch.hpp>
#include <wherry/client.h>

#include "base/log.h"
#include "tests/unit/page_code.h"
#include "tests/unit/sdk/loopback_broker.h"

using namespace std::chrono_literals;

namespace {

struct EmailReceipt {
  std::string message_id;
};

struct SendEmail {
  static constexpr auto task_name = "email.send";
  using Result = EmailReceipt;
  std::string to;
  std::string subject;
  std::string body;
};

inline constexpr wherry::Function<int(int, int)> add{"math.add"};

struct Detached {
  struct promise_type {
    Detached get_return_object() { return {}; }
    std::suspend_never initial_suspend() { return {}; }
    std::suspend_never final_suspend() noexcept { return {}; }
    void return_void() {}
    void unhandled_exception() { std::terminate(); }
  };
};

Detached greet(wherry::Client& client) {
  auto sent = client.async_enqueue(SendEmail{.to = "ann@example.org", .subject = "Hi", .body = "..."});
  auto job = co_await sent;
  EmailReceipt receipt = co_await job.async_get(10s);
  std::cout << receipt.message_id << "\n";
}

// Answers each task by its name, in the broker's place: sums are 5, mails have an id.
void answer_all(wherry::sdk::test::LoopbackBroker& broker) {
  broker.ask([&](auto& b) {
    b.script.confirm = [&b](const wherry::sdk::test::Script::Published& task) {
      if (!task.properties.reply_to) return wherry::sdk::test::Script::Confirm::ack;
      wherry::amqp::Properties properties;
      properties.content_type = "application/json";
      properties.content_encoding = "utf-8";
      properties.correlation_id = task.properties.correlation_id;
      const bool mail = *task.properties.headers->string("task") == "email.send";
      b.deliver(*task.properties.reply_to,
                R"({"task_id": ")" + *task.properties.correlation_id + R"(", "status": "SUCCESS", "result": )" +
                    (mail ? R"({"message_id": "<1@x>"})" : "5") + "}",
                properties);
      return wherry::sdk::test::Script::Confirm::ack;
    };
  });
}

// The page's snippets write to standard output; a test does not.
struct Quiet {
  std::ostringstream sink;
  std::streambuf* out = std::cout.rdbuf(sink.rdbuf());
  std::streambuf* err = std::cerr.rdbuf(sink.rdbuf());
  ~Quiet() {
    std::cout.rdbuf(out);
    std::cerr.rdbuf(err);
  }
};

}  // namespace

TEST_CASE("the page's way from a task to its result", "[page]") {
  wherry::log::set_level(wherry::log::Level::off);
  Quiet quiet;
  wherry::sdk::test::LoopbackBroker broker;
  answer_all(broker);
  wherry::Client client(broker.url());
  client.wait_connected(10s);
  auto job = client.enqueue(SendEmail{.to = "ann@example.org", .subject = "Hello", .body = "..."});
  EmailReceipt receipt = job.get(10s);
  int sum = client.enqueue(add(2, 3)).get(10s);
  CHECK(receipt.message_id == "<1@x>");
  CHECK(sum == 5);

  wherry::Job<wherry::task::Value> report =
      client.send("proj.tasks.report", wherry::args("2026-11", 3), wherry::kwargs({{"deep", true}}));
  CHECK(report.get(10s) == wherry::task::Value(5));

  std::vector<wherry::Pending<wherry::Job<int>>> sent;
  for (int i = 0; i < 100; ++i) sent.push_back(client.async_enqueue(add(i, 1)));
  int total = 0;
  for (auto& each : sent) total += each.get().get(10s);
  CHECK(total == 500);

  client.enqueue(SendEmail{.to = "ann@example.org", .subject = "Reminder", .body = "..."},
                 {.countdown = 30s, .expires = 2h, .queue = "email", .priority = 5});
  job.on_progress([](const wherry::task::Value& meta) { std::cout << wherry::task::describe(meta) << "\n"; });
  greet(client);
  client.close(10s);
}

TEST_CASE("the page's way when it goes wrong", "[page]") {
  wherry::log::set_level(wherry::log::Level::off);
  Quiet quiet;
  wherry::sdk::test::LoopbackBroker broker;
  wherry::Client client(broker.url());
  auto job = client.enqueue(add(1, 2));
  broker.ask([](auto& b) { b.script.confirm = [](const auto&) { return wherry::sdk::test::Script::Confirm::nack; }; });
  try {
    client.enqueue(SendEmail{.to = "ann@example.org", .subject = "Hello", .body = "..."}, {.timeout = 2s});
  } catch (const wherry::ClientError& e) {
    std::cerr << wherry::to_string(e.code()) << ": " << e.what() << "\n";
  }
  CHECK(quiet.sink.str().starts_with("refused: "));
  auto late = std::async(std::launch::async, [&] { client.close(50ms); });
  try {
    job.get(10s);
  } catch (const wherry::TaskFailed& e) {
    std::cerr << e.type() << ": " << e.message() << "\n" << e.traceback();
  } catch (const wherry::ClientError& e) {
    if (e.code() == wherry::Errc::timed_out) std::cerr << "still " << wherry::to_string(job.state()) << "\n";
  }
}

TEST_CASE("the page's way to another executor", "[page]") {
  struct {
    std::atomic<int> posted = 0;
    void post(const std::function<void()>& run) {
      ++posted;
      run();
    }
  } pool;
  wherry::log::set_level(wherry::log::Level::off);
  wherry::Client pooled("amqp://127.0.0.1", {.resume_on = [&pool](std::function<void()> run) { pool.post(run); }});
  CHECK(pool.posted == 0);
}

TEST_CASE("the page's routes in code", "[page]") {
  wherry::log::set_level(wherry::log::Level::off);
  // clang-format off
  wherry::Client routed("amqp://127.0.0.1", {.task_routes = {{.task = "email.*", .queue = "email", .priority = 5},
                                                             {.task = "log.record", .exchange = "logs", .routing_key = "app.info"},
                                                             {.task = "*", .queue = "rest"}}});
  // clang-format on
  CHECK_FALSE(routed.connected());
}

TEST_CASE("every piece of code on docs/sdk.md is in this file", "[page]") {
  const auto own = [](std::string words) {
    // Its own address.
    return words.starts_with("wherry::Client client(") ? words.substr(words.find("; ") + 2) : words;
  };
  CHECK(wherry::test::check_page("docs/sdk.md", "tests/unit/sdk/page_test.cpp", own) >= 10);
}
