// Event: what a worker or a client has told of a task or of itself, on the exchange "celeryev", read from the message.
//
//   auto events = read_events(properties, body, arrived);     // One, or a list (task.multi).
//
// Anybody who may publish there may send anything: what is no event is counted and left out, texts are cut to what
// stands here, and a body of more than most_body bytes is not looked at. Errors: one sentence, when nothing of the body
// can be read.
// Threads: plain functions. Format: docs/control.md; Celery's user guide, "Event Reference".
#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/clock.h"
#include "base/result.h"
#include "protocol/amqp/properties.h"

namespace wherry::broker::tasks {

constexpr std::size_t most_body = 4u << 20;
constexpr std::size_t most_events = 10'000;       // Of one message.
constexpr std::size_t most_name = 255;            // Bytes of names and ids; what has longer ones is no event.
constexpr std::size_t most_text = 1'024;          // Of arguments, results, errors; cut, "..." behind.
constexpr std::size_t most_traceback = 8 * 1024;  // The same.

enum class Kind {
  sent,
  received,
  started,
  succeeded,
  failed,
  retried,
  revoked,
  rejected,
  online,
  heartbeat,
  offline,
};
bool is_of_task(Kind kind);
// "task-sent", "worker-online", ...
std::string_view type_of(Kind kind);

struct Event {
  Kind kind = Kind::heartbeat;
  std::string host;        // The worker, or for sent the client.
  WallTime at;             // By the sender's clock.
  WallTime arrived;        // By ours.
  std::int64_t clock = 0;  // Celery's logical clock; 0: unknown.
  std::optional<std::int64_t> pid = {};

  // --- of a task; what the event does not say is empty ---
  std::string id = {};
  std::string name = {};
  std::optional<std::string> args = {}, kwargs = {};
  std::string root_id = {}, parent_id = {}, queue = {};
  std::string eta = {}, expires = {};
  std::optional<std::int64_t> retries = {};
  std::optional<std::string> result = {}, error = {}, traceback = {};
  std::optional<double> runtime_s = {};

  // --- of a worker ---
  std::optional<double> every_s = {};  // Its heartbeats.
  std::optional<std::int64_t> active = {}, processed = {};
  std::optional<std::array<double, 3>> load = {};
  std::string software = {}, version = {}, system = {};
};

struct Events {
  std::vector<Event> good = {};
  std::size_t bad = 0;      // What was in the body and is no event.
  std::size_t unknown = 0;  // Events of other kinds: applications send their own there too.
};
Result<Events> read_events(const amqp::Properties& properties, std::string_view body, WallTime arrived);

// At most so many bytes, cut between two letters, with "..." behind when it was longer.
std::string cut(std::string_view text, std::size_t most);

}  // namespace wherry::broker::tasks
