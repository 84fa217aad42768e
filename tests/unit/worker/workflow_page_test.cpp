// The code of docs/workflows.md, compiled and run; the last test holds the page against this file.
#include <numeric>
#include <string>
#include <vector>

#include <catch2/catch.hpp>
#include <wherry/canvas.h>
#include <wherry/client.h>

#include "tests/unit/page_code.h"
#include "tests/unit/worker/bench.h"

using namespace std::chrono_literals;

namespace workflow_page {

inline constexpr wherry::Function<std::vector<std::string>(std::string)> list_files{"files.list"};
inline constexpr wherry::Function<int(std::string)> count_words{"words.count"};
inline constexpr wherry::Function<int(std::vector<int>)> total{"math.total"};
inline constexpr wherry::Function<int(int, int)> add{"math.add"};
inline constexpr wherry::Function<std::string(int, std::string)> format_number{"text.format"};
inline constexpr wherry::Function<void(std::string)> alarm_operator{"ops.alarm"};

struct Resize {
  static constexpr auto task_name = "image.resize";
  using Result = std::string;
  std::string path = {};
  int width = 0;
};

// The page's worker is a program's; here it is the registry that is asked for one.
struct PageWorker {
  wherry::Registry& tasks;
  wherry::Registry& registry() { return tasks; }
};

void define_inside(wherry::Registry& tasks) {
  PageWorker worker{tasks};
  using wherry::sig;
  worker.registry().on("files.total", [](const std::vector<std::string>& files) -> int {
    std::vector<wherry::Sig<int>> counts;
    for (const std::string& file : files) counts.push_back(sig(count_words, file));
    throw wherry::Replace(wherry::group(counts) | sig(total));
  });
  worker.registry().on("words.count_all", [](const std::vector<std::string>& files, wherry::Context& context) -> int {
    for (const std::string& file : files) context.add_to_chord(sig(count_words, file));
    return 0;
  });
}

void define_page_tasks(wherry::Registry& tasks) {
  tasks.on("files.list", [](std::string) { return std::vector<std::string>{"moby.txt"}; });
  tasks.on("words.count", [](const std::string& file) { return static_cast<int>(file.size()); });
  tasks.on("math.total", [](const std::vector<int>& all) { return std::accumulate(all.begin(), all.end(), 0); });
  tasks.on("math.add", [](int a, int b) { return a + b; });
  tasks.on("text.format", [](int number, std::string text) { return text.replace(0, 2, std::to_string(number)); });
  tasks.on("ops.alarm", [](std::string) {});
  tasks.on<Resize>([](const Resize& task) { return task.path + "@" + std::to_string(task.width); });
  define_inside(tasks);
  tasks.on("proj.tasks.fetch", [](std::string name) { return name + name; });
}

}  // namespace workflow_page

using namespace workflow_page;

TEST_CASE("The page's workflows come to what it says", "[page][workflow]") {
  wherry::worker::test::TestBroker broker;
  wherry::worker::test::Running worker(broker.url(), {.queues = {"words", "sums"}, .concurrency = 2},
                                       define_page_tasks);
  worker.wait_ready();
  wherry::Client client(broker.url(), {.default_queue = "words"});

  using wherry::sig;
  auto report = sig(count_words, "moby.txt") | sig(add, 1'000) | sig(format_number, "{} words");
  std::string text = client.enqueue(report).get(10s);
  CHECK(text == "1008 words");

  auto both = sig(count_words, "moby.txt") | sig(count_words, "emma.txt").ignoring();
  CHECK(client.enqueue(both).get(10s) == 8);

  auto thumbnail = sig(Resize{.path = "cat.png", .width = 800}) | wherry::fed(Resize{.width = 100});
  CHECK(client.enqueue(thumbnail).get(10s) == "cat.png@800@100");

  auto counted = wherry::named<std::string>("proj.tasks.fetch", wherry::args("moby.txt")) | sig(count_words);
  CHECK(client.enqueue(counted).get(10s) == 16);

  {
    auto [words, size] = client.enqueue(wherry::group(sig(count_words, "moby.txt"), sig(add, 2, 3))).get(10s);

    std::vector<wherry::Sig<int>> counts;
    for (std::string name : {"moby.txt", "emma.txt", "dubliners.txt"}) counts.push_back(sig(count_words, name));
    wherry::GroupJob<std::vector<int>> job = client.enqueue(wherry::group(counts));
    std::vector<int> each = job.get(10s);
    CHECK(words == 8);
    CHECK(size == 5);
    CHECK(each == std::vector{8, 8, 13});
    CHECK(job.completed() == 3);
    CHECK(job.job<int>(2).get(10s) == 13);

    auto sum = wherry::group(counts) | sig(total);
    // There is no store of results here.
    CHECK_THROWS_AS(client.enqueue(sum), wherry::ClientError);
  }

  std::vector<int> one_by_one = client.enqueue(wherry::map(count_words, {"moby.txt", "emma.txt"})).get(10s);
  std::vector<int> sums = client.enqueue(wherry::starmap(add, {{1, 2}, {3, 4}})).get(10s);
  auto in_parts = client.enqueue(wherry::chunks(add, {{1, 2}, {3, 4}, {5, 6}}, 2)).get(10s);
  CHECK(one_by_one == std::vector{8, 8});
  CHECK(sums == std::vector{3, 7});
  CHECK(in_parts == std::vector<std::vector<int>>{{3, 7}, {11}});

  auto watched = sig(add, 2, 3).on_success(sig(format_number, "{} files")).on_error(sig(alarm_operator));
  {
    const auto job = client.enqueue(watched);
    CHECK(job.get(10s) == 5);
    CHECK(job.children().size() == 1);
  }

  auto where = sig(add, 2, 3).with({.queue = "sums", .soft_time_limit = 20s}) | sig(add, 4);
  auto later = client.enqueue(where, {.countdown = 50ms, .queue = "words"});
  CHECK(later.get(10s) == 9);

  {
    // There is no store of results here; so the replacement, a chord, cannot be sent.
    const std::vector<std::string> files{"moby.txt"};
    const auto job = client.enqueue(wherry::named<int>("files.total", wherry::args(files)));
    CHECK_THROWS_WITH(job.get(10s), Catch::Contains("a chord needs a store of results"));
  }

  const wherry::task::Value stored = wherry::task::write_signature(sig(add, 20, 21).signature());
  wherry::task::Signature given = *wherry::task::read_signature(stored);
  auto mixed = wherry::from_signature<int>(given) | sig(add, 1);
  wherry::task::Value to_store = wherry::task::write_signature(mixed.signature());
  CHECK(client.enqueue(mixed).get(10s) == 42);
  CHECK(wherry::task::read_signature(to_store)->kind() == wherry::task::Signature::Kind::chain);
  CHECK(worker.stop() == 0);
}

TEST_CASE("every piece of code on docs/workflows.md is in this file", "[page]") {
  CHECK(wherry::test::check_page("docs/workflows.md", "tests/unit/worker/workflow_page_test.cpp") == 15);
}
