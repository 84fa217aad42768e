// The broker in this process: what reaches it, what it keeps, and what it says when it cannot start.
#include "wherry/embedded.h"

#include <chrono>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <future>
#include <string>
#include <thread>

#include <catch2/catch.hpp>
#include <sys/wait.h>
#include <unistd.h>

#include "base/log.h"
#include "embedded/brokers.h"
#include "embedded/snapshot.h"
#include "wherry/client.h"
#include "wherry/worker.h"

using namespace wherry;
using namespace std::chrono_literals;

namespace {

constexpr auto patience = 30s;

struct Add {
  static constexpr auto task_name = "add";
  using Result = int;
  int a = 0;
  int b = 0;
};

class Folder {
 public:
  Folder() {
    std::string pattern = (std::filesystem::temp_directory_path() / "wherry-embedded-XXXXXX").string();
    REQUIRE(::mkdtemp(pattern.data()) != nullptr);
    path_ = pattern;
  }
  ~Folder() {
    std::error_code ignored;
    std::filesystem::remove_all(path_, ignored);
  }
  std::string path(const std::string& below = {}) const { return below.empty() ? path_ : path_ + "/" + below; }

 private:
  std::string path_;
};

// Adds, on a thread of its own, until it goes.
class Adder {
 public:
  explicit Adder(const std::string& url)
      : worker_(url, {.concurrency = 1, .handle_signals = false, .on_ready = [this] { ready_.set_value(); }}) {
    worker_.registry().on<Add>([](const Add& task) { return task.a + task.b; });
    thread_ = std::thread([this] { worker_.run(); });
    REQUIRE(ready_.get_future().wait_for(patience) == std::future_status::ready);
  }
  ~Adder() {
    worker_.stop();
    thread_.join();
  }

 private:
  std::promise<void> ready_;
  Worker worker_;
  std::thread thread_;
};

std::string error_of(const std::function<void()>& action) {
  try {
    action();
  } catch (const ClientError& error) {
    CHECK(error.code() == Errc::invalid_argument);
    return error.what();
  }
  return "no error";
}

template <class F>
bool eventually(F condition) {
  const auto deadline = std::chrono::steady_clock::now() + patience;
  while (std::chrono::steady_clock::now() < deadline) {
    if (condition()) return true;
    std::this_thread::sleep_for(1ms);
  }
  return false;
}

std::uint32_t ready_in(const std::string& url, const std::string& queue) {
  auto entry = std::static_pointer_cast<embedded::Entry>(*sdk::open_local_broker(url));
  std::uint32_t ready = 0;
  REQUIRE(entry->with([&](embedded::Running& running) {
    for (const auto& each : embedded::look(running).queues) {
      if (each.name == queue) ready = each.ready;
    }
  }));
  return ready;
}

}  // namespace

TEST_CASE("embedded: is a broker for a client and a worker of this process") {
  log::set_level(log::Level::off);
  Client client("embedded:");
  Adder adder("embedded:");
  CHECK(client.enqueue(Add{2, 3}).get(patience) == 5);
}

TEST_CASE("What embedded: holds goes with the last who named it") {
  {
    Client first("embedded:");
    first.enqueue(Add{1, 1});
    CHECK(ready_in("embedded:", "celery") == 1);
    Client second("embedded:");
    second.enqueue(Add{1, 1});
    CHECK(ready_in("embedded:", "celery") == 2);
  }
  Client third("embedded:");
  third.wait_connected(patience);
  CHECK(ready_in("embedded:", "celery") == 0);
}

TEST_CASE("What a broker in a folder confirmed is there after its end") {
  Folder folder;
  const std::string url = "embedded://" + folder.path("queue");
  {
    Client client(url);
    for (int i = 0; i < 20; ++i) client.enqueue(Add{i, 1});
  }
  CHECK(std::filesystem::exists(folder.path("queue/definitions.sqlite")));
  Client client(url);
  client.wait_connected(patience);
  CHECK(ready_in(url, "celery") == 20);
}

TEST_CASE("Several brokers of one process know nothing of each other") {
  EmbeddedBroker one({.name = "one"});
  EmbeddedBroker two;
  CHECK(one.url() == "embedded:one");
  CHECK(two.url() != one.url());
  Client to_one("embedded:one");
  to_one.enqueue(Add{1, 1});
  Client to_two(two.url());
  to_two.enqueue(Add{1, 1}, {.queue = "other"});
  CHECK(ready_in(one.url(), "celery") == 1);
  CHECK(ready_in(two.url(), "celery") == 0);
  CHECK(ready_in(two.url(), "other") == 1);
}

