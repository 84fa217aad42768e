// greet NAME [BROKER]: has a worker greet somebody, and prints what it says.
#include "greet.h"

#include <cstdio>

#include <wherry/client.h>

int main(int argc, char** argv) {
  if (argc < 2) return 2;
  try {
    wherry::Client client(argc > 2 ? argv[2] : "amqp://127.0.0.1");
    const auto job = client.enqueue(Greet{.name = argv[1]}, {.queue = "greetings"});
    std::puts(job.get(std::chrono::seconds(30)).c_str());
  } catch (const wherry::TaskFailed& error) {
    std::fprintf(stderr, "the task failed: %s\n", error.what());
    return 1;
  } catch (const wherry::ClientError& error) {
    std::fprintf(stderr, "%s\n", error.what());
    return 1;
  }
}
