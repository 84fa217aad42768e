// RedisBackend: results and chords in Redis, under Celery's keys and in its JSON, so that Python's workers and clients
// and Wherry's read each other's, and finish one chord together.
//
//   celery-task-meta-ID          the meta, SETEX; published on the channel of the same name
//   celery-taskset-meta-GROUP    a saved group
//   celery-taskset-meta-GROUP.j  sorted set: the parts that have returned, by group_index
//   celery-taskset-meta-GROUP.s  how many there are; GROUP.t how many were added to those
//
// What must be one step is one script at the server: storing without taking a SUCCESS away, and counting a part. A part
// that returns twice with another result counts once where Celery's own worker would count it twice.
// Celery's client subscribes to a result when it sends the task, and does not wait until that stands: a worker that is
// fast enough, or a connection that is slow to begin with, as with TLS, and the result is out before, and never heard.
// So a final result that nobody heard is published once more a tenth of a second later, many of them in one command.
// Two connections: one that asks, and, when something is watched, one that hears.
#pragma once

#include <memory>
#include <string>
#include <unordered_map>
#include <vector>

#include "sdk/results/backend.h"
#include "sdk/results/redis/commands.h"
#include "sdk/results/redis/subscriber.h"

namespace wherry::results {

class RedisBackend final : public ResultBackend, RedisSubscriber::Handler {
 public:
  RedisBackend(net::EventLoop& loop, RedisEndpoint endpoint, BackendOptions options);
  ~RedisBackend() override;

  void store(task::ResultMeta meta, Monotonic deadline, Done<> done) override;
  void get(std::string task_id, Monotonic deadline, Done<std::optional<task::ResultMeta>> done) override;
  void forget(std::string task_id, Monotonic deadline, Done<> done) override;
  void watch(const std::string& task_id, Hear hear) override;
  void unwatch(const std::string& task_id) override;
  void save_group(std::string group_id, task::Value tuple, Monotonic deadline, Done<> done) override;
  void restore_group(std::string group_id, Monotonic deadline, Done<std::optional<task::Value>> done) override;
  void forget_group(std::string group_id, Monotonic deadline, Done<> done) override;
  void set_chord_size(std::string group_id, std::size_t size, Monotonic deadline, Done<> done) override;
  void add_to_chord(std::string group_id, std::string by, std::size_t count, Monotonic deadline, Done<> done) override;
  void chord_part_return(ChordPart part, Monotonic deadline, Done<ChordProgress> done) override;
  void forget_chord(std::string group_id, Monotonic deadline, Done<> done) override;

 private:
  struct Watch {
    Hear hear;
    bool heard = false;  // Since it was asked what stands: the answer is then older than what was heard.
  };

  void on_subscribed(const std::string& channel) override;
  void on_message(const std::string& channel, const std::string& payload) override;
  void say_again(const std::string& key);
  void fetch();
  void tell(const std::string& task_id, const std::string& bytes);
  template <class T>
  void refuse(Done<T> done, std::string why);
  std::string expires() const;

  net::EventLoop& loop_;
  const RedisEndpoint endpoint_;
  const BackendOptions options_;
  std::unordered_map<std::string, Watch> watches_;              // By task id.
  std::vector<std::string> to_fetch_;                           // Task ids: subscribed in this turn.
  std::shared_ptr<bool> alive_ = std::make_shared<bool>(true);  // What was posted may come after the end.
  std::vector<std::string> unheard_;                            // Keys.
  net::Timer again_{loop_};
  RedisCommands commands_;
  std::unique_ptr<RedisSubscriber> subscriber_;
};

}  // namespace wherry::results
