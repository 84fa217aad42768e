#include "worker/pool/process_executor.h"

#include <algorithm>
#include <cerrno>
#include <csignal>
#include <cstring>
#include <utility>
#include <vector>

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/log.h"
#include "worker/pool/crash.h"
#include "worker/pool/frames.h"
#include "worker/runtime/task_scope.h"

namespace wherry::worker {

// Its end of the sockets, and what it runs. Shared, so that it outlives the call in which it is buried.
struct ProcessExecutor::Child final : net::StreamHandler {
  Child(ProcessExecutor& pool, std::uint32_t its_number)
      : owner(pool), number(its_number), limit_timer(pool.loop_), end_timer(pool.loop_) {}
  ~Child() {
    if (crash_file >= 0) ::close(crash_file);
  }

  std::size_t on_data(std::string_view bytes) override {
    auto self = owner.children_.at(number);
    reader.add(bytes);
    while (true) {
      task::Value frame;
      const auto whole = reader.next(frame);
      if (!whole) {
        log::error("worker", "child {} cannot be understood: {}", pid, whole.error().message);
        owner.server_.kill(number, SIGKILL);
        return bytes.size();
      }
      if (!*whole) return bytes.size();
      on_frame(frame);
    }
  }
  void on_frame(const task::Value& frame) {
    if (!job) return;
    if (const task::Value* progress = frame.find("progress")) job->attempt->progress(*progress);
    if (const task::Value* outcome = frame.find("outcome")) {
      const task::Value* resident = frame.find("resident");
      const auto* bytes = resident ? resident->get<std::int64_t>() : nullptr;
      owner.ended_well(*this, read_outcome(*outcome), bytes ? static_cast<std::uint64_t>(*bytes) : 0);
    }
  }
  void on_lost(std::string_view) override {
    auto self = owner.children_.at(number);
    lost = true;
    if (status) owner.bury(*this);
  }
  void say(const task::Value& what) {
    auto frame = encode_frame(what);
    if (!frame || lost) return;
    stream->out().append(*frame);
    stream->flush_soon();
  }

  ProcessExecutor& owner;
  const std::uint32_t number;
  std::int64_t pid = 0;
  std::unique_ptr<net::Stream> stream;
  FrameReader reader;
  int crash_file = -1;
  std::optional<Job> job;
  std::uint64_t tasks = 0;
  bool last = false;          // Retires after what it runs.
  bool retired = false;       // Nothing more is given to it.
  bool timed_out = false;     // Killed at its hard limit.
  bool lost = false;          // Nothing more will be heard.
  std::optional<int> status;  // It has ended.
  int fork_error = 0;
  net::Timer limit_timer;
  net::Timer end_timer;
};

// Hears the fork server.
struct ProcessExecutor::Server final : net::StreamHandler {
  explicit Server(ProcessExecutor& pool)
      : owner(pool), stream(net::adopt(pool.loop_, ::fcntl(pool.server_.news(), F_DUPFD_CLOEXEC, 0))) {
    stream->start(*this);
  }
  std::size_t on_data(std::string_view bytes) override {
    std::size_t taken = 0;
    for (ForkServer::News news{}; bytes.size() - taken >= sizeof news; taken += sizeof news) {
      std::memcpy(&news, bytes.data() + taken, sizeof news);
      owner.on_news(news);
    }
    return taken;
  }
  void on_lost(std::string_view reason) override { owner.broken(reason); }

  ProcessExecutor& owner;
  std::unique_ptr<net::Stream> stream;
};

ProcessExecutor::ProcessExecutor(net::EventLoop& loop, ForkServer& server, Config config,
                                 std::function<void(std::string)> on_broken)
    : loop_(loop),
      server_(server),
      config_(config),
      on_broken_(std::move(on_broken)),
      ear_(std::make_unique<Server>(*this)) {
  while (config_.prefork && in_service() < config_.slots && add_child() != nullptr) {
  }
}

ProcessExecutor::~ProcessExecutor() = default;

std::size_t ProcessExecutor::in_service() const {
  return static_cast<std::size_t>(
      std::count_if(children_.begin(), children_.end(), [](const auto& each) { return !each.second->retired; }));
}

// --- work ------------------------------------------------------------------------------------------------------------

void ProcessExecutor::run(Job job) {
  job.attempt->executor = this;
  waiting_.push_back(std::move(job));
  hand_out();
}

bool ProcessExecutor::withdraw(const Attempt& attempt) {
  auto same = [&](const Job& each) { return each.attempt.get() == &attempt; };
  return std::erase_if(waiting_, same) > 0;
}

void ProcessExecutor::hand_out() {
  while (!stopped_ && !waiting_.empty()) {
    Child* child = idle_or_new();
    if (child == nullptr) return;
    Job job = std::move(waiting_.front());
    waiting_.pop_front();
    give(*child, std::move(job));
  }
}

ProcessExecutor::Child* ProcessExecutor::idle_or_new() {
  for (const auto& [number, child] : children_) {
    if (!child->retired && !child->job) return child.get();
  }
  return in_service() < config_.slots ? add_child() : nullptr;
}

ProcessExecutor::Child* ProcessExecutor::add_child() {
  int pair[2];
  if (::socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair) != 0) {
    log::error("worker", "no child can be made: {}", std::strerror(errno));
    return nullptr;
  }
  auto child = std::make_shared<Child>(*this, ++last_number_);
  child->crash_file = make_crash_file();
  // Without a file in memory the socket stands in: the descriptor has to be one, and what is written there at the end
  // makes the last frame unreadable at worst.
  const auto forked = server_.fork_child(child->number, pair[1], child->crash_file >= 0 ? child->crash_file : pair[1]);
  ::close(pair[1]);
  child->stream = net::adopt(loop_, pair[0]);
  if (!forked) {
    log::error("worker", "no child can be made: {}", forked.error().message);
    return nullptr;
  }
  child->stream->start(*child);
  ++counts_.started;
  return children_.emplace(child->number, std::move(child)).first->second.get();
}

