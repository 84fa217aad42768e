// What the tests of result backends stand on: a real server in a temporary folder, a loop on a thread, and questions
// that wait for their answer.
#pragma once

#include <chrono>
#include <condition_variable>
#include <csignal>
#include <filesystem>
#include <future>
#include <memory>
#include <mutex>
#include <string>
#include <thread>
#include <vector>

#include <arpa/inet.h>
#include <catch2/catch.hpp>
#include <fcntl.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/log.h"
#include "net/event_loop.h"
#include "sdk/results/backend.h"

namespace wherry::results::test {

using namespace std::chrono_literals;
constexpr auto patience = 60s;

inline Monotonic soon() {
  return std::chrono::steady_clock::now() + patience;
}

template <class F>
bool eventually(F condition) {
  for (const auto end = soon(); std::chrono::steady_clock::now() < end; std::this_thread::sleep_for(5ms)) {
    if (condition()) return true;
  }
  return false;
}

class Folder {
 public:
  Folder() {
    std::string pattern = (std::filesystem::temp_directory_path() / "wherry-results-XXXXXX").string();
    REQUIRE(::mkdtemp(pattern.data()) != nullptr);
    path_ = pattern;
  }
  ~Folder() {
    std::error_code ignored;
    std::filesystem::remove_all(path_, ignored);
  }
  const std::filesystem::path& path() const { return path_; }

 private:
  std::filesystem::path path_;
};

// A port that was free just now.
inline std::uint16_t free_port() {
  const int socket = ::socket(AF_INET, SOCK_STREAM, 0);
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_addr.s_addr = ::htonl(INADDR_LOOPBACK);
  socklen_t size = sizeof address;
  REQUIRE(::bind(socket, reinterpret_cast<sockaddr*>(&address), size) == 0);
  REQUIRE(::getsockname(socket, reinterpret_cast<sockaddr*>(&address), &size) == 0);
  ::close(socket);
  return ::ntohs(address.sin_port);
}

// A child process, killed at the end.
class Child {
 public:
  // output: where what it prints goes; empty: where ours does.
  explicit Child(const std::vector<std::string>& words, const std::string& output = {}) {
    std::vector<char*> arguments;
    for (const std::string& word : words) arguments.push_back(const_cast<char*>(word.c_str()));
    arguments.push_back(nullptr);
    pid_ = ::fork();
    REQUIRE(pid_ >= 0);
    if (pid_ == 0) {
      const int file = output.empty() ? -1 : ::open(output.c_str(), O_WRONLY | O_CREAT | O_TRUNC, 0600);
      if (file >= 0) ::dup2(file, 1), ::dup2(file, 2);
      ::execvp(arguments[0], arguments.data());
      ::_exit(127);
    }
  }
  ~Child() { end(SIGKILL); }
  int wait() {
    int status = 0;
    ::waitpid(std::exchange(pid_, -1), &status, 0);
    return status;
  }
  void end(int signal) {
    if (pid_ < 0) return;
    ::kill(pid_, signal);
    wait();
  }
  void signal(int number) { ::kill(pid_, number); }

 private:
  pid_t pid_ = -1;
};

// A store that a test can stop and start again, with its data.
class Server {
 public:
  virtual ~Server() = default;
  virtual std::string url() const = 0;
  virtual void start() = 0;
  virtual void stop() = 0;
  virtual bool can_stop() const { return true; }  // A file has no server.
};

class RedisServer final : public Server {
 public:
  RedisServer() { start(); }
  std::string url() const override { return "redis://:p%40ss@127.0.0.1:" + std::to_string(port_) + "/3"; }
  void start() override {
    for (int attempt = 0; attempt < 5 && !child_; ++attempt) {
      if (port_ == 0) port_ = free_port();
      auto child = std::make_unique<Child>(std::vector<std::string>{
          "redis-server", "--port", std::to_string(port_), "--bind", "127.0.0.1", "--requirepass", "p@ss", "--dir",
          folder_.path().string(), "--save", "", "--appendonly", "yes", "--appendfsync", "no", "--logfile",
          (folder_.path() / "log").string()});
      if (eventually([&] { return answers(); })) child_ = std::move(child);
    }
    REQUIRE(child_);
  }
  void stop() override {
    child_->end(SIGTERM);
    child_.reset();
  }
  // It keeps its connections and says nothing.
  void freeze() { child_->signal(SIGSTOP); }
  void thaw() { child_->signal(SIGCONT); }

