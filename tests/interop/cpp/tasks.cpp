// libinterop-tasks.so: the tasks of tests/interop/celeryapp/tasks.py once more, in C++, for wherry-worker --load.
// A sender cannot tell which of the two ran its task.
#include <cerrno>
#include <chrono>
#include <cstdint>
#include <cstdlib>
#include <stdexcept>
#include <string>
#include <thread>

#include <fcntl.h>
#include <unistd.h>
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
  registry.on("tasks.when", [] {
    return std::chrono::duration<double>(std::chrono::system_clock::now().time_since_epoch()).count();
  });
  registry.on("tasks.noted", noted);
}
