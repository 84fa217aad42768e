// Dead letters looked at, replayed and thrown away by the SDK, and the code of docs/dead-letters.md, compiled and run.
#include <atomic>
#include <iostream>
#include <string>
#include <vector>

#include <catch2/catch.hpp>
#include <wherry/client.h>
#include <wherry/dead_letters.h>

#include "tests/unit/page_code.h"
#include "tests/unit/worker/bench.h"

using namespace std::chrono_literals;
using wherry::worker::test::Running;
using wherry::worker::test::TestBroker;

namespace {

// Tasks that die as long as the server is down, and a count of what was done.
struct MailServer {
  std::atomic<bool> down{true};
  std::atomic<int> sent{0};

  void define(wherry::Registry& tasks) {
    tasks.on("email.send", [this](const std::string&) {
      if (down) throw wherry::Dead{"the mail server is down"};
      ++sent;
    });
    tasks.on("sms.send", [](const std::string&) { throw wherry::Dead{"no such number"}; });
  }
};

constexpr wherry::Function<void(std::string)> send_email{"email.send"};
constexpr wherry::Function<void(std::string)> send_sms{"sms.send"};

// already: dead letters that are there before.
void bury(const std::string& url, int emails, int messages, int already = 0) {
  wherry::Client client(url, {.default_queue = "mail", .results = false});
  for (int i = 0; i < emails; ++i) client.enqueue(send_email(std::to_string(i)));
  for (int i = 0; i < messages; ++i) client.enqueue(send_sms(std::to_string(i)));
  const wherry::DeadLetters letters(url);
  const auto wanted = static_cast<std::size_t>(emails + messages + already);
  const auto until = std::chrono::steady_clock::now() + wherry::worker::test::patience;
  while (letters.list({}, 10'000).size() < wanted) REQUIRE(std::chrono::steady_clock::now() < until);
}

}  // namespace

TEST_CASE("dead letters are listed, replayed and thrown away over AMQP, as the page says", "[page]") {
  TestBroker broker(2);
  const std::string url = broker.url();
  MailServer server;
  Running worker(url, {.queues = {"mail"}, .concurrency = 2}, [&](wherry::Registry& tasks) { server.define(tasks); });
  worker.wait_ready();
  bury(url, 30, 5);

  wherry::DeadLetters letters(url);
  for (const wherry::DeadLetter& letter : letters.list({.task = "email.*"})) {
    std::cout << letter.id << " " << letter.reason << " (" << letter.history.size() << " attempts)\n";
  }
  const auto emails = letters.list({.task = "email.*"});
  REQUIRE(emails.size() == 30);
  CHECK(emails[0].queue == "mail");
  CHECK(emails[0].history.size() == 1);
  CHECK(letters.list({}, 7).size() == 7);
  CHECK(letters.list().size() == 35);

  server.down = false;
  wherry::DeadLetterReport report = letters.replay({.reason = "mail server is down"});
  std::cout << report.done << " of " << report.matched << " replayed\n";
  for (const auto& left : report.refused) std::cerr << left.id << " stays: " << left.why << "\n";
  CHECK(report.done == 30);
  CHECK(report.matched == 30);
  CHECK(report.looked_at == 35);
  const auto until = std::chrono::steady_clock::now() + wherry::worker::test::patience;
  while (server.sent < 30) REQUIRE(std::chrono::steady_clock::now() < until);
  CHECK(letters.list().size() == 5);

  wherry::DeadLetterFilter hopeless{
      .before = std::chrono::system_clock::now() - 24h * 30,
      .where = [](const wherry::DeadLetter& letter) { return letter.replays > 3; },
  };
  letters.discard(hopeless);
  CHECK(letters.list().size() == 5);
  CHECK(letters.discard({.where = [](const wherry::DeadLetter& letter) { return letter.args == "('3',)"; }}).done == 1);
  CHECK(letters.discard_all().done == 4);
  CHECK(letters.list().empty());
  CHECK(wherry::test::check_page("docs/dead-letters.md", "tests/unit/worker/dead_letters_test.cpp") == 3);
}

TEST_CASE("a replay takes what was there when it began, with few on their way, and what stays keeps its order") {
  TestBroker broker(2);
  const std::string url = broker.url();
  MailServer server;
  // One at a time: they die in the order in which they were sent.
  Running worker(url, {.queues = {"mail"}, .concurrency = 1}, [&](wherry::Registry& tasks) { server.define(tasks); });
  worker.wait_ready();
  bury(url, 0, 60);
  bury(url, 40, 0, 60);

  std::uint64_t steps = 0;
  wherry::DeadLetterOptions options{.at_once = 4};
  options.on_progress = [&](const wherry::DeadLetterReport& report) {
    ++steps;
    CHECK(report.of == 100);
    CHECK(report.done <= report.matched);
  };
  const wherry::DeadLetters letters(url, options);
  // They die again, at once, and are not replayed once more.
  const auto report = letters.replay({.task = "sms.*"});
  CHECK(report.done == 60);
  CHECK(report.looked_at == 100);
  CHECK(steps >= 100);
  const auto until = std::chrono::steady_clock::now() + wherry::worker::test::patience;
  std::vector<wherry::DeadLetter> all;
  while ((all = wherry::DeadLetters(url).list({}, 1'000)).size() < 100) {
    REQUIRE(std::chrono::steady_clock::now() < until);
  }
  for (std::size_t i = 0; i < 40; ++i) CHECK(all[i].args == "('" + std::to_string(i) + "',)");
  for (std::size_t i = 40; i < 100; ++i) CHECK(all[i].replays == 1);
  CHECK(wherry::DeadLetters(url, {.dry_run = true}).replay_all().matched == 100);
  CHECK(wherry::DeadLetters(url).list({}, 1'000).size() == 100);
}

TEST_CASE("what cannot be replayed stays and is named, and a call that can do nothing says why") {
  TestBroker broker;
  const std::string url = broker.url();
  CHECK_THROWS_AS(wherry::DeadLetters("nonsense://"), wherry::ClientError);
  const wherry::DeadLetters letters(url);
  const auto code_of = [](const auto& call) {
    try {
      call();
    } catch (const wherry::ClientError& error) {
      return error.code();
    }
    return wherry::Errc::closed;
  };
  CHECK(code_of([&] { letters.list(); }) == wherry::Errc::unroutable);
  CHECK(code_of([&] { letters.replay({}); }) == wherry::Errc::invalid_argument);
  CHECK(code_of([&] { letters.discard({}); }) == wherry::Errc::invalid_argument);
  CHECK(code_of([&] { wherry::DeadLetters("amqp://guest:wrong@127.0.0.1:" + std::to_string(broker.port())).list(); }) ==
        wherry::Errc::denied);

  MailServer server;
  {
    Running worker(url, {.queues = {"mail"}, .concurrency = 1}, [&](wherry::Registry& tasks) { server.define(tasks); });
    worker.wait_ready();
    bury(url, 3, 0);
  }
  // What has no place to go to: a queue that is not there.
  wherry::net::EventLoop loop;
  wherry::sdk::LinkConfig config;
  config.endpoints = *wherry::sdk::parse_endpoints(url);
  wherry::sdk::Link link(loop, config);
  wherry::sdk::Publication lost;
  lost.routing_key = "wherry.dead";
  lost.properties.headers.emplace().set("id", "lost");
  lost.properties.headers->set("x-wherry-queue", "gone");
  link.publish(std::move(lost), [&](const wherry::sdk::Report& report) {
    CHECK(report.ok());
    link.close([&] { loop.stop(); });
  });
  link.start();
  loop.run();
  const auto report = letters.replay_all();
  CHECK(report.done == 3);
  REQUIRE(report.refused.size() == 1);
  CHECK(report.refused[0].id == "lost");
  CHECK(letters.list().size() == 1);
  CHECK_THROWS_AS(letters.replay({.where = [](const wherry::DeadLetter&) -> bool { throw std::runtime_error("no"); }}),
                  std::runtime_error);
  CHECK(letters.list().size() == 1);
}
