// What the tests of attempts and runtimes stand on: a broker in this process, workers on threads, doors that tasks wait
// at, a bare connection for raw messages. Everything waits for conditions; a condition that never comes fails the test.
#pragma once

#include <chrono>
#include <condition_variable>
#include <cstdlib>
#include <deque>
#include <filesystem>
#include <functional>
#include <future>
#include <map>
#include <memory>
#include <mutex>
#include <set>
#include <string>
#include <thread>
#include <vector>

#include <catch2/catch.hpp>

#include "base/log.h"
#include "broker/server/wiring.h"
#include "net/stream.h"
#include "sdk/link/link.h"
#include "wherry/client.h"
#include "wherry/worker.h"

namespace wherry::worker::test {

using namespace std::chrono_literals;
constexpr auto patience = 30s;

class TestBroker {
 public:
  explicit TestBroker(unsigned shards = 1) : shards_(shards) {
    log::set_level(log::Level::off);
    std::string pattern = (std::filesystem::temp_directory_path() / "wherry-bench-XXXXXX").string();
    REQUIRE(::mkdtemp(pattern.data()) != nullptr);
    data_ = pattern;
    start();
  }
  ~TestBroker() {
    broker_.reset();
    std::error_code ignored;
    std::filesystem::remove_all(data_, ignored);
  }
  // After stop(): with the same port and data.
  void start() {
    broker::Options options;
    options.data_dir = data_.string();
    options.amqp = "127.0.0.1:" + std::to_string(port_);
    options.shards = shards_;
    auto plan = broker::make_plan(options);
    REQUIRE(plan);
    alarms_ = plan->broker.alarms;
    broker_ = std::make_unique<broker::Broker>(std::move(plan->broker));
    auto started = broker_->start(plan->amqp);
    INFO((started ? "" : started.error().message));
    REQUIRE(started);
    port_ = broker_->address().port;
  }
  void stop() { broker_.reset(); }
  broker::Alarms& alarms() { return *alarms_; }  // Until the next start().
  std::uint16_t port() const { return port_; }
  std::string url(const std::string& user = "guest:guest") const {
    return "amqp://" + user + "@127.0.0.1:" + std::to_string(port_);
  }

 private:
  const unsigned shards_;
  std::filesystem::path data_;
  std::uint16_t port_ = 0;
  std::shared_ptr<broker::Alarms> alarms_;
  std::unique_ptr<broker::Broker> broker_;
};

// A worker on a thread of its own. Destroying it stops it.
class Running {
 public:
  Running(const std::string& url, WorkerOptions options, const std::function<void(Registry&)>& define) {
    options.handle_signals = false;
    options.on_ready = [this] { ready_.set_value(); };
    if (options.concurrency == 0) options.concurrency = 1;
    worker_ = std::make_unique<Worker>(url, std::move(options));
    define(worker_->registry());
    code_ = std::async(std::launch::async, [this] { return worker_->run(); });
  }
  ~Running() {
    if (code_.valid()) stop();
  }
  Worker& worker() { return *worker_; }
  void wait_ready() { REQUIRE(ready_.get_future().wait_for(patience) == std::future_status::ready); }
  void begin_stop() { worker_->stop(); }
  int wait_code() {
    REQUIRE(code_.wait_for(patience) == std::future_status::ready);
    return code_.get();
  }
  int stop() {
    begin_stop();
    return wait_code();
  }

 private:
  std::promise<void> ready_;
  std::unique_ptr<Worker> worker_;
  std::future<int> code_;
};

// Tasks enter by name and wait until their door is opened; the test sees who entered. A door that was opened stays so.
class Doors {
 public:
  void enter(const std::string& name, const std::string& who = {}) {
    std::unique_lock lock(mutex_);
    entered_.emplace_back(name, who);
    changed_.notify_all();
    if (!changed_.wait_for(lock, patience, [&] { return open_.contains(name); })) std::abort();
  }
  void open(const std::string& name) {
    std::lock_guard lock(mutex_);
    open_.insert(name);
    changed_.notify_all();
  }
  void wait_entered(const std::string& name, std::size_t times = 1) {
    std::unique_lock lock(mutex_);
    INFO(name);
    REQUIRE(changed_.wait_for(lock, patience, [&] { return count(name) >= times; }));
  }
  std::size_t times(const std::string& name) {
    std::lock_guard lock(mutex_);
    return count(name);
  }
  std::string who(const std::string& name) {
    std::lock_guard lock(mutex_);
    for (const auto& [what, who] : entered_) {
      if (what == name) return who;
    }
    return {};
  }