void ProcessExecutor::give(Child& child, Job job) {
  child.job = std::move(job);
  child.job->attempt->begin({}, child.pid);
  if (child.job->began) child.job->began();
  child.say(run_frame(child.job->attempt->delivery(), child.job->soft_time_limit));
  if (!child.job->time_limit) return;
  child.limit_timer.set(*child.job->time_limit, [this, &child] {
    const TaskScope about(*child.job->attempt);
    log::error("worker", "task {} [{}] runs longer than its time limit of {} ms: its process {} is killed",
               child.job->attempt->name(), child.job->attempt->id(), child.job->time_limit->count(), child.pid);
    child.timed_out = true;
    server_.kill(child.number, SIGKILL);
  });
}

void ProcessExecutor::ended_well(Child& child, detail::Outcome outcome, std::uint64_t resident_bytes) {
  child.limit_timer.cancel();
  child.end_timer.cancel();
  ++child.tasks;
  // A heap that has been full is in pieces.
  const bool out_of_memory = outcome.error_type == "std::bad_alloc";
  const bool too_large = config_.max_memory_per_child > 0 && resident_bytes > config_.max_memory_per_child;
  const bool too_old = config_.max_tasks_per_child > 0 && child.tasks >= config_.max_tasks_per_child;
  const Job job = *std::exchange(child.job, std::nullopt);
  if (too_large) {
    log::info("worker", "child {} holds {} MiB after its task, and is replaced", child.pid, resident_bytes >> 20);
  }
  if (child.last || out_of_memory || too_large || too_old || in_service() > config_.slots) retire(child);
  job.finish(std::move(outcome));
  hand_out();
}

Result<void> ProcessExecutor::resize(unsigned slots) {
  config_.slots = slots;
  const auto all = children_;
  for (const auto& [number, child] : all) {
    if (in_service() > slots && !child->retired && !child->job) retire(*child);
  }
  while (config_.prefork && in_service() < slots && add_child() != nullptr) {
  }
  hand_out();
  return {};
}

void ProcessExecutor::set_limits(unsigned max_tasks_per_child, std::uint64_t max_memory_per_child) {
  config_.max_tasks_per_child = max_tasks_per_child;
  config_.max_memory_per_child = max_memory_per_child;
}

Result<void> ProcessExecutor::restart() {
  const auto all = children_;
  for (const auto& [number, child] : all) {
    if (child->job) {
      child->last = true;
    } else {
      retire(*child);
    }
  }
  return resize(config_.slots);
}

// Its end is closed: it sees that, and ends.
void ProcessExecutor::retire(Child& child) {
  if (std::exchange(child.retired, true)) return;
  child.stream->close_after_flush();
  child.lost = true;
}

// --- ends ------------------------------------------------------------------------------------------------------------

ProcessExecutor::Child* ProcessExecutor::running(const Attempt& attempt) {
  for (const auto& [number, child] : children_) {
    if (child->job && child->job->attempt.get() == &attempt) return child.get();
  }
  return nullptr;
}

void ProcessExecutor::ask_to_stop(const AttemptRef& attempt) {
  if (Child* child = running(*attempt)) child->say(task::Value::Map{{"stop", true}});
}

void ProcessExecutor::terminate(const AttemptRef& attempt, int signal) {
  Child* child = running(*attempt);
  if (child == nullptr) return;
  // To the others it is deaf: they are what a terminal or systemd sends to all processes.
  const bool asks = signal == SIGTERM || signal == SIGINT || signal == SIGQUIT || signal == SIGHUP;
  if (!asks) return server_.kill(child->number, signal);
  child->say(task::Value::Map{{"stop", true}});
  child->end_timer.set(std::chrono::milliseconds(term_grace), [this, child] { server_.kill(child->number, SIGKILL); });
}

