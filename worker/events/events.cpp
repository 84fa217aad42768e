#include "worker/events/events.h"

#include <cstdlib>
#include <utility>

#include <sys/utsname.h>

#include "base/log.h"
#include "sdk/client/event.h"

namespace wherry::worker {

namespace {

// A full list goes out without waiting for the end of the turn.
constexpr std::size_t most_together = 256;

const std::string& system_name() {
  static const std::string name = [] {
    utsname system{};
    return std::string(::uname(&system) == 0 ? system.sysname : "Linux");
  }();
  return name;
}

}  // namespace

Events::Events(net::EventLoop& loop, sdk::Link& link, Clock& clock, std::string node, bool task_events,
               std::function<Load()> load)
    : link_(link),
      clock_(clock),
      loop_(loop),
      node_(std::move(node)),
      task_events_(task_events),
      load_(std::move(load)),
      timer_(loop),
      self_(std::make_shared<Events*>(this)) {}

Events::~Events() {
  *self_ = nullptr;
}

void Events::online() {
  worker("worker-online");
  timer_.set(std::chrono::milliseconds(heartbeat_every), [this] { beat(); });
}

void Events::beat() {
  heartbeat();
  timer_.set(std::chrono::milliseconds(heartbeat_every), [this] { beat(); });
}

void Events::heartbeat() {
  worker("worker-heartbeat");
}

void Events::offline() {
  flush();
  timer_.cancel();
  worker("worker-offline");
}

void Events::worker(std::string_view type) {
  if (!link_.is_up()) return;
  double load[3] = {0, 0, 0};
  ::getloadavg(load, 3);
  const Load now = load_();
  task::Value::Map event = sdk::make_event(type, node_, clock_.forward());
  const std::chrono::duration<double> every = heartbeat_every;
  for (auto& [key, value] : task::Value::Map{{"freq", every.count()},
                                             {"active", now.active},
                                             {"processed", now.processed},
                                             {"loadavg", task::Value::Array{load[0], load[1], load[2]}},
                                             {"sw_ident", "wherry"},
                                             {"sw_ver", WHERRY_VERSION},
                                             {"sw_sys", system_name()}}) {
    event.emplace_back(std::move(key), std::move(value));
  }
  // "worker-online" is routed as worker.online.
  std::string key(type);
  key[key.find('-')] = '.';
  send(key, std::move(event));
}

void Events::task(std::string_view type, const std::string& id, task::Value::Map fields) {
  if (!task_events_ || !link_.is_up()) return;
  task::Value::Map event = sdk::make_event(type, node_, clock_.forward());
  event.emplace_back("uuid", id);
  for (auto& field : fields) event.push_back(std::move(field));
  buffer_.emplace_back(std::move(event));
  if (buffer_.size() == most_together) return flush();
  if (buffer_.size() > 1) return;
  loop_.post([self = self_] {
    if (*self) (*self)->flush();
  });
}

void Events::flush() {
  if (buffer_.empty()) return;
  send("task.multi", std::exchange(buffer_, {}));
}

void Events::send(std::string_view routing_key, const task::Value& body) {
  auto message = sdk::event_message(routing_key, node_, body);
  if (message) return link_.publish(std::move(*message));
  log::warning("worker", "an event cannot be written: {}", message.error().message);
}

}  // namespace wherry::worker
