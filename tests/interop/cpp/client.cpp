// interop-client URL QUEUE msgpack|json COMMAND [ARGUMENT...]: a Wherry client that sends the tasks which
// tests/interop/celeryapp/tasks.py and tasks.cpp define, and prints what comes back, a line each.
//
// RESULT_BACKEND: where results are; rpc when it is not set. QUEUE_TYPE: quorum, of the queues that it makes.
//   add X Y | adds N | email TO SUBJECT | fail TEXT | flaky N | when MILLISECONDS | noted TEXT GATE | describe
//   text TASK            the text that a task without arguments returns
//   entries N            enqueues so many tasks that write their numbers, from 0 on, into the ledger; waits for no
//   results unique KEY           enqueues an entry that is unique steps GATE           prints each report of progress,
//   and what is returned send X Y             adds as well, but prints the task's id only; result ID waits for it,
//   forget ID removes it connect              only connects
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <map>
#include <string>
#include <string_view>
#include <vector>

#include <wherry/client.h>

using namespace std::chrono_literals;

namespace {

constexpr auto kDeadline = 60s;

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

constexpr wherry::Function<std::int64_t(std::int64_t, std::int64_t)> add{"tasks.add"};
constexpr wherry::Function<std::string(std::string)> fail{"tasks.fail"};
constexpr wherry::Function<int(int)> flaky{"tasks.flaky"};
constexpr wherry::Function<double()> when{"tasks.when"};
constexpr wherry::Function<std::string(std::string, std::string)> noted{"tasks.noted"};
constexpr wherry::Function<int(std::string)> steps{"tasks.steps"};
constexpr wherry::Function<void(std::int64_t)> entry{"tasks.entry"};

double now() {
  return std::chrono::duration<double>(std::chrono::system_clock::now().time_since_epoch()).count();
}

void run(wherry::Client& client, std::string_view command, const std::vector<std::string>& arguments) {
  auto number = [&](std::size_t index) { return std::strtoll(arguments.at(index).c_str(), nullptr, 10); };
  if (command == "connect") {
    client.wait_connected(5s);
    std::puts("connected");
  } else if (command == "add") {
    std::printf("sum %lld\n", static_cast<long long>(client.enqueue(add(number(0), number(1))).get(kDeadline)));
  } else if (command == "adds") {
    std::vector<wherry::Job<std::int64_t>> jobs;
    for (std::int64_t n = 0; n < number(0); ++n) jobs.push_back(client.enqueue(add(n, n)));
    long long sum = 0;
    for (auto& job : jobs) sum += job.get(kDeadline);
    std::printf("%zu jobs, sum %lld\n", jobs.size(), sum);
  } else if (command == "email") {
    const auto receipt = client.enqueue(SendEmail{arguments.at(0), arguments.at(1)}).get(kDeadline);
    std::printf("receipt %s %s %d\n", receipt.to.c_str(), receipt.subject.c_str(), receipt.attempts);
  } else if (command == "fail") {
    client.enqueue(fail(arguments.at(0))).get(kDeadline);
  } else if (command == "flaky") {
    std::printf("retries %d\n", client.enqueue(flaky(static_cast<int>(number(0)))).get(kDeadline));
  } else if (command == "when") {
    const double sent = now();
    const auto delay = std::chrono::milliseconds(number(0));
    const double ran = client.enqueue(when(), {.countdown = delay}).get(kDeadline);
    std::printf("after %.3f\n", ran - sent);
  } else if (command == "noted") {
    std::printf("noted %s\n", client.enqueue(noted(arguments.at(0), arguments.at(1))).get(kDeadline).c_str());
  } else if (command == "text") {
    std::printf("%s\n", wherry::task::describe(client.send(arguments.at(0)).get(kDeadline)).c_str());
  } else if (command == "steps") {
    auto job = client.enqueue(steps(arguments.at(0)));
    job.on_progress([](const wherry::task::Value& meta) {
      std::printf("progress %s\n", wherry::task::describe(*meta.find("done")).c_str());
      std::fflush(stdout);
    });
    std::printf("steps %d\n", job.get(kDeadline));
  } else if (command == "entries") {
    std::vector<wherry::Call<void>> calls;
    for (std::int64_t n = 0; n < number(0); ++n) calls.push_back(entry(n));
    client.enqueue_many(calls, {.ignore_result = true, .timeout = 300s});
    std::printf("enqueued %zu\n", calls.size());
  } else if (command == "unique") {
    client.enqueue(entry(0), {.unique = wherry::Unique{.key = arguments.at(0)}});
    std::puts("enqueued 1");
  } else if (command == "send") {
    std::printf("%s\n", client.enqueue(add(number(0), number(1))).id().c_str());
  } else if (command == "result") {
    std::printf("sum %lld\n", static_cast<long long>(client.job<std::int64_t>(arguments.at(0)).get(kDeadline)));
  } else if (command == "forget") {
    auto job = client.job<std::int64_t>(arguments.at(0));
    job.get(kDeadline);
    job.forget(kDeadline);
  } else if (command == "describe") {
    auto job = client.send("tasks.describe", {},
                           wherry::kwargs({{"text", "\u00fc"},
                                           {"number", 7},
                                           {"real", 0.5},
                                           {"yes", true},
                                           {"list", std::vector<int>{1, 2}},
                                           {"table", std::map<std::string, int>{{"a", 1}}}}));
    const auto fields = wherry::task::from_value<std::map<std::string, std::string>>(job.get(kDeadline)).value();
    for (const auto& [name, value] : fields) std::printf("%s=%s\n", name.c_str(), value.c_str());
  } else {
    std::fprintf(stderr, "unknown command\n");
    std::exit(64);
  }
}

}  // namespace

int main(int argc, char** argv) {
  if (argc < 5) return 64;
  const bool json = std::string_view(argv[3]) == "json";
  try {
    const char* backend = std::getenv("RESULT_BACKEND");
    const char* queue_type = std::getenv("QUEUE_TYPE");
    const bool quorum = queue_type && std::string_view(queue_type) == "quorum";
    wherry::Client client(argv[1], {.serializer = json ? wherry::Serializer::json : wherry::Serializer::msgpack,
                                    .default_queue = argv[2],
                                    .queue_type = quorum ? wherry::QueueType::quorum : wherry::QueueType::classic,
                                    .result_backend = backend ? backend : "rpc",
                                    .task_sent_event = std::getenv("TASK_SENT_EVENT") != nullptr});
    run(client, argv[4], {argv + 5, argv + argc});
  } catch (const wherry::TaskFailed& failed) {
    std::printf("failed %s: %s\n", failed.type().c_str(), failed.message().c_str());
    return 2;
  } catch (const wherry::ClientError& error) {
    std::printf("error %s %d: %s\n", std::string(to_string(error.code())).c_str(), error.reply_code(), error.what());
    return 3;
  }
}
