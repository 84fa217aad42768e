#include <atomic>
#include <coroutine>
#include <future>
#include <stdexcept>

#include <catch2/catch.hpp>
#include <wherry/client.h>

#include "base/log.h"
#include "protocol/task/json.h"
#include "tests/unit/sdk/loopback_broker.h"

using namespace std::chrono_literals;
using wherry::sdk::test::LoopbackBroker;
using wherry::sdk::test::Script;
namespace amqp = wherry::amqp;

namespace {

struct Receipt {
  std::string message_id;
  int attempts = 0;
};

struct SendEmail {
  static constexpr auto task_name = "email.send";
  using Result = Receipt;
  std::string to;
  std::string subject;
};

inline constexpr wherry::Function<int(int, int)> add{"math.add"};

// A broker that answers what a test says, and the published messages it saw.
struct Fixture {
  Fixture() { wherry::log::set_level(wherry::log::Level::off); }

  Script::Published published(std::size_t index) {
    return broker.ask([&](LoopbackBroker& b) { return b.script.published.at(index); });
  }
  void confirm_with(Script::Confirm how) {
    broker.ask([&](LoopbackBroker& b) { b.script.confirm = [how](const auto&) { return how; }; });
  }
  // Answers the task that was published last as a Celery worker would, in JSON.
  void answer(const std::string& status, const std::string& result) {
    // The reply queue may still be about to be consumed.
    const bool delivered = broker.until([&](LoopbackBroker& b) {
      const auto& task = b.script.published.back();
      amqp::Properties properties;
      properties.content_type = "application/json";
      properties.content_encoding = "utf-8";
      properties.correlation_id = task.properties.correlation_id;
      const std::string body = R"({"task_id": ")" + *task.properties.correlation_id + R"(", "status": ")" + status +
                               R"(", "result": )" + result +
                               R"(, "traceback": null, "children": [], "date_done": null})";
      return b.deliver(*task.properties.reply_to, body, properties);
    });
    REQUIRE(delivered);
  }

  LoopbackBroker broker;
};

wherry::task::Value json(const char* text) {
  return wherry::task::decode_json(text).value();
}

template <class F>
wherry::Errc code_of(F f) {
  try {
    f();
  } catch (const wherry::ClientError& e) {
    UNSCOPED_INFO(e.what());
    return e.code();
  }
  throw std::runtime_error("nothing was thrown");
}

// The least a coroutine can be.
struct Detached {
  struct promise_type {
    Detached get_return_object() { return {}; }
    std::suspend_never initial_suspend() { return {}; }
    std::suspend_never final_suspend() noexcept { return {}; }
    void return_void() {}
    void unhandled_exception() { std::terminate(); }
  };
};

}  // namespace

TEST_CASE("a task is enqueued confirmed, mandatory and persistent, to a queue that is declared once", "[client]") {
  Fixture f;
  wherry::Client client(f.broker.url());
  const auto job = client.enqueue(SendEmail{"ann@example.org", "hello"});
  client.enqueue(SendEmail{"bob@example.org", "hello"});
  const auto message = f.published(0);
  CHECK(message.exchange.empty());
  CHECK(message.routing_key == "celery");
  CHECK(message.mandatory);
  CHECK(message.properties.delivery_mode == 2);
  CHECK(message.properties.correlation_id == job.id());
  CHECK(message.properties.content_type == "application/x-msgpack");
  REQUIRE(message.properties.headers);
  CHECK(*message.properties.headers->string("task") == "email.send");
  CHECK(*message.properties.headers->string("id") == job.id());
  const auto log = f.broker.ask([](LoopbackBroker& b) { return b.script.log; });
  CHECK(std::count(log.begin(), log.end(), "declare queue celery") == 1);
  CHECK(std::count(log.begin(), log.end(), "bind celery to celery by celery") == 1);
}

TEST_CASE("fields are keyword arguments, parameters of a function positional", "[client]") {
  Fixture f;
  wherry::Client client(f.broker.url());
  client.enqueue(SendEmail{"ann@example.org", "hello"}, {.serializer = wherry::Serializer::json});
  client.enqueue(add(2, 3), {.serializer = wherry::Serializer::json});
  client.send("proj.report", wherry::args("x"), wherry::kwargs({{"deep", true}}),
              {.serializer = wherry::Serializer::json});
  auto head = [&](std::size_t i) {
    const auto body = wherry::task::decode_json(f.published(i).body).value();
    const auto& parts = *body.get<wherry::task::Value::Array>();
    return wherry::task::Value(wherry::task::Value::Array{parts[0], parts[1]});
  };
  CHECK(head(0) == json(R"([[], {"to": "ann@example.org", "subject": "hello"}])"));
  CHECK(head(1) == json(R"([[2, 3], {}])"));
  CHECK(head(2) == json(R"([["x"], {"deep": true}])"));
}