 private:
  std::size_t count(const std::string& name) const {
    std::size_t all = 0;
    for (const auto& each : entered_) all += each.first == name;
    return all;
  }
  std::mutex mutex_;
  std::condition_variable changed_;
  std::vector<std::pair<std::string, std::string>> entered_;
  std::set<std::string> open_;
};

// A connection without a client's manners: publishes what it is given, and takes (and acks) all of one queue.
class Peer {
 public:
  explicit Peer(const std::string& url, sdk::QueueSpec queue) {
    sdk::LinkConfig config;
    config.endpoints = *sdk::parse_endpoints(url);
    link_ = std::make_unique<sdk::Link>(loop_, config);
    link_->declare({queue});
    link_->start();
    thread_ = std::thread([this] { loop_.run(); });
  }
  ~Peer() {
    loop_.stop();
    thread_.join();
  }
  void consume(const std::string& queue) {
    loop_.post([this, queue] {
      link_->declare({sdk::QueueSpec{.name = queue}}, [this, queue](const sdk::Report&) {
        link_->subscribe({.queues = {queue}, .prefetch = 0}, [this](sdk::Delivery delivery) {
          link_->ack(delivery.ref);
          std::lock_guard lock(mutex_);
          came_.push_back(std::move(delivery));
          changed_.notify_all();
        });
      });
    });
  }
  void publish(sdk::Publication message) {
    std::promise<sdk::Report> reported;
    link_->publish(std::move(message), [&](const sdk::Report& report) { reported.set_value(report); });
    auto report = reported.get_future();
    REQUIRE(report.wait_for(patience) == std::future_status::ready);
    REQUIRE(report.get().ok());
  }
  sdk::Delivery next() {
    std::unique_lock lock(mutex_);
    REQUIRE(changed_.wait_for(lock, patience, [&] { return !came_.empty(); }));
    auto first = std::move(came_.front());
    came_.pop_front();
    return first;
  }
  std::size_t left() {
    std::lock_guard lock(mutex_);
    return came_.size();
  }

 private:
  net::EventLoop loop_;
  std::unique_ptr<sdk::Link> link_;
  std::mutex mutex_;
  std::condition_variable changed_;
  std::deque<sdk::Delivery> came_;
  std::thread thread_;
};

// A cable between a worker and its broker that can be cut: every connection through it is lost, the next ones stand.
class Cable {
 public:
  explicit Cable(std::uint16_t port) : port_(port) {
    acceptor_ = *net::Acceptor::listen(loop_, {"127.0.0.1", 0});
    own_port_ = acceptor_->address().port;
    acceptor_->start([this](int socket) { pairs_.push_back(std::make_unique<Pair>(loop_, socket, port_)); });
    thread_ = std::thread([this] { loop_.run(); });
  }
  ~Cable() {
    loop_.stop();
    thread_.join();
    pairs_.clear();
    acceptor_.reset();
  }
  std::string url() const { return "amqp://guest:guest@127.0.0.1:" + std::to_string(own_port_); }
  void cut() {
    std::promise<void> done;
    loop_.post([&] {
      pairs_.clear();
      done.set_value();
    });
    done.get_future().wait();
  }

 private:
  struct End final : net::StreamHandler {
    std::unique_ptr<net::Stream> stream;
    End* other = nullptr;
    std::size_t on_data(std::string_view bytes) override {
      if (!other->stream) return 0;
      other->stream->out().append(bytes);
      other->stream->flush_soon();
      return bytes.size();
    }
    void on_lost(std::string_view) override {
      if (other->stream) other->stream->close_after_flush();
    }
  };
  struct Pair {
    Pair(net::EventLoop& loop, int socket, std::uint16_t port) {
      here.other = &there;
      there.other = &here;
      here.stream = net::adopt(loop, socket);
      connecting = net::connect(loop, {"127.0.0.1", port}, 5s, [this](Result<std::unique_ptr<net::Stream>> made) {
        if (!made) return here.stream->close();
        there.stream = std::move(*made);
        there.stream->start(there);
        here.stream->start(here);
      });
    }
    End here, there;
    std::unique_ptr<net::Connecting> connecting;
  };

  const std::uint16_t port_;
  std::uint16_t own_port_ = 0;
  net::EventLoop loop_;
  std::unique_ptr<net::Acceptor> acceptor_;
  std::vector<std::unique_ptr<Pair>> pairs_;
  std::thread thread_;
};

}  // namespace wherry::worker::test
