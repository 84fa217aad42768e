// RedisCommands: asks a Redis server and hands the answers back, over a connection that is made again when it breaks.
//
// Everything asked is pipelined: sent at the end of the turn, answered in order. What was not answered when the
// connection breaks is sent again, in order, until its deadline. Errors:
// an answer that is an error is a Failure: unavailable when another time may be better (OOM, LOADING, READONLY and
// such), else refused. Limit: 100,000 wait at most, more are unavailable.
// Threads: the loop's. Lifetime: see ResultBackend.
#pragma once

#include <cstdint>
#include <deque>
#include <map>
#include <set>
#include <utility>

#include "net/event_loop.h"
#include "sdk/results/backend.h"
#include "sdk/results/redis/link.h"

namespace wherry::results {

class RedisCommands final : RedisLink::Handler {
 public:
  RedisCommands(net::EventLoop& loop, RedisEndpoint endpoint, BackendOptions options);
  ~RedisCommands();

  void ask(RedisCommand command, Monotonic deadline, Done<RedisReply> done);

 private:
  struct Pending {
    RedisCommand command;
    Monotonic deadline;
    Done<RedisReply> done;
  };
  using Waiting = std::map<std::uint64_t, Pending>;

  void on_up() override;
  void on_reply(RedisReply reply) override;
  void on_down() override;
  void on_idle() override;
  void finish(Waiting::iterator at, Outcome<RedisReply> outcome);
  void expire();
  void arm();

  net::EventLoop& loop_;
  Waiting waiting_;                                          // In the order of asking.
  std::set<std::pair<Monotonic, std::uint64_t>> deadlines_;  // Of waiting_.
  std::deque<std::uint64_t>
      sent_;  // Whose answers are to come. 0: our own ping. What has timed out is waiting no more.
  std::uint64_t last_ = 0;
  bool closed_ = false;
  net::Timer timer_{loop_};
  RedisLink link_;
};

}  // namespace wherry::results