TEST_CASE("A broker with two shards gives every task to the worker") {
  EmbeddedBroker broker({.shards = 2});
  Client client(broker.url());
  Adder adder(broker.url());
  std::vector<Job<int>> jobs;
  for (int i = 0; i < 50; ++i) jobs.push_back(client.enqueue(Add{i, i}));
  for (int i = 0; i < 50; ++i) CHECK(jobs[static_cast<std::size_t>(i)].get(patience) == 2 * i);
}

TEST_CASE("A client comes back to a broker that was stopped and started on its folder") {
  Folder folder;
  auto broker = std::make_unique<EmbeddedBroker>(EmbeddedOptions{.folder = folder.path()});
  Client client(broker->url(), {.backoff_first = 5ms, .backoff_max = 20ms});
  client.enqueue(Add{1, 2});
  broker->stop();
  CHECK(eventually([&] { return !client.connected(); }));
  CHECK_THROWS_AS(client.enqueue(Add{1, 2}, {.timeout = 50ms}), ClientError);
  broker.reset();
  broker = std::make_unique<EmbeddedBroker>(EmbeddedOptions{.folder = folder.path()});
  client.wait_connected(patience);
  client.enqueue(Add{3, 4});
  CHECK(ready_in(broker->url(), "celery") == 2);
}

TEST_CASE("A folder has one broker at a time, in this process and in others") {
  Folder folder;
  EmbeddedBroker broker({.folder = folder.path(), .name = "first"});
  CHECK(error_of([&] { EmbeddedBroker({.folder = folder.path(), .name = "first"}); }) ==
        "embedded broker: embedded:first runs already in this process");
  const std::string second = error_of([&] { Client("embedded://" + folder.path()); });
  CHECK(second.find("another broker uses it (process " + std::to_string(::getpid()) + ")") != std::string::npos);
}

TEST_CASE("What is wrong with an embedded broker is said when its client is made") {
  Folder folder;
  CHECK(error_of([] { Client("embedded:nobody"); }) ==
        "broker URL: embedded:nobody: no EmbeddedBroker of that name is in this process");
  CHECK(error_of([] { Client("embedded://relative/path"); }).find("embedded:///var/lib/app/queue") !=
        std::string::npos);
  CHECK(error_of([] { Client("embedded:a/b"); }).find("embedded:NAME") != std::string::npos);
  std::ofstream(folder.path("file")) << "not a folder";
  CHECK(error_of([&] { Client("embedded://" + folder.path("file")); }).find(folder.path("file")) != std::string::npos);
  CHECK(error_of([] { EmbeddedBroker({.name = "a b"}); }).find("'a b'") != std::string::npos);
  CHECK(error_of([] { EmbeddedBroker({.shards = 0}); }).find("from 1 to 64") != std::string::npos);
  CHECK(error_of([] { EmbeddedBroker({.durability = "never"}); }).find("durability") != std::string::npos);
}

TEST_CASE("Queues come from a broker.yaml, and other processes in where it is said") {
  Folder folder;
  std::ofstream(folder.path("broker.yaml")) << "vhosts:\n  - name: /\n    queues:\n      - name: ready-made\n";
  EmbeddedBroker broker({.config = folder.path("broker.yaml"), .listen = "127.0.0.1:0"});
  CHECK(ready_in(broker.url(), "ready-made") == 0);
  Client over_the_network(broker.network_url());
  over_the_network.enqueue(Add{1, 1}, {.queue = "ready-made"});
  CHECK(ready_in(broker.url(), "ready-made") == 1);
  EmbeddedBroker alone;
  CHECK_THROWS_AS(alone.network_url(), std::logic_error);
}

TEST_CASE("A broker in this process leaves the signals as they are") {
  struct sigaction before {};
  REQUIRE(::sigaction(SIGTERM, nullptr, &before) == 0);
  EmbeddedBroker broker;
  struct sigaction after {};
  REQUIRE(::sigaction(SIGTERM, nullptr, &after) == 0);
  CHECK(after.sa_handler == before.sa_handler);
}
