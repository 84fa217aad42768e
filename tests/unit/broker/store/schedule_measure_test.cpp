// What ten million scheduled messages cost, and how late they fire, on the disk of this machine: not part of the tests.
//
//   build/release/bin/test-store "[measure]"
//
// Environment: WHERRY_MEASURE_FOLDER (must exist and be empty; the current folder's "measure" is made otherwise),
// WHERRY_MEASURE_MESSAGES (10,000,000), WHERRY_MEASURE_SECONDS over which they are due (60).
#include <algorithm>
#include <condition_variable>
#include <cstdio>
#include <cstdlib>
#include <deque>
#include <fstream>
#include <mutex>
#include <random>
#include <thread>

#include <catch2/catch.hpp>
#include <fcntl.h>
#include <unistd.h>

#include "broker/store/log.h"
#include "broker/store/posix_vfs.h"
#include "broker/store/schedule.h"

using namespace wherry::broker;

namespace {

std::uint64_t setting(const char* name, std::uint64_t otherwise) {
  const char* text = std::getenv(name);
  return text != nullptr ? std::stoull(text) : otherwise;
}

std::uint64_t now_us() {
  return static_cast<std::uint64_t>(
      std::chrono::duration_cast<std::chrono::microseconds>(std::chrono::system_clock::now().time_since_epoch())
          .count());
}

std::size_t resident_mib() {
  std::ifstream status("/proc/self/statm");
  std::size_t total = 0;
  std::size_t resident = 0;
  status >> total >> resident;
  return resident * static_cast<std::size_t>(::sysconf(_SC_PAGESIZE)) >> 20;
}

// A log written and synced by the thread that fills it, a turn at a time.
struct MeasuredLog final : ScheduleLog {
  Lsn append(ScheduleRecord type, std::string_view payload, Durability) override {
    batch.add(static_cast<std::uint8_t>(type), {payload});
    return log->last_lsn() + batch.records();
  }
  Lsn durable() const override { return log->durable_lsn(); }
  void commit() {
    if (batch.records() == 0) return;
    REQUIRE(log->write(batch));
    REQUIRE(log->sync());
  }
  std::unique_ptr<Log> log;
  BatchBuilder batch;
};

class Worker {
 public:
  ~Worker() {
    {
      const std::lock_guard lock(mutex_);
      stopping_ = true;
    }
    changed_.notify_one();
    thread_.join();
  }
  void start(std::function<void()> job, std::function<void()> finished) {
    {
      const std::lock_guard lock(mutex_);
      jobs_.emplace_back(std::move(job), std::move(finished));
    }
    changed_.notify_one();
  }
  void finish() {
    std::vector<std::function<void()>> done;
    {
      const std::lock_guard lock(mutex_);
      done.swap(done_);
    }
    for (const auto& finished : done) finished();
  }
  bool idle() {
    const std::lock_guard lock(mutex_);
    return jobs_.empty() && done_.empty() && !running_;
  }

 private:
  void run() {
    std::unique_lock lock(mutex_);
    for (;;) {
      changed_.wait(lock, [&] { return stopping_ || !jobs_.empty(); });
      if (stopping_) return;
      auto [job, finished] = std::move(jobs_.front());
      jobs_.pop_front();
      running_ = true;
      lock.unlock();
      job();
      lock.lock();
      running_ = false;
      done_.push_back(std::move(finished));
    }
  }
  std::mutex mutex_;
  std::condition_variable changed_;
  std::deque<std::pair<std::function<void()>, std::function<void()>>> jobs_;
  std::vector<std::function<void()>> done_;
  bool running_ = false;
  bool stopping_ = false;
  std::thread thread_{[this] { run(); }};
};

}  // namespace