TEST_CASE("a result comes back as the task's type", "[client]") {
  Fixture f;
  wherry::Client client(f.broker.url());
  const auto job = client.enqueue(SendEmail{"ann@example.org", "hello"});
  CHECK(job.state() == wherry::TaskState::pending);
  f.answer("SUCCESS", R"({"message_id": "<1@x>", "attempts": 2})");
  const Receipt receipt = job.get(10s);
  CHECK(receipt.message_id == "<1@x>");
  CHECK(receipt.attempts == 2);
  CHECK(job.get(0s).attempts == 2);  // As often as one likes.
  CHECK(job.state() == wherry::TaskState::success);
}

TEST_CASE("a failed task throws its exception's type, message and traceback", "[client]") {
  Fixture f;
  wherry::Client client(f.broker.url());
  const auto job = client.enqueue(SendEmail{"ann@example.org", "hello"});
  f.answer("FAILURE", R"({"exc_type": "ValueError", "exc_message": ["no such user"], "exc_module": "builtins"})");
  try {
    job.get(10s);
    FAIL("nothing was thrown");
  } catch (const wherry::TaskFailed& e) {
    CHECK(e.code() == wherry::Errc::task_failed);
    CHECK(e.type() == "ValueError");
    CHECK(e.message() == "no such user");
  }
  CHECK(job.state() == wherry::TaskState::failure);
}

TEST_CASE("a result of another shape is told as such, with the field", "[client]") {
  Fixture f;
  wherry::Client client(f.broker.url());
  const auto job = client.enqueue(SendEmail{"ann@example.org", "hello"});
  f.answer("SUCCESS", R"({"message_id": 7, "attempts": 2})");
  try {
    job.get(10s);
    FAIL("nothing was thrown");
  } catch (const wherry::ClientError& e) {
    CHECK(e.code() == wherry::Errc::bad_result);
    CHECK(std::string(e.what()).find("message_id") != std::string::npos);
  }
}

TEST_CASE("progress and states are seen before the result", "[client]") {
  Fixture f;
  wherry::Client client(f.broker.url());
  auto job = client.enqueue(add(1, 2));
  std::promise<wherry::task::Value> heard;
  job.on_progress([&](const wherry::task::Value& meta) { heard.set_value(meta); });
  f.answer("STARTED", R"({"pid": 1, "hostname": "w"})");
  f.answer("PROGRESS", R"({"done": 1})");
  CHECK(heard.get_future().get() == json(R"({"done": 1})"));
  CHECK(job.state() == wherry::TaskState::progress);
  CHECK_FALSE(job.finished());
  f.answer("RETRY", R"({"exc_type": "Error", "exc_message": ["again"], "exc_module": "x"})");
  f.answer("SUCCESS", "3");
  CHECK(job.get(10s) == 3);
}

TEST_CASE("a result that does not come in time is timed out, and may be asked for again", "[client]") {
  Fixture f;
  wherry::Client client(f.broker.url());
  const auto job = client.enqueue(add(1, 2));
  CHECK(code_of([&] { job.get(20ms); }) == wherry::Errc::timed_out);
  f.answer("SUCCESS", "3");
  CHECK(job.get(10s) == 3);
}

TEST_CASE("a task whose result is not wanted asks for none", "[client]") {
  Fixture f;
  wherry::Client client(f.broker.url());
  const auto job = client.enqueue(add(1, 2), {.ignore_result = true});
  CHECK_THROWS_AS(job.get(1s), std::logic_error);
  CHECK(f.published(0).properties.reply_to.value_or("") == "");
  wherry::Client mute(f.broker.url(), {.results = false});
  CHECK_THROWS_AS(mute.enqueue(add(1, 2)).get(1s), std::logic_error);
}

TEST_CASE("an enqueue says whether it was unroutable, refused or timed out", "[client]") {
  Fixture f;
  wherry::Client client(f.broker.url());
  f.confirm_with(Script::Confirm::unroutable);
  CHECK(code_of([&] { client.enqueue(add(1, 2)); }) == wherry::Errc::unroutable);
  f.confirm_with(Script::Confirm::nack);
  CHECK(code_of([&] { client.enqueue(add(1, 2)); }) == wherry::Errc::refused);
  f.confirm_with(Script::Confirm::none);
  CHECK(code_of([&] { client.enqueue(add(1, 2), {.timeout = 50ms}); }) == wherry::Errc::timed_out);
}

