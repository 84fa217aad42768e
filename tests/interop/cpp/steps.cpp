// interop-steps: a worker, or the relay of an outbox, that ends itself with SIGKILL at a step of a task's way.
//
//   interop-steps list                               the names of all steps, one a line
//   interop-steps worker URL QUEUE RESULT_BACKEND    tasks: steps.done, steps.after, steps.flaky, steps.dies,
//   steps.body interop-steps relay URL DATABASE
//
// WHERRY_KILL_AT=retry.published:2 ends it when that step is taken for the second time, after a line that says so;
// unset: never. LEDGER: the file that tasks write what they did to.
#include <atomic>
#include <chrono>
#include <csignal>
#include <cstdio>
#include <cstdlib>
#include <stdexcept>
#include <string>
#include <string_view>
#include <vector>

#include <fcntl.h>
#include <unistd.h>
#include <wherry/worker.h>

#include "worker/cli/outbox.h"
#include "worker/steps/step.h"

namespace {

using wherry::worker::Step;

class Killer final : public wherry::worker::StepWatcher {
 public:
  Killer(Step step, int times) : step_(step), left_(times) {}
  void reached(Step step, std::string_view) override {
    if (step != step_ || --left_ != 0) return;
    std::printf("killed at %s\n", std::string(to_string(step)).c_str());
    std::fflush(stdout);
    ::raise(SIGKILL);
  }

 private:
  const Step step_;
  std::atomic<int> left_;
};

// Null: nobody is to be killed. Lives as long as the process.
Killer* killer() {
  const char* text = std::getenv("WHERRY_KILL_AT");
  if (text == nullptr || *text == '\0') return nullptr;
  const std::string_view all = text;
  const auto colon = all.find(':');
  const auto step = wherry::worker::parse_step(all.substr(0, colon));
  const int times = colon == all.npos ? 1 : std::atoi(text + colon + 1);
  if (!step || times < 1) throw std::invalid_argument("WHERRY_KILL_AT is STEP or STEP:N, not " + std::string(all));
  static Killer one(*step, times);
  return &one;
}

// One line of the ledger, in a single write.
void note(const std::string& text) {
  const char* path = std::getenv("LEDGER");
  if (path == nullptr) throw wherry::Dead{"LEDGER is not set"};
  const int file = ::open(path, O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC, 0644);
  const std::string line = text + '\n';
  const auto written = ::write(file, line.data(), line.size());
  ::close(file);
  if (written != static_cast<ssize_t>(line.size())) throw wherry::Dead{"the ledger cannot be written"};
}

int run_worker(const std::string& url, const std::string& queue, const std::string& backend) {
  wherry::WorkerOptions options{.queues = {queue}, .concurrency = 1};
  options.result_backend = backend;
  options.on_ready = [] {
    std::puts("ready");
    std::fflush(stdout);
  };
  wherry::Worker worker(url, options);
  worker.registry().on("steps.done", [](std::string text) {
    note("done " + text);
    return text;
  });
  worker.registry().on("steps.after", [](std::string text) {
    note("after " + text);
    return text;
  });
  worker.registry().on("steps.flaky",
                       [](std::string text, wherry::Context& context) {
                         if (context.attempt() == 1) throw std::runtime_error("the first time");
                         note("flaky " + text);
                         return text;
                       },
                       {.retry = wherry::RetryPolicy{.base = std::chrono::milliseconds(20), .jitter = false}});
  worker.registry().on("steps.dies", [](std::string text) { throw wherry::Dead{text}; });
  worker.registry().on("steps.body", [](std::vector<std::string> parts) {
    std::string all;
    for (const std::string& part : parts) all += (all.empty() ? "" : ",") + part;
    note("body " + all);
    return all;
  });
  return worker.run();
}

}  // namespace

int main(int argc, char** argv) {
  const std::vector<std::string> words(argv + 1, argv + argc);
  if (words.size() == 1 && words[0] == "list") {
    for (std::string_view name : wherry::worker::step_names) std::printf("%s\n", std::string(name).c_str());
    return 0;
  }
  wherry::worker::watch_steps(killer());
  if (words.size() == 4 && words[0] == "worker") return run_worker(words[1], words[2], words[3]);
  if (words.size() == 3 && words[0] == "relay") {
    wherry::sdk::AppSettings app;
    app.broker_url = words[1];
    return wherry::worker::run_relay(wherry::worker::relay_config(words[2], "wherry_outbox", app, "steps"));
  }
  return 2;
}
