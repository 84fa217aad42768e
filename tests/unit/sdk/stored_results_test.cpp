// A client whose results are stored, with a file as the store, and the code of docs/results.md.
#include <filesystem>
#include <fstream>
#include <sstream>
#include <thread>

#include <catch2/catch.hpp>
#include <stdlib.h>
#include <wherry/client.h>

#include "base/log.h"
#include "sdk/results/backend.h"
#include "tests/unit/sdk/loopback_broker.h"

using namespace std::chrono_literals;
using wherry::sdk::test::LoopbackBroker;

namespace {

constexpr auto patience = 60s;

inline constexpr wherry::Function<int(int, int)> add{"math.add"};

struct Store {
  Store() {
    wherry::log::set_level(wherry::log::Level::off);
    std::string pattern = (std::filesystem::temp_directory_path() / "wherry-stored-XXXXXX").string();
    REQUIRE(::mkdtemp(pattern.data()) != nullptr);
    folder = pattern;
    url = "sqlite:///" + pattern + "/results.db";
    auto opened = wherry::results::open(loop, url);
    REQUIRE(opened);
    backend = *std::move(opened);
  }
  ~Store() {
    backend.reset();
    std::error_code ignored;
    std::filesystem::remove_all(folder, ignored);
  }
  // As a worker stores it.
  void put(const std::string& id, const std::string& status, wherry::task::Value result) {
    wherry::task::ResultMeta meta{.task_id = id, .status = status};
    if (status == "FAILURE") {
      meta.exception = wherry::task::TaskException{"ValueError", {result}, "builtins"};
    } else {
      meta.result = std::move(result);
    }
    bool stored = false;
    backend->store(meta, std::chrono::steady_clock::now() + patience,
                   [&](const wherry::results::Outcome<void>& outcome) {
                     stored = outcome.has_value();
                     loop.stop();
                   });
    loop.run();
    REQUIRE(stored);
  }

  std::filesystem::path folder;
  std::string url;
  wherry::net::EventLoop loop;
  std::unique_ptr<wherry::results::ResultBackend> backend;
};

wherry::Errc code_thrown(const std::function<void()>& f) {
  try {
    f();
  } catch (const wherry::ClientError& e) {
    UNSCOPED_INFO(e.what());
    return e.code();
  }
  throw std::runtime_error("nothing was thrown");
}

}  // namespace

TEST_CASE("a client reads its results from where they are stored", "[stored]") {
  Store store;
  LoopbackBroker broker;
  wherry::Client client(broker.url(), {.result_backend = store.url});
  auto job = client.enqueue(add(2, 3));
  const auto message = broker.ask([](LoopbackBroker& b) { return b.script.published.at(0); });
  CHECK_FALSE(message.properties.reply_to.value_or("").size() > 0);
  REQUIRE(message.properties.headers);
  CHECK(*message.properties.headers->find("ignore_result")->get<bool>() == false);

  std::promise<wherry::task::Value> reported;
  job.on_progress([&](const wherry::task::Value& meta) { reported.set_value(meta); });
  store.put(job.id(), "PROGRESS", 50);
  auto report = reported.get_future();
  REQUIRE(report.wait_for(patience) == std::future_status::ready);
  CHECK(report.get() == wherry::task::Value(50));
  CHECK(job.state() == wherry::TaskState::progress);
  store.put(job.id(), "SUCCESS", 5);
  CHECK(job.get(patience) == 5);

  auto failing = client.enqueue(add(0, 0));
  store.put(failing.id(), "FAILURE", "no such number");
  try {
    failing.get(patience);
    FAIL("it failed");
  } catch (const wherry::TaskFailed& failed) {
    CHECK(failed.type() == "ValueError");
    CHECK(failed.message() == "no such number");
  }
}

