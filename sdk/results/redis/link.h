// RedisLink: one connection to a Redis server that is made again whenever it breaks. Logs in, chooses the database;
// what is written and what the replies mean is its user's.
//
// A server that says nothing for 10 s is to be asked (on_idle), one that says nothing for 20 s is given up: so a peer
// that vanished without a word is noticed while nothing is asked. Threads: the loop's. Lifetime: the handler outlives
// the link; it must not destroy the link from inside a call.
#pragma once

#include <functional>
#include <memory>
#include <random>
#include <string>
#include <string_view>

#include "net/stream.h"
#include "sdk/results/backend.h"
#include "sdk/results/redis/reply.h"
#include "sdk/results/redis/url.h"

namespace wherry::results {

class RedisLink final : net::StreamHandler {
 public:
  class Handler {
   public:
    virtual void on_up() = 0;  // write() may be called from now on.
    virtual void on_reply(RedisReply reply) = 0;
    virtual void on_down() = 0;  // After on_up() only: what was not answered will not be.
    virtual void on_idle() = 0;  // Up, and nothing heard for a while: write something that is answered.

   protected:
    ~Handler() = default;
  };

  RedisLink(net::EventLoop& loop, RedisEndpoint endpoint, BackendOptions options, Handler& handler);
  ~RedisLink();

  void start();
  bool is_up() const { return up_; }
  // Why there is no connection: the reason of the last attempt.
  const std::string& reason() const { return reason_; }
  // Only when it is up. Sent at the end of the turn.
  void write(const RedisCommand& command);

 private:
  void connect();
  void greet(std::unique_ptr<net::Stream> stream);
  void on_greeting(const RedisReply& reply);
  void lose(std::string reason);
  void look_alive();

  std::size_t on_data(std::string_view bytes) override;
  void on_lost(std::string_view reason) override;

  net::EventLoop& loop_;
  const RedisEndpoint endpoint_;
  const BackendOptions options_;
  Handler& handler_;
  std::mt19937_64 random_{std::random_device{}()};
  std::unique_ptr<net::Connecting> connecting_;
  std::unique_ptr<net::Stream> stream_;
  RedisReader reader_;
  net::Timer retry_{loop_};
  net::Timer watchdog_{loop_};
  unsigned failures_ = 0;   // Since it was up.
  unsigned greetings_ = 0;  // Answers to the login that are still to come.
  bool up_ = false;
  bool asked_ = false;  // The handler was told to ask.
  Monotonic heard_{};
  std::string reason_ = "not connected yet";
};

}  // namespace wherry::results
