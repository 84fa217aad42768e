// libinterop-tasks.so: the tasks of tests/interop/celeryapp/tasks.py once more, in C++, for wherry-worker --load.
// A sender cannot tell which of the two ran its task.
#include <algorithm>
#include <cerrno>
#include <chrono>
#include <csignal>
#include <cstdint>
#include <cstdlib>
#include <map>
#include <numeric>
#include <optional>
#include <stdexcept>
#include <string>
#include <thread>
#include <vector>

#include <fcntl.h>
#include <unistd.h>
#include <wherry/canvas.h>
#include <wherry/registry.h>

using namespace std::chrono_literals;

namespace {

struct EmailReceipt {
  std::string to;
  std::string subject;
  int attempts;
};

struct SendEmail {
  static constexpr auto task_name = "email.send";
  using Result = EmailReceipt;
  std::string to;
  std::string subject;
};

// One line of the ledger; a single write to an append-only file, so that lines of several workers never mix.
void note(const std::string& text) {
  const char* path = std::getenv("LEDGER");
  if (!path) throw wherry::Dead{"LEDGER is not set"};
  const int file = ::open(path, O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC, 0644);
  const std::string line = text + ' ' + std::to_string(::getpid()) + '\n';
  const auto written = ::write(file, line.data(), line.size());
  ::close(file);
  if (written != static_cast<ssize_t>(line.size())) throw wherry::Dead{"the ledger cannot be written"};
}

// Notes that it began and that it ended; in between it waits until the file `gate` exists.
std::string noted(std::string text, std::string gate) {
  note("began " + text);
  while (!gate.empty() && ::access(gate.c_str(), F_OK) != 0) std::this_thread::sleep_for(10ms);
  note("ended " + text);
  return text;
}

void until_stopped(std::string text, wherry::Context& context) {
  note("began " + text);
  while (!context.stop_token().stop_requested()) std::this_thread::sleep_for(5ms);
  note("stopped " + text);
}

void crash(std::string how) {
  if (how == "segv") {
    volatile int* nowhere = nullptr;
    *nowhere = 1;
  }
  if (how == "abort") std::abort();
  if (how == "exit") std::_Exit(3);
  if (how == "kill") ::raise(SIGKILL);
  throw wherry::Dead{"an exception is no crash"};
}

// Deaf and for ever.
void hang(std::string text) {
  note("began " + text);
  while (true) std::this_thread::sleep_for(1s);
}

std::uint64_t hog(std::uint64_t mebibytes) {
  std::vector<char> memory(mebibytes << 20, 'x');
  return static_cast<std::uint64_t>(std::count(memory.begin(), memory.end(), 'x')) >> 20;
}

// The sum of all numbers in lists of lists.
std::int64_t deep_total(const wherry::task::Value& value) {
  std::int64_t sum = 0;
  if (const auto* list = value.get<wherry::task::Value::Array>()) {
    for (const auto& each : *list) sum += deep_total(each);
  } else if (const auto* number = value.get<std::int64_t>()) {
    sum = *number;
  } else {
    throw wherry::Dead{"neither a number nor a list: " + wherry::task::describe(value)};
  }
  return sum;
}

wherry::Coro<int> steps(int count, wherry::Context& context) {
  for (int step = 1; step <= count; ++step) {
    context.progress(step);
    co_await context.sleep(5ms);
  }
  co_return ::getpid();
}

// Waits until its gate exists, which costs it no thread.
wherry::Coro<std::string> waits(std::string text, std::string gate, wherry::Context& context) {
  while (::access(gate.c_str(), F_OK) != 0 && !context.stop_token().stop_requested()) co_await context.sleep(1s);
  co_return text;
}

// Tasks for processes of their own.
void define_isolated(wherry::Registry& registry) {
  const wherry::TaskOptions apart{.isolate = wherry::Isolate::process};
  const wherry::TaskOptions once{.retry = wherry::RetryPolicy{.max_retries = 0}, .isolate = wherry::Isolate::process};
  registry.on("tasks.noted_apart", noted, apart);
  registry.on("tasks.until_stopped_apart", until_stopped, apart);
  registry.on("tasks.crash", crash,
              {.retry = wherry::RetryPolicy{.max_retries = 20, .base = 10ms}, .isolate = wherry::Isolate::process});
  registry.on("tasks.hang", hang, once);
  registry.on("tasks.hog", hog, once);
  registry.on("tasks.steps_apart", steps, once);
  registry.on(
      "tasks.pid", [] { return ::getpid(); }, once);
  registry.on("tasks.pid_anywhere", [] { return ::getpid(); });
}

// Tasks that are part of a workflow and know it. Signatures come as data, which any sender can make.
void define_workflow_tasks(wherry::Registry& registry, const wherry::TaskOptions& options, const std::string& suffix) {
  using wherry::task::Value;
  registry.on(
      "tasks.replaced_by" + suffix,
      [](const Value& given) { throw wherry::Replace(*wherry::task::read_signature(given)); }, options);
  registry.on(
      "tasks.adding" + suffix,
      [](const std::vector<Value>& parts, wherry::Context& context) {
        for (const Value& each : parts) {
          context.add_to_chord(wherry::from_signature(*wherry::task::read_signature(each)));
        }
        return 0;
      },
      options);
  registry.on(
      "tasks.place" + suffix,
      [](wherry::Context& context) {
        const Value parent = context.parent_id().empty() ? Value() : Value(context.parent_id());
        return Value::Array{context.root_id(), parent, context.priority()};
      },
      options);
  registry.on(
      "tasks.refuse" + suffix,
      [](const std::string& reason, int number) {
        throw wherry::Raise{.type = "PermissionError", .arguments = {number, reason}};
      },
      options);
}

}  // namespace

