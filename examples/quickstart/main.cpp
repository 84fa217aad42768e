#include <cstdio>
#include <thread>

#include <wherry/client.h>
#include <wherry/worker.h>

struct Greet {  // A task: its name on the wire, what it returns, and its arguments.
  static constexpr auto task_name = "greet";
  using Result = std::string;
  std::string name;
};

int main(int argc, char** argv) {
  const char* broker = argc > 1 ? argv[1] : "amqp://127.0.0.1";
  wherry::Worker worker(broker, {.queues = {"greetings"}});
  worker.registry().on<Greet>([](const Greet& task) { return "Hello, " + task.name + "!"; });
  std::thread working([&] { worker.run(); });

  wherry::Client client(broker);
  const auto job = client.enqueue(Greet{.name = "world"}, {.queue = "greetings"});
  std::puts(job.get(std::chrono::seconds(10)).c_str());
  worker.stop();
  working.join();
}
