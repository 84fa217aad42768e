// What a client sends in bulk and once, against the broker itself.
#include <atomic>
#include <chrono>
#include <cstdlib>
#include <filesystem>
#include <list>
#include <ranges>
#include <stdexcept>
#include <string>
#include <thread>
#include <vector>

#include <catch2/catch.hpp>

#include "protocol/task/envelope.h"
#include "tests/unit/worker/bench.h"

using namespace std::chrono_literals;

namespace producer_test {

using wherry::worker::test::Doors;
using wherry::worker::test::Peer;
using wherry::worker::test::Running;
using wherry::worker::test::TestBroker;

inline constexpr wherry::Function<int(int, int)> add{"math.add"};

struct Note {
  static constexpr auto task_name = "note";
  int number = 0;
};

// How many messages a queue has: a peer takes them until this last one comes.
std::size_t count_messages(const TestBroker& broker, const wherry::sdk::QueueSpec& queue) {
  Peer peer(broker.url(), queue);
  peer.publish({.routing_key = queue.name, .body = "the last"});
  peer.consume(queue.name);
  for (std::size_t count = 0;; ++count) {
    if (peer.next().body == "the last") return count;
  }
}

template <class F>
std::string refusal_of(F f) {
  try {
    f();
  } catch (const wherry::ClientError& e) {
    CHECK(e.code() == wherry::Errc::refused);
    return e.what();
  }
  FAIL("nothing was thrown");
  return {};
}

TEST_CASE("many tasks are enqueued in one call, with their jobs in order", "[producer]") {
  TestBroker broker(2);
  Running worker(broker.url(), {.queues = {"sums"}},
                 [](auto& registry) { registry.on("math.add", [](int a, int b) { return a + b; }); });
  wherry::Client client(broker.url());
  std::list<wherry::Call<int>> calls;  // Any range.
  for (int i = 0; i < 500; ++i) calls.push_back(add(i, 1));
  auto jobs = client.enqueue_many(calls, {.queue = "sums"});
  REQUIRE(jobs.size() == 500);
  for (int i = 0; i < 500; ++i) CHECK(jobs[static_cast<std::size_t>(i)].get(30s) == i + 1);
  CHECK(client.enqueue_many(std::vector<Note>{}).empty());
}

TEST_CASE("more tasks than may be under way are all enqueued", "[producer]") {
  TestBroker broker;
  wherry::Client client(broker.url(), {.results = false});
  client.enqueue_many(std::vector<Note>(25'000), {.queue = "many", .timeout = 60s});
  CHECK(count_messages(broker, {.name = "many"}) == 25'000);
}

TEST_CASE("what is not enqueued is told, and the rest is", "[producer]") {
  TestBroker broker;
  wherry::Client client(broker.url(), {.results = false});
  std::vector<Note> notes(5);
  for (int i = 0; i < 5; ++i) notes[static_cast<std::size_t>(i)].number = i;
  try {
    client.enqueue_many(notes, [](const Note& note) {
      wherry::EnqueueOptions options{.queue = "some"};
      if (note.number == 1) options.countdown = -1ms;
      if (note.number == 3) options = {.exchange = "", .routing_key = "nowhere"};
      return options;
    });
    FAIL("nothing was thrown");
  } catch (const wherry::EnqueueManyFailed& e) {
    REQUIRE(e.failures().size() == 2);
    CHECK(e.failures()[0].index == 1);
    CHECK(e.failures()[0].error.code() == wherry::Errc::invalid_argument);
    CHECK(e.failures()[1].index == 3);
    CHECK(e.failures()[1].error.code() == wherry::Errc::unroutable);
    CHECK(e.code() == wherry::Errc::invalid_argument);
    CHECK(std::string(e.what()).starts_with("2 of 5 tasks are not enqueued; the first, number 1: "));
  }
  CHECK(count_messages(broker, {.name = "some"}) == 3);
}

TEST_CASE("when the range throws, what was begun goes on", "[producer]") {
  TestBroker broker;
  wherry::Client client(broker.url(), {.results = false});
  const std::vector<int> numbers{0, 1, 2, 3, 4};
  client.enqueue(Note{}, {.queue = "some"});  // From now on it is declared, and what comes is sent in bundles.
  const auto options_of = [](const Note& note) {
    if (note.number == 3) throw std::out_of_range("no more");
    return wherry::EnqueueOptions{.queue = "some"};
  };
  auto notes = numbers | std::views::transform([](int number) { return Note{number}; });
  CHECK_THROWS_AS(client.enqueue_many(notes, options_of), std::out_of_range);
  client.enqueue(Note{}, {.queue = "some"});
  CHECK(count_messages(broker, {.name = "some"}) == 5);
}

TEST_CASE("of a unique task there is one as long as it waits or runs", "[producer]") {
  TestBroker broker(2);
  Doors doors;
  wherry::Client client(broker.url(), {.results = false});
  const auto enqueue = [&](const char* key) {
    client.enqueue(Note{}, {.queue = "unique", .unique = wherry::Unique{.key = key}});
  };
  enqueue("a");
  enqueue("a");
  enqueue("b");
  std::atomic<int> ran = 0;
  Running worker(broker.url(), {.queues = {"unique"}, .concurrency = 4}, [&](auto& registry) {
    registry.template on<Note>([&](const Note&, wherry::Context& context) {
      ++ran;
      doors.enter("note", context.id());
    });
  });
  doors.wait_entered("note", 2);
  enqueue("a");
  doors.open("note");
  // Both have ended: their keys may come again.
  REQUIRE(worker.stop() == 0);
  CHECK(ran == 2);
  enqueue("a");
  wherry::sdk::QueueSpec queue{.name = "unique"};
  queue.arguments.set("x-message-deduplication", true);
  CHECK(count_messages(broker, queue) == 1);
}

TEST_CASE("a window outlives the task, and goes with any queue", "[producer]") {
  TestBroker broker;
  wherry::sdk::QueueSpec queue{.name = "feeds"};
  queue.arguments.set("x-max-priority", 3);
  Peer peer(broker.url(), queue);
  peer.publish({.routing_key = "feeds", .body = "so that the queue is there"});
  peer.consume("feeds");
  peer.next();
  wherry::Client client(broker.url(), {.results = false});
  const auto enqueue = [&](int number, const char* key, std::chrono::milliseconds window) {
    client.enqueue(Note{number}, {.queue = "feeds", .unique = wherry::Unique{.key = key, .window = window}});
  };
  enqueue(1, "a", 1h);
  peer.next();
  enqueue(2, "a", 1h);
  enqueue(3, "a", 2h);  // Another window is another matter.
  enqueue(4, "b", 1h);
  enqueue(5, "b", 1h);
  const auto number = [&] { return *peer.next().properties.headers->string("kwargsrepr"); };
  CHECK(number().find("3") != std::string::npos);
  CHECK(number().find("4") != std::string::npos);
  client.enqueue(Note{6}, {.queue = "feeds"});
  CHECK(number().find("6") != std::string::npos);
}

TEST_CASE("a queue that does not look for duplicates refuses unique tasks", "[producer]") {
  TestBroker broker;
  wherry::Client client(broker.url(), {.results = false});
  client.enqueue(Note{}, {.queue = "plain"});
  const std::string why =
      refusal_of([&] { client.enqueue(Note{}, {.queue = "plain", .unique = wherry::Unique{.key = "a"}}); });
  CHECK(why.find("x-message-deduplication") != std::string::npos);
  client.enqueue(Note{}, {.queue = "plain"});
  CHECK(count_messages(broker, {.name = "plain"}) == 2);
}

TEST_CASE("options that do not go with unique are refused", "[producer]") {
  TestBroker broker;
  wherry::Client client(broker.url(), {.results = false});
  using wherry::Unique;
  for (const wherry::EnqueueOptions& options :
       {wherry::EnqueueOptions{.unique = Unique{}},
        wherry::EnqueueOptions{.unique = Unique{.key = std::string(255, 'x')}},
        wherry::EnqueueOptions{.deduplication_key = "a", .unique = Unique{.key = "a"}},
        wherry::EnqueueOptions{.exchange = "x", .unique = Unique{.key = "a"}},
        wherry::EnqueueOptions{.unique = Unique{.key = "a", .window = 0ms}},
        wherry::EnqueueOptions{.countdown = 1s, .unique = Unique{.key = "a", .window = 1s}}}) {
    try {
      client.enqueue(Note{}, options);
      FAIL("nothing was thrown");
    } catch (const wherry::ClientError& e) {
      CHECK(e.code() == wherry::Errc::invalid_argument);
    }
  }
}

TEST_CASE("a trace goes on through retries and to children", "[producer]") {
  TestBroker broker;
  wherry::Client client(broker.url());
  const std::string parent = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";
  Running worker(broker.url(), {.queues = {"traced"}, .concurrency = 2}, [&](auto& registry) {
    const auto trace = [](wherry::Context& context) {
      return context.trace().traceparent + context.trace().tracestate;
    };
    registry.on("child", trace);
    registry.on("parent", [&client, trace](wherry::Context& context) {
      if (context.attempt() == 1) throw wherry::Retry{.after = 1ms, .reason = "once more"};
      return trace(context) + " " + client.enqueue(wherry::Call<std::string>{"child"}, {.queue = "traced"}).get(30s);
    });
  });
  {
    wherry::TraceScope outer({.traceparent = "another"});
    wherry::TraceScope scope({.traceparent = parent, .tracestate = "a=1"});
    auto job = client.enqueue(wherry::Call<std::string>{"parent"}, {.queue = "traced"});
    CHECK(job.get(30s) == parent + "a=1 " + parent + "a=1");
    // What the caller says wins.
    auto own =
        client.enqueue(wherry::Call<std::string>{"child"}, {.queue = "traced", .headers = {{"traceparent", "own"}}});
    CHECK(own.get(30s) == "own");
  }
  CHECK(wherry::current_trace() == wherry::Trace{});
  CHECK(client.enqueue(wherry::Call<std::string>{"child"}, {.queue = "traced"}).get(30s).empty());
}

// A folder for a client's spool.
class SpoolFolder {
 public:
  SpoolFolder() {
    std::string pattern = (std::filesystem::temp_directory_path() / "wherry-spool-XXXXXX").string();
    REQUIRE(::mkdtemp(pattern.data()) != nullptr);
    path_ = pattern;
  }
  ~SpoolFolder() {
    std::error_code ignored;
    std::filesystem::remove_all(path_, ignored);
  }
  wherry::ClientOptions options() const {
    return {.results = false,
            .backoff_first = 10ms,
            .backoff_max = 100ms,
            .spool = wherry::SpoolOptions{.folder = path_ / "spool"}};
  }

 private:
  std::filesystem::path path_;
};

int number_of(const wherry::sdk::Delivery& delivery) {
  const auto task = wherry::task::decode(delivery.properties, delivery.body);
  REQUIRE(task);
  const auto* number = wherry::task::find(task->kwargs, "number");
  REQUIRE(number);
  return static_cast<int>(*number->get<std::int64_t>());
}

TEST_CASE("tasks that were enqueued without a broker come in order when it is back, also by the next program",
          "[producer]") {
  TestBroker broker;
  SpoolFolder folder;
  const std::string url = broker.url();
  {
    wherry::Client client(url, folder.options());
    client.wait_connected(30s);
    broker.stop();
    for (int i = 0; i < 6; ++i) client.enqueue(Note{i}, {.queue = "spooled", .timeout = 200ms});
  }
  {
    // Ends before the broker is back.
    wherry::Client client(url, folder.options());
    client.enqueue_many(std::vector<Note>{{6}, {7}}, {.queue = "spooled"});
  }
  wherry::Client client(url, folder.options());
  client.enqueue(Note{8}, {.queue = "spooled"});
  broker.start();
  client.wait_connected(30s);
  for (int i = 9; i < 12; ++i) client.enqueue(Note{i}, {.queue = "spooled"});
  Peer peer(broker.url(), {.name = "spooled"});
  peer.consume("spooled");
  for (int i = 0; i < 12; ++i) CHECK(number_of(peer.next()) == i);
  client.enqueue(Note{12}, {.queue = "spooled"});
  CHECK(number_of(peer.next()) == 12);
}

TEST_CASE("what the broker refuses is set aside and holds up nothing", "[producer]") {
  TestBroker broker;
  SpoolFolder folder;
  const std::string url = broker.url();
  broker.stop();
  wherry::Client client(url, folder.options());
  client.enqueue(Note{0}, {.exchange = "", .routing_key = "nowhere"});
  client.enqueue(Note{1}, {.expires = 1ms, .queue = "expired"});
  client.enqueue(Note{2}, {.queue = "there"});
  std::this_thread::sleep_for(5ms);
  broker.start();
  Peer peer(broker.url(), {.name = "there"});
  peer.consume("there");
  CHECK(number_of(peer.next()) == 2);
  const auto is_aside = [&] { return std::filesystem::exists(folder.options().spool->folder + "/set-aside.spool"); };
  for (const auto deadline = std::chrono::steady_clock::now() + 30s; !is_aside();) {
    REQUIRE(std::chrono::steady_clock::now() < deadline);
    std::this_thread::sleep_for(1ms);
  }
  client.enqueue(Note{3}, {.queue = "there"});
  CHECK(number_of(peer.next()) == 3);
}

TEST_CASE("a spool that is full, or somebody else's, is told", "[producer]") {
  wherry::log::set_level(wherry::log::Level::off);
  SpoolFolder folder;
  wherry::ClientOptions options = folder.options();
  options.spool->max_bytes = 5'000;
  wherry::Client client("amqp://127.0.0.1:1", options);
  try {
    for (int i = 0; i < 1'000; ++i) client.enqueue(Note{i});
    FAIL("nothing was thrown");
  } catch (const wherry::ClientError& e) {
    CHECK(e.code() == wherry::Errc::overloaded);
  }
  CHECK_THROWS_WITH(wherry::Client("amqp://127.0.0.1:1", options), Catch::Contains("another program has this spool"));
}

}  // namespace producer_test