WHERRY_TASKS(registry) {
  registry.on<SendEmail>([](const SendEmail& mail, wherry::Context& context) {
    return EmailReceipt{mail.to, mail.subject, static_cast<int>(context.attempt())};
  });
  registry.on("tasks.add", [](std::int64_t x, std::int64_t y) { return x + y; });
  registry.on("tasks.fail", [](std::string message) { throw std::invalid_argument(message); },
              {.retry = wherry::RetryPolicy{.max_retries = 0}});
  registry.on("tasks.impossible", [](std::string message) { throw wherry::Dead{message}; });
  registry.on("tasks.flaky",
              [](std::uint32_t failures, wherry::Context& context) {
                if (context.attempt() <= failures)
                  throw std::runtime_error("attempt " + std::to_string(context.attempt()));
                return context.attempt() - 1;
              },
              {.retry = wherry::RetryPolicy{.max_retries = 5, .base = 100ms}});
  // As flaky, with waits of more than a second.
  registry.on("tasks.patient",
              [](std::uint32_t failures, wherry::Context& context) {
                if (context.attempt() <= failures) throw std::runtime_error("not yet");
                return context.attempt() - 1;
              },
              {.retry = wherry::RetryPolicy{.max_retries = 5, .base = 1500ms, .factor = 1, .jitter = false}});
  registry.on("tasks.entry", [](std::int64_t number) { note("entry " + std::to_string(number)); },
              {.ignore_result = true});
  // The same with an outcome: part of a chord, and its end.
  registry.on("tasks.counted", [](std::int64_t number) {
    note("entry " + std::to_string(number));
    return number;
  });
  registry.on("tasks.counted_all", [](const std::vector<std::int64_t>& numbers, std::int64_t number) {
    note("entry " + std::to_string(number));
    return static_cast<std::int64_t>(numbers.size());
  });
  registry.on("tasks.counted_after",
              [](std::int64_t number, std::uint32_t failures, wherry::Context& context) {
                if (context.attempt() <= failures) throw std::runtime_error("not yet");
                note("entry " + std::to_string(number));
                return number;
              },
              {.retry = wherry::RetryPolicy{.max_retries = 10, .base = 100ms}});
  registry.on("tasks.when", [] {
    return std::chrono::duration<double>(std::chrono::system_clock::now().time_since_epoch()).count();
  });
  registry.on("tasks.noted", noted);
  registry.on("tasks.crash_here", crash, {.retry = wherry::RetryPolicy{.max_retries = 20, .base = 10ms}});
  registry.on("tasks.says",
              [](const std::string& text, wherry::Context& context) { context.log(wherry::LogLevel::warning, text); });
  registry.on("tasks.until_stopped", until_stopped);
  registry.on("tasks.waits", waits);
  define_isolated(registry);
  define_workflow_tasks(registry, {.retry = wherry::RetryPolicy{.max_retries = 0}}, "");
  define_workflow_tasks(registry, {.retry = wherry::RetryPolicy{.max_retries = 0}, .isolate = wherry::Isolate::process},
                        "_apart");
  // Reports its first step, and goes on when the file `gate` exists.
  registry.on("tasks.steps", [](std::string gate, wherry::Context& context) {
    context.progress(std::map<std::string, int>{{"done", 1}, {"of", 2}});
    while (::access(gate.c_str(), F_OK) != 0) std::this_thread::sleep_for(10ms);
    return 2;
  });
  registry.on("tasks.quiet", [](std::string text) { note("quiet " + text); }, {.ignore_result = true});
  // Which language ran it.
  registry.on("tasks.mark", [](std::string text) { return text + ">cpp"; });
  registry.on("tasks.total", [](const std::vector<std::int64_t>& numbers) {
    return std::accumulate(numbers.begin(), numbers.end(), std::int64_t{0});
  });
  registry.on("tasks.identity", [](wherry::task::Value value) { return value; });
  registry.on("tasks.numbers", [](std::int64_t count) {
    std::vector<std::int64_t> all(static_cast<std::size_t>(count));
    std::iota(all.begin(), all.end(), 0);
    return all;
  });
  registry.on("tasks.deep_total", [](const wherry::task::Value& value) { return deep_total(value); });
  registry.on("tasks.joined", [](const std::vector<std::string>& texts) {
    std::string all;
    for (const auto& each : texts) all += (all.empty() ? "" : ",") + each;
    return all;
  });
  // Only here: Python calls an error callback that it knows itself, with arguments of its own.
  // The name of its argument's type.
  registry.on("tasks.kind", [](const wherry::task::Value& value) -> std::string {
    if (value.get<std::string>()) return "str";
    if (value.get<wherry::task::Bytes>()) return "bytes";
    return wherry::task::describe(value);
  });
  registry.on("tasks.told", [](std::optional<std::string> id) {
    note("told " + id.value_or("nothing"));
    return id;
  });
}
