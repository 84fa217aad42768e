// bench-producer: enqueues the tasks of scripts/bench --set tasks and says what that cost, one line of JSON a step. The
// script starts it, and the workers.
//
//   bench-producer URI QUEUE drain COUNT TASK none|rpc
//       Enqueues COUNT tasks (TASK: noop or noop_coroutine), between two that say when they started; prints
//         {"enqueue_seconds": s, "producer_us": us of its processor time for each task}
//       then waits for a line on its standard input, and for every result; prints
//         {"drain_seconds": s from the start of the first to the start of the last, "producer_us": likewise, all in
//         all}
//   bench-producer URI QUEUE pace RATE SECONDS
//       Enqueues RATE tasks a second and prints how long after they were due they started, without the first second:
//         {"tasks": n, "p50_us": us, "p99_us": us}
//   bench-producer URI QUEUE wait COUNT
//       Enqueues COUNT tasks that wait, and prints {"waiting": COUNT} when all of them do.
#include <algorithm>
#include <chrono>
#include <cstdlib>
#include <exception>
#include <iostream>
#include <ranges>
#include <string>
#include <thread>
#include <vector>

#include <fmt/format.h>
#include <time.h>
#include <wherry/client.h>

#include "tests/bench/tasks/tasks.h"

using namespace std::chrono_literals;

namespace {

// A backlog of so many tasks is worked off in a minute or two even in Python.
constexpr auto patience = 300s;

double cpu_us() {
  timespec time{};
  ::clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &time);
  return static_cast<double>(time.tv_sec) * 1e6 + static_cast<double>(time.tv_nsec) / 1e3;
}

double seconds_since(std::chrono::steady_clock::time_point began) {
  return std::chrono::duration<double>(std::chrono::steady_clock::now() - began).count();
}

void say(const std::string& line) {
  std::cout << line << std::endl;
}

template <class Task>
void drain(wherry::Client& client, const std::string& queue, std::int64_t count, bool results) {
  const double cpu = cpu_us();
  const auto began = std::chrono::steady_clock::now();
  const auto first = client.enqueue(bench::Start{}, {.queue = queue});
  auto tasks =
      std::views::iota(std::int64_t{0}, count) | std::views::transform([](auto n) { return Task{.number = n}; });
  const auto jobs = client.enqueue_many(tasks, {.queue = queue, .ignore_result = !results});
  const double enqueue_seconds = seconds_since(began);
  const double enqueue_us = (cpu_us() - cpu) / static_cast<double>(count);
  const auto last = client.enqueue(bench::Start{}, {.queue = queue});
  say(fmt::format(R"({{"enqueue_seconds": {:.6f}, "producer_us": {:.4f}}})", enqueue_seconds, enqueue_us));

  std::string go;
  if (!std::getline(std::cin, go)) return;
  if (results) {
    std::int64_t next = 0;
    for (const auto& job : jobs) {
      if (job.get(patience) != next++) throw std::runtime_error("a task returned something else than its number");
    }
  }
  const auto drain_ns = static_cast<double>(last.get(patience) - first.get(patience));
  say(fmt::format(R"({{"drain_seconds": {:.6f}, "producer_us": {:.4f}}})", drain_ns / 1e9,
                  (cpu_us() - cpu) / static_cast<double>(count)));
}

void pace(wherry::Client& client, const std::string& queue, std::int64_t rate, double seconds) {
  client.enqueue(bench::Start{}, {.queue = queue}).get(patience);
  const auto count = static_cast<std::size_t>(static_cast<double>(rate) * (seconds + 1));
  std::vector<wherry::Sending<std::int64_t>> sent;
  std::vector<std::int64_t> due_ns;
  const std::int64_t began = bench::clock_ns();
  for (std::size_t i = 0; i < count; ++i) {
    due_ns.push_back(began + static_cast<std::int64_t>(i) * 1'000'000'000 / rate);
    std::this_thread::sleep_for(std::chrono::nanoseconds(due_ns.back() - bench::clock_ns()));
    sent.push_back(client.async_enqueue(bench::Start{}, {.queue = queue}));
  }
  std::vector<double> late_us;
  for (std::size_t i = 0; i < count; ++i) {
    const std::int64_t started = sent[i].get().get(patience);
    if (i >= static_cast<std::size_t>(rate)) late_us.push_back(static_cast<double>(started - due_ns[i]) / 1e3);
  }
  std::sort(late_us.begin(), late_us.end());
  say(fmt::format(R"({{"tasks": {}, "p50_us": {:.1f}, "p99_us": {:.1f}}})", late_us.size(), late_us[late_us.size() / 2],
                  late_us[late_us.size() * 99 / 100]));
}

void wait(wherry::Client& client, const std::string& queue, std::int64_t count) {
  const std::vector<bench::Wait> tasks(static_cast<std::size_t>(count));
  client.enqueue_many(tasks, {.queue = queue, .ignore_result = true});
  const auto began = std::chrono::steady_clock::now();
  while (client.enqueue(bench::Waiting{}, {.queue = queue}).get(patience) < count) {
    if (seconds_since(began) > 60) throw std::runtime_error("not all of the tasks wait");
    std::this_thread::sleep_for(50ms);
  }
  say(fmt::format(R"({{"waiting": {}}})", count));
}

int run(const std::vector<std::string>& words) {
  const auto number = [&](std::size_t i) { return std::int64_t{std::stoll(words.at(i))}; };
  wherry::Client client(words.at(0));
  client.wait_connected(10s);
  const std::string& queue = words.at(1);
  const std::string& what = words.at(2);
  if (what == "drain" && words.at(4) == "noop") {
    drain<bench::Noop>(client, queue, number(3), words.at(5) == "rpc");
  } else if (what == "drain" && words.at(4) == "noop_coroutine") {
    drain<bench::NoopCoroutine>(client, queue, number(3), words.at(5) == "rpc");
  } else if (what == "pace") {
    pace(client, queue, number(3), std::stod(words.at(4)));
  } else if (what == "wait") {
    wait(client, queue, number(3));
  } else {
    throw std::invalid_argument("nothing that it knows: " + what);
  }
  return 0;
}

}  // namespace

int main(int argc, char** argv) {
  try {
    return run({argv + 1, argv + argc});
  } catch (const std::exception& error) {
    std::cerr << "bench-producer: " << error.what() << "\n";
    return 1;
  }
}