TEST_CASE("ten million scheduled messages: memory, and lateness", "[.][measure]") {
  const std::uint64_t count = setting("WHERRY_MEASURE_MESSAGES", 10'000'000);
  const std::uint64_t seconds = setting("WHERRY_MEASURE_SECONDS", 60);
  const char* named = std::getenv("WHERRY_MEASURE_FOLDER");
  const std::string folder = named != nullptr ? named : "measure";
  PosixVfs disk;
  for (const std::string& part : {folder, folder + "/log", folder + "/delays"}) REQUIRE(disk.make_folder(part));
  std::printf("empty: %zu MiB resident\n", resident_mib());

  MeasuredLog log;
  log.log = std::move(
      *Log::open(disk, {.folder = folder + "/log", .file_bytes = std::uint64_t{16} << 20}, [](const LogRecord&) {}));
  Worker worker;
  const auto open = [&] {
    auto opened = Schedule::open(disk, log, {.folder = folder + "/delays"},
                                 {.start = [&](auto job, auto done) { worker.start(std::move(job), std::move(done)); },
                                  .damaged = [](const ScheduleDamage& one) { FAIL(one.file << ": " << one.what); },
                                  .failed = [](const DiskError& error) { FAIL(error.message); }});
    if (!opened) FAIL(opened.error().message);
    return std::move(*opened);
  };
  auto schedule = open();
  schedule->recovered();

  // Due from a while after the last of them was added, in any order.
  std::mt19937_64 random(1);
  const std::uint64_t began = now_us();
  const std::uint64_t first_due_ms = began / 1000 + setting("WHERRY_MEASURE_FILL_SECONDS", 60) * 1000;
  const std::string body(100, 'x');
  std::size_t most = 0;
  Lsn oldest = 0;
  std::deque<Lsn> files;  // About where files of the log end.
  for (std::uint64_t number = 0; number < count; ++number) {
    auto message = Message::create(
        {.exchange = "delayed", .routing_key = "key", .delivery_mode = 2, .body_size = body.size(), .published_ms = 1});
    message->append_body(body);
    const Lsn lsn =
        schedule->add("/", std::move(message), first_due_ms + random() % (seconds * 1000), Durability::sync);
    if (number % 10'000 != 0) continue;
    log.commit();
    worker.finish();
    schedule->tidy();
    if (number % 100'000 == 0) files.push_back(lsn);
    if (files.size() > 8 && schedule->release_up_to(files.front())) {
      oldest = files.front();
      files.pop_front();
      log.commit();
      REQUIRE(log.log->retire_below(oldest + 1));
    }
    if (number % 500'000 == 0) most = std::max(most, resident_mib());
  }
  log.commit();
  const double fill_s = static_cast<double>(now_us() - began) / 1e6;
  most = std::max(most, resident_mib());
  std::printf("added %lu in %.1f s, %.0f a second; most resident %zu MiB\n", static_cast<unsigned long>(count), fill_s,
              static_cast<double>(count) / fill_s, most);
  while (!schedule->release_up_to(log.log->last_lsn()) || !worker.idle()) {
    log.commit();
    worker.finish();
    std::this_thread::sleep_for(std::chrono::milliseconds(10));
  }
  log.commit();
  std::printf("waiting %lu in %zu runs, %zu MiB resident, %zu KiB of it accounted for\n",
              static_cast<unsigned long>(schedule->size()), schedule->runs(), resident_mib(),
              schedule->memory_bytes() >> 10);

  // A restart, and cold files.
  schedule.reset();
  std::uint64_t bytes = 0;
  const auto names = *disk.list(folder + "/delays");
  for (const std::string& name : names) {
    const std::string path = folder + "/delays/" + name;
    bytes += *(*disk.open(path, OpenMode::read))->size();
    const int handle = ::open(path.c_str(), O_RDONLY);
    ::posix_fadvise(handle, 0, 0, POSIX_FADV_DONTNEED);
    ::close(handle);
  }
  const std::uint64_t reopen = now_us();
  schedule = open();
  schedule->recovered();
  std::printf("%.0f bytes of disk a message; opened again in %.1f ms\n",
              static_cast<double>(bytes) / static_cast<double>(count), static_cast<double>(now_us() - reopen) / 1e3);
  REQUIRE(schedule->size() == count);

  std::vector<std::uint32_t> late_ms(5000, 0);
  std::uint64_t fired = 0;
  std::vector<Schedule::Due> due;
  most = 0;
  while (const auto wake = schedule->next_wake()) {
    const std::uint64_t now = now_us();
    if (*wake * 1000 > now) std::this_thread::sleep_for(std::chrono::microseconds(*wake * 1000 - now));
    due.clear();
    schedule->take_due(now_us() / 1000, due);
    const std::uint64_t taken_ms = now_us() / 1000;
    for (const Schedule::Due& one : due) {
      late_ms[std::min<std::uint64_t>(taken_ms - std::min(taken_ms, one.key.due_ms), late_ms.size() - 1)] += 1;
    }
    fired += due.size();
    if (!due.empty()) schedule->fired(due.back().key);
    // The loop's thread does not wait for the log; here it does, once in a while.
    if (log.batch.records() >= 16) log.commit();
    worker.finish();
    if (fired / 100'000 != (fired - due.size()) / 100'000) most = std::max(most, resident_mib());
  }
  CHECK(fired == count);
  std::uint64_t below = 0;
  std::uint32_t at = 0;
  for (const double share : {0.5, 0.99, 0.999, 1.0}) {
    while (at + 1 < late_ms.size() &&
           below + late_ms[at] < static_cast<std::uint64_t>(share * static_cast<double>(count))) {
      below += late_ms[at++];
    }
    std::printf("p%g late by %u ms\n", share * 100, at);
  }
  std::printf("most resident while firing %zu MiB\n", most);
  log.commit();
  schedule->tidy();
  while (!worker.idle()) worker.finish();
}
