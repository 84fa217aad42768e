// The scripted broker behind a real socket on the loopback, on a thread and a port of its own.
//
// Threads: the script and the connections belong to the broker's thread: ask() runs a function there and waits for it.
#pragma once

#include <chrono>
#include <functional>
#include <future>
#include <list>
#include <memory>
#include <string>
#include <thread>

#include "net/stream.h"
#include "tests/unit/sdk/scripted_broker.h"

namespace wherry::sdk::test {

class LoopbackBroker {
 public:
  LoopbackBroker() {
    acceptor_ = *net::Acceptor::listen(loop_, {"127.0.0.1", 0});
    port_ = acceptor_->address().port;
    acceptor_->start([this](int socket) {
      if (mute) {
        deaf_.push_back(net::adopt(loop_, socket));
        return;
      }
      connections_.push_back(std::make_unique<Connection>(*this, socket));
    });
    thread_ = std::thread([this] { loop_.run(); });
  }
  ~LoopbackBroker() {
    loop_.stop();
    thread_.join();
    connections_.clear();
    deaf_.clear();
    acceptor_.reset();
  }

  std::string url(const std::string& query = "") const {
    return "amqp://guest:guest@127.0.0.1:" + std::to_string(port_) + "/" + query;
  }

  template <class F>
  auto ask(F question) {
    std::packaged_task<std::invoke_result_t<F, LoopbackBroker&>()> task([&] { return question(*this); });
    loop_.post([&] { task(); });
    return task.get_future().get();
  }
  // Asks until the answer is true; false after 10 s.
  template <class F>
  bool until(F question) {
    const auto deadline = std::chrono::steady_clock::now() + std::chrono::seconds(10);
    while (std::chrono::steady_clock::now() < deadline) {
      if (ask(question)) return true;
      std::this_thread::yield();
    }
    return false;
  }

  // --- on the broker's thread ---
  Script script;
  bool mute = false;  // Accepts, and says nothing.
  bool deliver(const std::string& queue, const std::string& body, const amqp::Properties& properties) {
    for (auto& each : connections_) {
      if (!each->gone && each->protocol->deliver(queue, body, properties)) {
        each->stream->flush_soon();
        return true;
      }
    }
    return false;
  }
  void drop_all() {
    for (auto& each : connections_) {
      each->gone = true;
      each->stream->close();
    }
  }
  bool any_open() const {
    for (auto& each : connections_) {
      if (!each->gone) return true;
    }
    return false;
  }

 private:
  struct Connection final : net::StreamHandler {
    Connection(LoopbackBroker& owner, int socket) : broker(owner), stream(net::adopt(owner.loop_, socket)) {
      stream->start(*this);
      protocol = std::make_unique<ScriptedConnection>(owner.script, stream->out(), std::chrono::steady_clock::now());
    }
    std::size_t on_data(std::string_view bytes) override {
      const std::size_t used = protocol->machine().receive(bytes, std::chrono::steady_clock::now());
      stream->flush_soon();
      if (protocol->machine().finished()) {
        gone = true;
        stream->close_after_flush();
      }
      return used;
    }
    void on_lost(std::string_view reason) override {
      gone = true;
      protocol->machine().on_socket_lost(reason);
    }
    LoopbackBroker& broker;
    std::unique_ptr<net::Stream> stream;
    std::unique_ptr<ScriptedConnection> protocol;
    bool gone = false;
  };

  net::EventLoop loop_;
  std::unique_ptr<net::Acceptor> acceptor_;
  std::uint16_t port_ = 0;
  std::list<std::unique_ptr<Connection>> connections_;
  std::list<std::unique_ptr<net::Stream>> deaf_;
  std::thread thread_;
};

}  // namespace wherry::sdk::test