TEST_CASE("a job is made of an id, any number of times, and its result forgotten", "[stored]") {
  Store store;
  LoopbackBroker broker;
  store.put("t", "SUCCESS", 7);
  wherry::Client client(broker.url(), {.result_backend = store.url});
  for (int i = 0; i < 3; ++i) CHECK(client.job<int>("t").get(patience) == 7);
  auto one = client.job<int>("u");
  auto two = client.job<int>("u");
  CHECK(one.state() == wherry::TaskState::pending);
  CHECK(code_thrown([&] { one.get(20ms); }) == wherry::Errc::timed_out);
  store.put("u", "SUCCESS", 8);
  CHECK(one.get(patience) == 8);
  CHECK(two.get(patience) == 8);
  client.job("t").forget(patience);
  CHECK(code_thrown([&] { client.job("t").get(50ms); }) == wherry::Errc::timed_out);
  CHECK(one.get(patience) == 8);
}

TEST_CASE("what waits for a stored result when its client closes is told", "[stored]") {
  Store store;
  LoopbackBroker broker;
  auto client = std::make_unique<wherry::Client>(broker.url(), wherry::ClientOptions{.result_backend = store.url});
  auto job = client->job<int>("t");
  auto waiting = job.async_get(patience);
  client.reset();
  CHECK(code_thrown([&] { waiting.get(); }) == wherry::Errc::closed);
  CHECK(code_thrown([&] { job.forget(patience); }) == wherry::Errc::disconnected);
}

TEST_CASE("over a reply queue there is no job by its id, and nothing to forget", "[stored]") {
  Store store;
  LoopbackBroker broker;
  wherry::Client client(broker.url());
  CHECK_THROWS_AS(client.job("t"), std::logic_error);
  client.enqueue(add(1, 2)).forget(patience);
}

TEST_CASE("with the backend none nobody wants a result", "[stored]") {
  Store store;
  LoopbackBroker broker;
  wherry::Client client(broker.url(), {.result_backend = "none"});
  auto job = client.enqueue(add(1, 2));
  CHECK_THROWS_AS(job.get(1s), std::logic_error);
  const auto message = broker.ask([](LoopbackBroker& b) { return b.script.published.at(0); });
  CHECK(*message.properties.headers->find("ignore_result")->get<bool>());
}

TEST_CASE("a result backend that cannot be used is told at once, without its password", "[stored]") {
  Store store;
  for (const char* url :
       {"redis://:secret@h/x", "rediss://:secret@h?ssl=secret", "sqlite://x", "mongodb://u:secret@h", "cache"}) {
    CAPTURE(url);
    try {
      wherry::Client client("amqp://127.0.0.1", {.result_backend = url});
      FAIL("it was taken");
    } catch (const wherry::ClientError& e) {
      CHECK(e.code() == wherry::Errc::invalid_argument);
      CHECK(std::string(e.what()).find("secret") == std::string::npos);
    }
  }
}

TEST_CASE("docs/results.md: a result by its id, and the page's code is in this file", "[page]") {
  Store store;
  LoopbackBroker broker;
  store.put("known", "SUCCESS", 5);
  {
    wherry::Client client(broker.url(), {.result_backend = store.url});
    std::string id = client.enqueue(add(2, 3)).id();
    store.put(id, "SUCCESS", 5);
    int sum = client.job<int>(id).get(10s);
    client.job(id).forget(10s);  // Removed from the store; else it expires.
    CHECK(sum == 5);
  }
  std::stringstream own;
  own << std::ifstream(WHERRY_SOURCE_DIR "/tests/unit/sdk/stored_results_test.cpp").rdbuf();
  std::ifstream page(WHERRY_SOURCE_DIR "/docs/results.md");
  REQUIRE(page);
  bool inside = false;
  for (std::string line; std::getline(page, line);) {
    const bool fence = line.starts_with("```");
    if (fence) inside = line == "```cpp";
    // The addresses are the reader's own.
    if (fence || !inside || line.find("127.0.0.1") != line.npos) continue;
    INFO(line);
    CHECK(own.str().find(line.substr(0, line.find("  //"))) != std::string::npos);
  }
}
