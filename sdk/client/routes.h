// Where a task goes when its options do not say.
//
// Threads: a Router may be asked from any, at the same time; the rest is plain data.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <string_view>
#include <unordered_map>
#include <utility>

#include "sdk/link/topology.h"
#include "wherry/options.h"

namespace wherry::sdk {

// Shared by all tasks that want the same. Null: nothing.
using TopologyRef = std::shared_ptr<const Topology>;

struct Route {
  std::string queue;                    // Empty only when exchange or routing_key is set.
  std::optional<std::string> exchange;  // Set: published there, and nothing is declared but topology.
  std::optional<std::string> routing_key;
  std::optional<std::uint8_t> priority;
  TopologyRef topology;  // What must be there before the first publish.
};

// The way to a queue as Celery makes it: a durable direct exchange and a durable queue of that name, bound by it.
Topology queue_topology(const std::string& queue, amqp::Table arguments = {});

// What the options say goes before what the routes say.
class Router {
 public:
  // What is configured for a task by its name, or nothing. Its topology is filled in by route().
  using Routes = std::function<std::optional<Route>(std::string_view task)>;
  // configured: all that shall exist at the broker; declared as a whole when any queue or exchange of it is first used.
  explicit Router(std::string default_queue, Routes routes = {}, Topology configured = {})
      : default_queue_(std::move(default_queue)),
        routes_(std::move(routes)),
        configured_(std::make_shared<const Topology>(std::move(configured))) {}

  Route route(std::string_view task, const EnqueueOptions& options) const;

 private:
  // Made once for each queue: each task that is sent asks.
  struct Made {
    std::mutex mutex;
    std::unordered_map<std::string, TopologyRef> queues;
  };
  TopologyRef topology_of(const std::string& queue) const;
  bool is_configured_exchange(const std::string& name) const;
  bool is_configured_queue(const std::string& name) const;

  std::string default_queue_;
  Routes routes_;
  TopologyRef configured_;
  std::shared_ptr<Made> made_ = std::make_shared<Made>();
};

}  // namespace wherry::sdk
