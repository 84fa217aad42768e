#include "worker/pool/child.h"

#include <cstdio>
#include <fstream>
#include <memory>
#include <string>
#include <utility>

#include <sys/resource.h>
#include <unistd.h>

#include "base/log.h"
#include "net/stream.h"
#include "worker/pool/crash.h"
#include "worker/pool/frames.h"
#include "worker/runtime/executor.h"
#include "worker/runtime/pool.h"

namespace wherry::worker {

namespace {

std::uint64_t resident_bytes() {
  std::ifstream file("/proc/self/statm");
  std::uint64_t size = 0, resident = 0;
  file >> size >> resident;
  return resident * static_cast<std::uint64_t>(::sysconf(_SC_PAGESIZE));
}

void limit_memory(std::uint64_t bytes) {
  if (bytes == 0) return;
  std::ifstream file("/proc/self/statm");
  std::uint64_t pages[6] = {};
  for (std::uint64_t& each : pages) file >> each;
  const std::uint64_t data = pages[5] * static_cast<std::uint64_t>(::sysconf(_SC_PAGESIZE));
  const rlimit limit{data + bytes, data + bytes};
  if (::setrlimit(RLIMIT_DATA, &limit) != 0) log::error("worker", "a child's memory cannot be limited");
}

class Child final : public net::StreamHandler {
 public:
  Child(int socket, const Registry& registry) : registry_(registry), stream_(net::adopt(loop_, socket)) {
    pool_->run([] { use_signal_stack(); });
    stream_->start(*this);
  }

  void run() { loop_.run(); }

  // --- net::StreamHandler ---
  std::size_t on_data(std::string_view bytes) override {
    reader_.add(bytes);
    while (true) {
      task::Value frame;
      const auto whole = reader_.next(frame);
      if (!whole) end("its worker cannot be understood: " + whole.error().message);
      if (!*whole) return bytes.size();
      if (const task::Value* run = frame.find("run")) begin(*run);
      if (frame.find("stop") && attempt_) attempt_->request_stop();
    }
  }
  void on_lost(std::string_view) override { end({}); }

 private:
  [[noreturn]] static void end(const std::string& why) {
    if (!why.empty()) log::error("worker", "a child ends: {}", why);
    std::fflush(nullptr);
    ::_exit(why.empty() ? 0 : 1);
  }

  void begin(const task::Value& run) {
    auto request = read_run(run);
    if (!request) end("a task cannot be read: " + request.error().message);
    auto task = task::decode(request->delivery.properties, request->delivery.body);
    if (!task) end("a task cannot be read: " + task.error().message);
    attempt_ = std::make_shared<Attempt>(ways_, std::move(request->delivery), std::move(*task));
    const Registry::EntryRef entry = registry_.find(attempt_->name());
    if (entry == nullptr) end("it knows no task " + attempt_->name());
    pool_->run([this, attempt = attempt_, entry, soft = request->soft_time_limit] {
      attempt->begin(soft, ::getpid());
      run_function(entry, attempt, [this](detail::Outcome outcome) {
        gate_->post([this, outcome = std::move(outcome)]() mutable { finished(std::move(outcome)); });
      });
    });
  }

  void finished(detail::Outcome outcome) {
    attempt_->end();
    attempt_.reset();
    std::fflush(nullptr);  // What the task printed: its process may be killed before the next one.
    send(outcome_frame(std::move(outcome), resident_bytes()));
  }

  void send(const task::Value& value) {
    auto frame = encode_frame(value);
    if (!frame) {
      detail::Outcome outcome;
      outcome.kind = detail::Outcome::Kind::dead;
      outcome.error_type = "EncodeError";
      outcome.reason = "what the task returned cannot be sent: " + frame.error().message;
      if (value.find("outcome") == nullptr) {
        return log::warning("worker", "a report cannot be sent: {}", frame.error().message);
      }
      frame = encode_frame(outcome_frame(std::move(outcome), resident_bytes()));
      if (!frame) end(frame.error().message);
    }
    stream_->out().append(*frame);
    stream_->flush_soon();
  }

  std::shared_ptr<const Attempt::Ways> make_ways() {
    auto report = [this](const Attempt&, task::Value meta) { send(task::Value::Map{{"progress", std::move(meta)}}); };
    auto resume_on = [pool = std::weak_ptr(pool_)](std::function<void()> resume) {
      if (auto there = pool.lock()) there->run(std::move(resume));
    };
    return std::make_shared<const Attempt::Ways>(loop_, gate_, std::move(report), std::move(resume_on));
  }

  const Registry& registry_;
  net::EventLoop loop_;
  const std::shared_ptr<Gate> gate_ = std::make_shared<Gate>(loop_);
  const std::shared_ptr<Pool> pool_ = std::make_shared<Pool>(1);
  const std::shared_ptr<const Attempt::Ways> ways_ = make_ways();
  std::unique_ptr<net::Stream> stream_;
  FrameReader reader_;
  AttemptRef attempt_;
};

}  // namespace

void serve_tasks(int socket, int crash_file, const Registry& registry, const ChildLimits& limits) {
  install_crash_handlers(crash_file);
  use_signal_stack();
  Child child(socket, registry);
  limit_memory(limits.memory_bytes);
  child.run();
  ::_exit(0);
}

}  // namespace wherry::worker
