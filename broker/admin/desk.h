// Desk: where requests of operators are dealt with, whichever way they come in: by HTTP (routes.h) or over the control
// socket (verbs.h). It holds the broker and what is known about the process around it.
//
// A Caller is whoever asks. Tags are RabbitMQ's: management sees and does what the user's permissions allow in its
// virtual hosts; policymaker sets policies and limits there as well; monitoring sees everything; administrator does
// everything. Who comes over the control socket owns the broker's files, and is an administrator.
// Threads: any but a shard's; requests block. Lifetime: broker and bridges outlive it.
#pragma once

#include <chrono>
#include <functional>
#include <mutex>
#include <string>
#include <string_view>
#include <vector>

#include "broker/admin/answer.h"
#include "broker/admin/machine.h"
#include "broker/admin/remote_control.h"
#include "broker/admin/sampler.h"
#include "broker/admin/task_watch.h"
#include "broker/bridges/bridges.h"
#include "broker/shard/broker.h"
#include "broker/shard/operations.h"
#include "broker/shard/survey.h"

namespace wherry::broker::admin {

// The least that a caller must be.
enum class Level { anybody, management, policymaker, monitoring, administrator };

class Caller {
 public:
  static Caller local_operator() { return {}; }
  // A user who has proved who it is.
  static Caller of(UserRef user, std::string peer);

  const std::string& name() const { return name_; }
  const std::string& peer() const { return peer_; }
  const UserRef& user() const { return user_; }  // Null for a local operator.
  bool local() const { return !user_; }
  bool administrator() const { return !user_ || user_->has_tag("administrator"); }
  bool monitoring() const { return administrator() || user_->has_tag("monitoring"); }
  bool policymaker() const { return administrator() || user_->has_tag("policymaker"); }
  bool management() const { return monitoring() || policymaker() || user_->has_tag("management"); }
  bool may_open(std::string_view vhost) const { return !user_ || user_->may_open(vhost); }
  // What is listed: monitoring sees all virtual hosts, others theirs.
  bool sees(std::string_view vhost) const { return monitoring() || may_open(vhost); }
  // An error says it in RabbitMQ's words.
  Outcome<void> need(Level level) const;
  Outcome<void> check(Access access, std::string_view kind, std::string_view vhost, std::string_view name) const;

 private:
  std::string name_ = "wherryctl";
  std::string peer_ = "control socket";
  UserRef user_;
};

struct DeskConfig {
  std::string node = "wherry@localhost";  // As RabbitMQ names nodes.
  std::string cluster;                    // Empty: the node's name.
  std::string version;
  std::string product = "Wherry";
  std::string data_dir;
  std::uint64_t memory_limit = 0;  // Bytes; see memory_high_watermark.
  std::uint64_t disk_free_limit = 0;
  bool observe_tasks = true;       // While the management API listens.
  tasks::Bounds task_bounds = {};  // Of each virtual host.
  std::function<std::uint64_t()> resident;
  std::function<std::uint64_t()> disk_free;
  struct Listener {
    std::string protocol;
    net::Address address;
  };
};

class Desk {
 public:
  Desk(Broker& broker, bridges::Bridges& bridges, DeskConfig config);

  Broker& broker() { return broker_; }
  bridges::Bridges& bridges() { return bridges_; }
  Shared& shared() { return broker_.shared(); }
  RuntimeAccess& access() { return broker_.access(); }
  RuntimeSettings& settings() { return broker_.settings(); }
  Operations operations() { return Operations(shared()); }
  Survey survey() { return Survey(shared()); }
  Sampler& sampler() { return sampler_; }
  TaskWatch& tasks() { return tasks_; }
  RemoteControl& workers() { return workers_; }
  Machine machine() { return machine_.look(); }
  const DeskConfig& config() const { return config_; }
  std::string cluster_name() const;
  std::vector<DeskConfig::Listener> listeners() const;
  void add_listener(DeskConfig::Listener listener);
  std::uint64_t uptime_ms() const;

  // Waits until a change of RuntimeAccess or RuntimeSettings is on the disk.
  Outcome<void> kept(const Result<std::uint64_t>& change);
  // The virtual host, for one that the caller sees.
  Outcome<SharedVhostRef> vhost(const Caller& caller, std::string_view name);
  // A line in the log: who changed what.
  void audit(const Caller& caller, std::string_view what) const;

 private:
  Broker& broker_;
  bridges::Bridges& bridges_;
  DeskConfig config_;
  Sampler sampler_;
  TaskWatch tasks_;
  RemoteControl workers_;
  MachineWatch machine_;
  mutable std::mutex mutex_;
  std::vector<DeskConfig::Listener> listeners_;
  const std::chrono::steady_clock::time_point began_ = std::chrono::steady_clock::now();
};

}  // namespace wherry::broker::admin