 private:
  bool answers() const {
    const int socket = ::socket(AF_INET, SOCK_STREAM, 0);
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_port = ::htons(port_);
    address.sin_addr.s_addr = ::htonl(INADDR_LOOPBACK);
    const bool there = ::connect(socket, reinterpret_cast<sockaddr*>(&address), sizeof address) == 0;
    ::close(socket);
    return there;
  }
  Folder folder_;
  std::uint16_t port_ = 0;
  std::unique_ptr<Child> child_;
};

// A backend on a loop of its own.
class Bench {
 public:
  explicit Bench(const std::string& url, BackendOptions options = {}) {
    log::set_level(log::Level::off);
    options.backoff_max = 200ms;
    auto opened = open(loop_, url, options);
    INFO((opened ? std::string() : opened.error().message));
    REQUIRE(opened);
    backend_ = *std::move(opened);
    thread_ = std::thread([this] { loop_.run(); });
  }
  ~Bench() {
    on_loop([this] { backend_.reset(); });
    loop_.stop();
    thread_.join();
  }

  template <class F>
  void on_loop(F work) {
    std::promise<void> done;
    loop_.post([&] {
      work();
      done.set_value();
    });
    done.get_future().wait();
  }
  // The answer to what ask begins: ask(backend, done).
  template <class T, class F>
  Outcome<T> answer(F ask) {
    auto promise = std::make_shared<std::promise<Outcome<T>>>();
    auto future = promise->get_future();
    loop_.post(
        [&] { ask(*backend_, Done<T>([promise](Outcome<T> outcome) { promise->set_value(std::move(outcome)); })); });
    REQUIRE(future.wait_for(2 * patience) == std::future_status::ready);
    return future.get();
  }

  Outcome<void> store(task::ResultMeta meta, Monotonic deadline = soon()) {
    return answer<void>([&](ResultBackend& b, Done<> done) { b.store(meta, deadline, done); });
  }
  Outcome<std::optional<task::ResultMeta>> get(const std::string& id, Monotonic deadline = soon()) {
    return answer<std::optional<task::ResultMeta>>([&](ResultBackend& b, auto done) { b.get(id, deadline, done); });
  }
  Outcome<ChordProgress> part(const std::string& group, std::optional<std::int64_t> index, task::ResultMeta meta) {
    return answer<ChordProgress>([&](ResultBackend& b, auto done) {
      b.chord_part_return({group, index, meta}, soon(), done);
    });
  }
  Outcome<void> chord_size(const std::string& group, std::size_t size) {
    return answer<void>([&](ResultBackend& b, Done<> done) { b.set_chord_size(group, size, soon(), done); });
  }
  ResultBackend& backend() { return *backend_; }
  net::EventLoop& loop() { return loop_; }

 private:
  net::EventLoop loop_;
  std::unique_ptr<ResultBackend> backend_;
  std::thread thread_;
};

// What a watch has heard.
class Ear {
 public:
  Ear(Bench& bench, const std::string& id) {
    bench.on_loop([&] {
      bench.backend().watch(id, [state = state_](const task::ResultMeta& meta) {
        std::lock_guard lock(state->mutex);
        state->heard.push_back(meta);
        state->changed.notify_all();
      });
    });
  }
  // Waits for this status; what came with it.
  task::ResultMeta wait(const std::string& status) {
    std::unique_lock lock(state_->mutex);
    task::ResultMeta found;
    INFO(status);
    REQUIRE(state_->changed.wait_for(lock, patience, [&] {
      for (const auto& each : state_->heard) {
        if (each.status == status) found = each;
      }
      return !found.status.empty();
    }));
    return found;
  }
  std::size_t count() {
    std::lock_guard lock(state_->mutex);
    return state_->heard.size();
  }

 private:
  struct State {
    std::mutex mutex;
    std::condition_variable changed;
    std::vector<task::ResultMeta> heard;
  };
  std::shared_ptr<State> state_ = std::make_shared<State>();
};

inline task::ResultMeta succeeded(const std::string& id, task::Value result) {
  return {.task_id = id, .status = "SUCCESS", .result = std::move(result)};
}

}  // namespace wherry::results::test