TEST_CASE("a port that nobody listens on is disconnected, with the reason", "[client]") {
  wherry::log::set_level(wherry::log::Level::off);
  std::string url;
  { url = LoopbackBroker().url(); }  // A port that was free a moment ago.
  wherry::Client client(url);
  try {
    client.enqueue(add(1, 2), {.timeout = 300ms});
    FAIL("nothing was thrown");
  } catch (const wherry::ClientError& e) {
    CHECK(e.code() == wherry::Errc::disconnected);
    CHECK(std::string(e.what()).find("refused") != std::string::npos);
    CHECK(std::string(e.what()).find("guest:guest") == std::string::npos);
  }
  CHECK(code_of([&] { client.wait_connected(10ms); }) == wherry::Errc::disconnected);
}

TEST_CASE("a server that accepts and never speaks is timed out", "[client]") {
  Fixture f;
  f.broker.ask([](LoopbackBroker& b) { b.mute = true; });
  wherry::Client client(f.broker.url());
  CHECK(code_of([&] { client.enqueue(add(1, 2), {.timeout = 100ms}); }) == wherry::Errc::timed_out);
  CHECK(code_of([&] { client.wait_connected(10ms); }) == wherry::Errc::timed_out);
}

TEST_CASE("a wrong password is denied at once, not at the deadline", "[client]") {
  Fixture f;
  f.broker.ask([](LoopbackBroker& b) { b.script.password = "other"; });
  wherry::Client client(f.broker.url());
  CHECK(code_of([&] { client.enqueue(add(1, 2), {.timeout = 60s}); }) == wherry::Errc::denied);
  try {
    client.wait_connected(60s);
    FAIL("connected");
  } catch (const wherry::ClientError& error) {
    CHECK(error.code() == wherry::Errc::denied);
    CHECK(error.reply_code() == 403);
  }
}

TEST_CASE("an enqueue outlives a connection that breaks before its confirm", "[client]") {
  Fixture f;
  wherry::Client client(f.broker.url(), {.backoff_first = 1ms});
  f.confirm_with(Script::Confirm::none);
  auto sent = client.async_enqueue(add(1, 2));
  REQUIRE(f.broker.until([](LoopbackBroker& b) { return b.script.published.size() == 1; }));
  f.confirm_with(Script::Confirm::ack);
  f.broker.ask([](LoopbackBroker& b) { b.drop_all(); });
  const auto job = sent.get();
  CHECK(f.published(1).properties == f.published(0).properties);
  CHECK(f.published(1).connection == 2);
  // The reply queue is the same, and consumed again.
  f.answer("SUCCESS", "3");
  CHECK(job.get(10s) == 3);
}

TEST_CASE("many enqueues are under way at the same time, from many threads", "[client]") {
  Fixture f;
  wherry::Client client(f.broker.url());
  std::atomic<int> done = 0;
  std::vector<std::thread> threads;
  for (int t = 0; t < 4; ++t) {
    threads.emplace_back([&, t] {
      std::vector<wherry::Pending<wherry::Job<int>>> sent;
      for (int i = 0; i < 250; ++i) sent.push_back(client.async_enqueue(add(t, i)));
      for (auto& each : sent) {
        each.get();
        ++done;
      }
    });
  }
  for (auto& each : threads) each.join();
  CHECK(done == 1000);
  CHECK(f.broker.ask([](LoopbackBroker& b) { return b.script.published.size(); }) == 1000);
}

namespace {
Detached run(wherry::Client& client, std::promise<void>& moved, std::promise<int>& result) {
  const auto caller = std::this_thread::get_id();
  auto sent = client.async_enqueue(add(1, 2));
  auto job = co_await sent;
  bool threw = false;
  // Nobody answers yet. An answer or a deadline that is there before it is awaited does not change the thread.
  do {
    try {
      co_await job.async_get(5ms);
    } catch (const wherry::ClientError& e) {
      threw = e.code() == wherry::Errc::timed_out;
    }
  } while (std::this_thread::get_id() == caller);
  moved.set_value();
  bool refused = false;
  try {
    job.get(1s);
  } catch (const std::logic_error&) {
    refused = true;  // We are on the client's own thread: blocking would be for ever.
  }
  const int sum = co_await job.async_get(10s);
  result.set_value(threw && refused ? sum : -1);
}
}  // namespace

TEST_CASE("the coroutine form awaits on the client's thread, where blocking is an error and not a deadlock",
          "[client]") {
  Fixture f;
  wherry::Client client(f.broker.url());
  std::promise<void> moved;
  std::promise<int> result;
  run(client, moved, result);
  moved.get_future().wait();
  REQUIRE(f.broker.until([](LoopbackBroker& b) {
    return !b.script.published.empty() && b.script.count("consume " + *b.script.published[0].properties.reply_to) == 1;
  }));
  f.answer("SUCCESS", "3");
  CHECK(result.get_future().get() == 3);
}

