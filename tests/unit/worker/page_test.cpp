// The code of docs/worker.md, compiled and run; the last test holds the page against this file.
#include <atomic>
#include <chrono>
#include <map>
#include <string>

#include <catch2/catch.hpp>

#include "tests/unit/page_code.h"
#include "tests/unit/worker/bench.h"

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

EmailReceipt send_email(const SendEmail& mail, wherry::Context& context) {
  context.progress(std::map<std::string, std::string>{{"to", mail.to}});
  return {.message_id = "<" + context.id() + "@mail.example.org>"};
}

struct Crawl {
  static constexpr auto task_name = "crawl";
  using Result = int;
  std::string url;
  std::string owner;
};

struct ChargeCard {
  static constexpr auto task_name = "card.charge";
  using Result = int;
  int cents = 0;
};

std::atomic<int> charged = 0;

bool bank_is_busy() {
  return ++charged == 1;
}

// The page's worker is a program's main(): here it is stopped from outside.
int page_main(const std::string& url, wherry::Client& client, std::function<void(wherry::Worker&)> started) {
  wherry::WorkerOptions options{.queues = {"email"}, .concurrency = 4, .handle_signals = false};
  wherry::Worker worker(url, options);
  worker.registry().on<SendEmail>(send_email);
  worker.registry().on("math.add", [](int a, int b) { return a + b; });
  worker.registry().on<Crawl>([&client](const Crawl& crawl, wherry::Context& context) -> wherry::Coro<int> {
    auto sent = client.async_enqueue(SendEmail{.to = crawl.owner, .subject = "Crawled", .body = crawl.url});
    auto job = co_await sent;
    co_await context.sleep(10ms);
    EmailReceipt receipt = co_await job.async_get(10s);
    co_return static_cast<int>(receipt.message_id.size());
  });
  worker.registry().on<ChargeCard>(
      [](const ChargeCard& charge) {
        if (charge.cents <= 0) throw wherry::Dead{"nothing to charge"};
        if (bank_is_busy()) throw wherry::Retry{.after = 20ms, .reason = "the bank is busy"};
        return charge.cents;
      },
      {.retry = wherry::RetryPolicy{.max_retries = 8, .base = 2s, .max = 5min}, .soft_time_limit = 30s});
  started(worker);
  return worker.run();
}

}  // namespace

WHERRY_TASKS(registry) {
  registry.on<SendEmail>(send_email);
}

TEST_CASE("the page's tasks run", "[page]") {
  wherry::worker::test::TestBroker broker;
  wherry::Client client(broker.url(), {.default_queue = "email"});
  wherry::Worker* worker = nullptr;
  std::promise<void> started;
  auto code = std::async(std::launch::async, [&] {
    return page_main(broker.url(), client, [&](wherry::Worker& made) {
      worker = &made;
      started.set_value();
    });
  });
  started.get_future().wait();
  auto job = client.enqueue(SendEmail{.to = "ann@example.org", .subject = "Hello", .body = "..."});
  CHECK(job.get(10s).message_id == "<" + job.id() + "@mail.example.org>");
  CHECK(client.send("math.add", wherry::args(2, 3)).get(10s) == wherry::task::Value(5));
  CHECK(client.enqueue(Crawl{.url = "http://example.org", .owner = "ann@example.org"}).get(10s) > 36);
  CHECK(client.enqueue(ChargeCard{.cents = 5}).get(10s) == 5);
  CHECK(charged == 2);
  CHECK_THROWS_WITH(client.enqueue(ChargeCard{.cents = 0}).get(10s), Catch::Contains("nothing to charge"));
  worker->stop();
  CHECK(code.get() == 0);
}

TEST_CASE("the page's library defines its tasks", "[page]") {
  wherry::Registry registry;
  wherry_tasks(registry);
  CHECK(registry.names() == std::vector<std::string>{"email.send"});
}

namespace {

// The page's main, as it stands there: compiled, not run.
[[maybe_unused]] int page_program() {
  wherry::Worker worker("amqp://guest:guest@127.0.0.1:5672/", {.queues = {"email"}, .concurrency = 4});
  worker.registry().on<SendEmail>(send_email);
  return worker.run();
}

}  // namespace

TEST_CASE("every piece of code on docs/worker.md is in this file", "[page]") {
  CHECK(wherry::test::check_page("docs/worker.md", "tests/unit/worker/page_test.cpp") == 6);
}