void ProcessExecutor::on_news(const ForkServer::News& news) {
  const auto found = children_.find(news.number);
  if (found == children_.end()) return;
  Child& child = *found->second;
  switch (news.kind) {
    case ForkServer::News::Kind::forked:
      child.pid = news.value;
      if (child.job) child.job->attempt->set_pid(child.pid);
      break;
    case ForkServer::News::Kind::failed:
      log::error("worker", "no child can be made: fork: {}", std::strerror(news.value));
      child.fork_error = news.value;
      child.status = 0;
      bury(child);
      break;
    case ForkServer::News::Kind::ended:
      child.status = news.value;
      if (child.lost) return bury(child);
      // What it said last is still to be heard; a process that its task forked and left may keep the socket open.
      child.end_timer.set(std::chrono::seconds(1), [this, &child] { bury(child); });
      break;
  }
}

void ProcessExecutor::bury(Child& child) {
  auto kept = children_.extract(child.number).mapped();
  // Not from inside its own stream's call.
  loop_.post([kept] {});
  child.limit_timer.cancel();
  child.end_timer.cancel();
  child.stream->close();
  if (child.job) {
    const Job job = *std::exchange(child.job, std::nullopt);
    detail::Outcome outcome = post_mortem(*kept);
    counts_.crashed += outcome.crashed;
    counts_.timed_out += child.timed_out;
    job.finish(std::move(outcome));
  } else if (!child.retired && *child.status != 0) {
    log::warning("worker", "child {} ended between two tasks", child.pid);
  }
  while (config_.prefork && !stopped_ && child.fork_error == 0 && in_service() < config_.slots) {
    if (add_child() == nullptr) break;
  }
  hand_out();
}

detail::Outcome ProcessExecutor::post_mortem(const Child& child) const {
  const int status = child.status.value_or(0);
  detail::Outcome outcome;
  outcome.kind = detail::Outcome::Kind::failed;
  outcome.traceback = read_backtrace(child.crash_file);
  if (child.timed_out) {
    outcome.error_type = "TimeLimitExceeded";
    outcome.reason = "it ran longer than its time limit, and its process was killed";
    return outcome;
  }
  outcome.error_type = "WorkerLostError";
  if (child.fork_error != 0) {
    outcome.reason = fmt::format("no process could be made for it: {}", std::strerror(child.fork_error));
    return outcome;
  }
  outcome.crashed = true;
  if (WIFSIGNALED(status)) {
    outcome.reason = fmt::format("its process {} was ended by {}", child.pid, signal_text(WTERMSIG(status)));
    if (WTERMSIG(status) == SIGKILL) outcome.reason += "; the machine may have run out of memory";
  } else {
    outcome.reason = fmt::format("its process {} exited with {}", child.pid, WEXITSTATUS(status));
  }
  return outcome;
}

void ProcessExecutor::broken(std::string_view reason) {
  if (stopped_) return;
  log::error("worker", "the process that forks children is gone: {}", reason);
  // With it its children were killed, and nobody tells of them.
  stopped_ = true;
  auto all = std::exchange(children_, {});
  for (const auto& [number, child] : all) {
    child->stream->close();
    child->status = SIGKILL;
    if (child->job) std::exchange(child->job, std::nullopt)->finish(post_mortem(*child));
  }
  loop_.post([all = std::move(all)] {});
  if (auto tell = std::exchange(on_broken_, nullptr)) tell("the process that forks children is gone");
}

void ProcessExecutor::stop() {
  stopped_ = true;
  waiting_.clear();
  for (const auto& [number, child] : children_) child->stream->close();
  children_.clear();
  ear_.reset();
}

// --- what is shown ---------------------------------------------------------------------------------------------------

ProcessExecutor::Counts ProcessExecutor::counts() const {
  Counts counts = counts_;
  counts.alive = in_service();
  return counts;
}

task::Value::Map ProcessExecutor::info() const {
  task::Value::Array pids;
  task::Value::Map writes;
  for (const auto& [number, child] : children_) {
    if (child->retired) continue;
    pids.push_back(child->pid);
    set(writes, std::to_string(child->pid), child->tasks);
  }
  return {{"implementation", "wherry:processes"},
          {"max-concurrency", slots()},
          {"processes", std::move(pids)},
          {"max-tasks-per-child",
           config_.max_tasks_per_child > 0 ? task::Value(config_.max_tasks_per_child) : task::Value("N/A")},
          {"put-guarded-by-semaphore", true},
          {"timeouts", task::Value::Array{0, 0}},
          {"writes", std::move(writes)}};
}

}  // namespace wherry::worker
