// The code of docs/testing-tasks.md, compiled and run; the last test holds the page against this file.
#include <cstdlib>
#include <filesystem>
#include <map>
#include <stdexcept>
#include <string>
#include <vector>

#include <catch2/catch.hpp>

#include "tests/unit/page_code.h"
#include "wherry/embedded.h"
#include "wherry/testing.h"

using namespace std::chrono_literals;

namespace {

struct SendEmail {
  static constexpr auto task_name = "email.send";
  std::string to;
  std::string subject;
};
struct SendSms {
  static constexpr auto task_name = "sms.send";
  std::string to;
};
struct ChargeCard {
  static constexpr auto task_name = "card.charge";
  std::string order;
  int cents = 0;
};

std::vector<std::string> mailbox;
void send_email(const SendEmail& mail) {
  mailbox.push_back(mail.to);
}
void order_paid(wherry::Client& client, const std::string& customer) {
  client.enqueue(SendEmail{.to = customer, .subject = "Paid"}, {.queue = "email"});
}
std::map<std::string, int> charged;
void charge_card(const ChargeCard& task) {
  if (!charged.contains(task.order)) charged[task.order] += task.cents;
}

}  // namespace

TEST_CASE("The page's test of an order") {
  mailbox.clear();
  wherry::testing::Harness tasks;
  tasks.registry().on<SendEmail>(send_email);

  order_paid(tasks.client(), "ann@example.org");  // The code under test.
  tasks.require_enqueued<SendEmail>({.queue = "email"});
  tasks.require_none<SendSms>();

  tasks.drain();
  CHECK(mailbox == std::vector<std::string>{"ann@example.org"});
}

TEST_CASE("The page's condition on the fields") {
  wherry::testing::Harness tasks;
  order_paid(tasks.client(), "ann@example.org");
  const auto mail = tasks.require_enqueued<SendEmail>(
      {.queue = "email", .that = [](const SendEmail& each) { return each.subject == "Paid"; }});
  CHECK(mail.task.to == "ann@example.org");
  std::string failure;
  try {
    tasks.require_enqueued<SendSms>({.queue = "sms"});
  } catch (const wherry::testing::CheckFailed& failed) {
    failure = failed.what();
  }
  CHECK(failure ==
        "no task 'sms.send' waits in queue 'sms'. What waits:\n"
        "  queue 'email': email.send {'to': 'ann@example.org', 'subject': 'Paid'}");
}

TEST_CASE("The page's hour") {
  wherry::WorkerOptions options;
  options.retry = {.max_retries = 2, .base = 1min, .factor = 2, .jitter = false};
  wherry::testing::Harness tasks({.worker = options});
  tasks.registry().on<SendEmail>([](const SendEmail&) { throw std::runtime_error("the server is away"); });

  tasks.client().enqueue(SendEmail{.to = "ann@example.org", .subject = "Paid"}, {.countdown = 10min});
  tasks.pass(10min);
  CHECK(tasks.ran<SendEmail>().size() == 1);
  tasks.pass(1h);  // Again after one minute, and after two more.
  CHECK(tasks.ran<SendEmail>().size() == 3);
  CHECK(tasks.dead_letters().at(0).reason.find("the server is away") != std::string::npos);
}

TEST_CASE("The page's crash") {
  charged.clear();
  wherry::testing::Harness tasks;
  tasks.registry().on<ChargeCard>(charge_card);
  tasks.crash<ChargeCard>({.step = wherry::testing::Step::before_ack});

  tasks.client().enqueue(ChargeCard{.order = "4711", .cents = 1200});
  tasks.drain();
  CHECK(tasks.ran<ChargeCard>().size() == 2);
  CHECK(charged.at("4711") == 1200);  // Once, because it looks before it charges.
  tasks.require_mishaps_happened();
}

TEST_CASE("The page's broker in a folder") {
  std::string folder = (std::filesystem::temp_directory_path() / "wherry-page-XXXXXX").string();
  REQUIRE(::mkdtemp(folder.data()) != nullptr);
  {
    wherry::EmbeddedBroker broker({.folder = folder + "/queue", .shards = 1});
    wherry::Client client(broker.url());
    wherry::Worker worker(broker.url(), {.queues = {"email"}, .concurrency = 2, .handle_signals = false});
    client.enqueue(SendEmail{.to = "ann@example.org", .subject = "Paid"}, {.queue = "email"});
  }
  CHECK(std::filesystem::exists(folder + "/queue/definitions.sqlite"));
  std::filesystem::remove_all(folder);
}

TEST_CASE("The code of docs/testing-tasks.md is compiled and run") {
  CHECK(wherry::test::check_page("docs/testing-tasks.md", "tests/unit/testing/page_test.cpp") == 5);
}
