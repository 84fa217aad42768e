// RedisSubscriber: channels of a Redis server, heard over a connection of its own that is made again when it breaks.
//
// What is subscribed is subscribed again after a reconnect, and each time the server confirms it, on_subscribed says
// so: from then on nothing is missed, and what was published before must be read otherwise. Changes are gathered and
// sent together in the next turn: ten thousand subscriptions are a few commands. Threads: the loop's. Lifetime: the
// handler outlives it.
#pragma once

#include <string>
#include <unordered_map>
#include <unordered_set>

#include "net/event_loop.h"
#include "sdk/results/redis/link.h"

namespace wherry::results {

class RedisSubscriber final : RedisLink::Handler {
 public:
  class Handler {
   public:
    virtual void on_subscribed(const std::string& channel) = 0;
    virtual void on_message(const std::string& channel, const std::string& payload) = 0;

   protected:
    ~Handler() = default;
  };
  RedisSubscriber(net::EventLoop& loop, RedisEndpoint endpoint, BackendOptions options, Handler& handler);
  ~RedisSubscriber();

  // Of a channel that is subscribed already: on_subscribed comes once more.
  void subscribe(const std::string& channel);
  void unsubscribe(const std::string& channel);

 private:
  void on_up() override;
  void on_reply(RedisReply reply) override;
  void on_down() override {}
  void on_idle() override;
  void change(const std::string& channel, bool wanted);
  void flush();

  net::EventLoop& loop_;
  Handler& handler_;
  std::unordered_set<std::string> channels_;       // What is wanted.
  std::unordered_map<std::string, bool> changes_;  // To be sent: true to subscribe.
  bool posted_ = false;
  std::shared_ptr<bool> alive_ = std::make_shared<bool>(true);  // What was posted may come after the end.
  RedisLink link_;
};

}  // namespace wherry::results
