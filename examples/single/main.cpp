// One binary: broker, worker and client in one process. What was confirmed is there after a crash, because the broker
// keeps it in a folder; docs/testing-tasks.md says what that promises.
//
//   example-single FOLDER [TASKS [MILLISECONDS]]
//
// Enqueues so many tasks that take so long, and runs them and those that are left from before, one after the other,
// until SIGTERM or SIGINT. FOLDER/done.txt has a line for each that was done.
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <fstream>
#include <mutex>
#include <string>
#include <thread>

#include <wherry/client.h>
#include <wherry/embedded.h>
#include <wherry/worker.h>

namespace {

struct Note {
  static constexpr auto task_name = "note";
  std::string text;
};

}  // namespace

int main(int argc, char** argv) {
  if (argc < 2) {
    std::fputs("usage: example-single FOLDER [TASKS [MILLISECONDS]]\n", stderr);
    return 2;
  }
  const std::string folder = argv[1];
  const int tasks = argc > 2 ? std::atoi(argv[2]) : 0;
  const std::chrono::milliseconds work(argc > 3 ? std::atoi(argv[3]) : 0);
  try {
    wherry::EmbeddedBroker broker({.folder = folder + "/queue"});

    std::ofstream done(folder + "/done.txt", std::ios::app);
    std::mutex mutex;
    wherry::Worker worker(broker.url(), {.queues = {"notes"}, .concurrency = 1});
    worker.registry().on<Note>([&](const Note& note) {
      std::this_thread::sleep_for(work);
      const std::lock_guard lock(mutex);
      done << note.text << std::endl;
    });
    std::thread working([&] { worker.run(); });

    wherry::Client client(broker.url());
    for (int i = 0; i < tasks; ++i) {
      const auto job = client.enqueue(Note{.text = std::to_string(i)}, {.queue = "notes", .ignore_result = true});
      std::printf("enqueued %d\n", i);
      std::fflush(stdout);
    }
    std::puts("all enqueued");
    std::fflush(stdout);
    working.join();
  } catch (const wherry::ClientError& error) {
    std::fprintf(stderr, "example-single: %s\n", error.what());
    return 1;
  }
  return 0;
}
