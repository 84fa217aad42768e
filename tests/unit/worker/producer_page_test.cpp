// The code of docs/producer.md, compiled and run; the last test holds the page against this file.
#include <chrono>
#include <cstdlib>
#include <filesystem>
#include <iostream>
#include <string>
#include <vector>

#include <catch2/catch.hpp>
#include <wherry/outbox.h>

#include "tests/unit/page_code.h"
#include "tests/unit/worker/bench.h"

using namespace std::chrono_literals;

namespace producer_page {

struct SendEmail {
  static constexpr auto task_name = "email.send";
  std::string to;
};
struct ChargeCard {
  static constexpr auto task_name = "card.charge";
  int order = 0;
};
struct RefreshFeed {
  static constexpr auto task_name = "feed.refresh";
  int feed = 0;
};

std::vector<SendEmail> newsletter() {
  return {{"ann@example.org"}, {"bob@example.org"}, {"cem@example.org"}};
}

TEST_CASE("the producer page's tasks are enqueued", "[page]") {
  wherry::worker::test::TestBroker broker;
  wherry::Client client(broker.url());
  std::vector<SendEmail> mails = newsletter();
  std::vector<wherry::Job<void>> jobs = client.enqueue_many(mails, {.queue = "email"});
  CHECK(jobs.size() == 3);
  client.enqueue_many(mails, [](const SendEmail& mail) {
    return wherry::EnqueueOptions{.queue = "email", .deduplication_key = mail.to, .ignore_result = true};
  });
  try {
    client.enqueue_many(mails, {.queue = "email"});
  } catch (const wherry::EnqueueManyFailed& e) {
    for (const auto& [index, error] : e.failures()) std::cerr << mails[index].to << ": " << error.what() << "\n";
  }
  client.enqueue(ChargeCard{.order = 17}, {.queue = "payments", .unique = wherry::Unique{.key = "17"}});
  client.enqueue(RefreshFeed{.feed = 4}, {.queue = "feeds", .unique = wherry::Unique{.key = "4", .window = 10min}});
  wherry::TraceScope scope({.traceparent = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"});
  client.enqueue(SendEmail{.to = "ann@example.org"});
}

TEST_CASE("the producer page's spool takes tasks without a broker", "[page]") {
  wherry::log::set_level(wherry::log::Level::off);
  std::string folder = (std::filesystem::temp_directory_path() / "wherry-spool-XXXXXX").string();
  REQUIRE(::mkdtemp(folder.data()) != nullptr);
  const std::string url = "amqp://127.0.0.1:1";
  {
    wherry::Client client(url, {.spool = wherry::SpoolOptions{.folder = folder + "/mailer", .max_bytes = 16 << 20}});
    client.enqueue(SendEmail{.to = "ann@example.org"});
  }
  std::filesystem::remove_all(folder);
}

struct SendReceipt {
  static constexpr auto task_name = "receipt.send";
  int order = 0;
};

TEST_CASE("the producer page's outbox gives SQL", "[page]") {
  std::vector<std::string> executed;
  const auto execute = [&](const std::string& sql) { executed.push_back(sql); };
  const wherry::Outbox outbox({.database = wherry::OutboxDatabase::sqlite});
  execute(outbox.create_table());
  execute("BEGIN");
  execute("UPDATE orders SET paid = 1 WHERE id = 17");
  execute(outbox.insert(SendReceipt{.order = 17}, {.queue = "mail"}).sql);
  execute("COMMIT");
  CHECK(executed[3].starts_with("INSERT INTO wherry_outbox (task_id, message) VALUES (CAST(X'"));
}

TEST_CASE("every piece of code on docs/producer.md is in this file", "[page]") {
  CHECK(wherry::test::check_page("docs/producer.md", "tests/unit/worker/producer_page_test.cpp") == 7);
}

}  // namespace producer_page