TEST_CASE("coroutines are resumed where resume_on says", "[client]") {
  Fixture f;
  std::mutex mutex;
  std::condition_variable changed;
  std::vector<std::function<void()>> work;
  wherry::Client client(f.broker.url(), {.resume_on = [&](std::function<void()> run) {
                          std::lock_guard lock(mutex);
                          work.push_back(std::move(run));
                          changed.notify_all();
                        }});
  std::optional<std::thread::id> resumed;
  [](wherry::Client& c, std::optional<std::thread::id>& where) -> Detached {
    auto sent = c.async_enqueue(add(1, 2));
    co_await sent;
    where = std::this_thread::get_id();
  }(client, resumed);
  std::unique_lock lock(mutex);
  REQUIRE(changed.wait_for(lock, 10s, [&] { return !work.empty(); }));
  CHECK_FALSE(resumed);
  work[0]();
  CHECK(resumed == std::this_thread::get_id());
}

TEST_CASE("closing waits for what is under way, then ends what is left", "[client]") {
  Fixture f;
  wherry::Client client(f.broker.url());
  const auto job = client.enqueue(add(1, 2));
  f.confirm_with(Script::Confirm::none);
  auto stuck = client.async_enqueue(add(1, 2), {.timeout = 60s});
  client.close(20ms);
  CHECK(code_of([&] { stuck.get(); }) == wherry::Errc::closed);
  CHECK(code_of([&] { job.get(60s); }) == wherry::Errc::closed);
  CHECK(code_of([&] { client.enqueue(add(1, 2)); }) == wherry::Errc::closed);
  CHECK(f.broker.until([](LoopbackBroker& b) { return b.script.count("goodbye") == 1; }));
}

TEST_CASE("options reach the message", "[client]") {
  Fixture f;
  wherry::Client client(f.broker.url());
  client.enqueue(add(1, 2), {.expires = 90s,
                             .queue = "sums",
                             .priority = 5,
                             .time_limit = 60s,
                             .soft_time_limit = 1500ms,
                             .task_id = "my-id",
                             .deduplication_key = "order 17",
                             .headers = {{"tenant", 7}}});
  const auto message = f.published(0);
  CHECK(message.routing_key == "sums");
  CHECK(message.properties.priority == 5);
  CHECK(message.properties.expiration == "90000");
  CHECK(message.properties.correlation_id == "my-id");
  std::int64_t tenant = 0;
  CHECK(message.properties.headers->integer("tenant", tenant));
  CHECK(tenant == 7);
  CHECK(*message.properties.headers->string("x-deduplication-header") == "order 17");
  CHECK(amqp::to_string(*message.properties.headers->find("timelimit")).find("1.5") != std::string::npos);
  CHECK(message.properties.headers->string("expires") != nullptr);

  client.enqueue(add(1, 2), {.exchange = "logs", .routing_key = "app.error"});
  CHECK(f.published(1).exchange == "logs");
  CHECK(f.published(1).routing_key == "app.error");
  CHECK(f.published(1).properties.headers->find("x-deduplication-header") == nullptr);
  CHECK(code_of([&] { client.enqueue(add(1, 2), {.deduplication_key = std::string(256, 'k')}); }) ==
        wherry::Errc::invalid_argument);
}

TEST_CASE("a countdown goes through the delayed exchange and says its eta", "[client]") {
  Fixture f;
  wherry::Client client(f.broker.url());
  client.enqueue(add(1, 2), {.countdown = 30s, .queue = "email"});
  const auto message = f.published(0);
  CHECK(message.exchange == "wherry.delayed");
  CHECK(message.routing_key == "email");
  std::int64_t delay_ms = 0;
  CHECK(message.properties.headers->integer("x-delay", delay_ms));
  CHECK(delay_ms == 30'000);
  REQUIRE(message.properties.headers->string("eta"));
}

TEST_CASE("options that make no sense are refused before anything is sent", "[client]") {
  Fixture f;
  wherry::Client client(f.broker.url());
  using Options = wherry::EnqueueOptions;
  const Options wrong[] = {
      {.countdown = 1s, .eta = std::chrono::system_clock::now()},
      {.countdown = -1s},
      {.expires = 0s},
      {.queue = std::string(300, 'q')},
      {.routing_key = std::string(300, 'k')},
      {.time_limit = 0s},
      {.task_id = std::string(300, 'i')},
      {.timeout = 0s},
  };
  for (const auto& options : wrong) {
    CHECK(code_of([&] { client.enqueue(add(1, 2), options); }) == wherry::Errc::invalid_argument);
  }
  CHECK(code_of([&] { client.send(""); }) == wherry::Errc::invalid_argument);
  CHECK(code_of([] { wherry::Client("http://h/"); }) == wherry::Errc::invalid_argument);
  CHECK(code_of([] { wherry::Client::from_file("/nonexistent/app.yaml"); }) == wherry::Errc::invalid_argument);
}
