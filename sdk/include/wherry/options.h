// Options of one enqueue and of a client: plain aggregates for designated initializers. All optional.
//
//   client.enqueue(SendEmail{...}, {.countdown = 30s, .queue = "email", .priority = 5});
#pragma once

#include <chrono>
#include <cstdint>
#include <functional>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "protocol/task/value.h"

namespace wherry {

enum class Serializer { msgpack, json };
// Of a task's arguments; protocol/task/compression.h has the names of the methods on the wire.
enum class Compression { none, zlib, bzip2, zstd };
// Quorum: on several nodes of a RabbitMQ cluster. See docs/migrating.md.
enum class QueueType { classic, quorum };

// The task is not enqueued while, or for so long after, one of the same name and key was. See docs/sdk.md.
struct Unique {
  std::string key = {};  // What makes it the same: the order's number. Not empty.
  // Since the first was enqueued. Without one: as long as that waits or runs (its retries are no longer the first).
  std::optional<std::chrono::milliseconds> window = {};
};

struct EnqueueOptions {
  // When the task may run: after a while, or from a point in time on. At most one of the two. The broker holds the
  // message (see docs/sdk.md); the worker holds it where the broker cannot.
  std::optional<std::chrono::milliseconds> countdown = {};
  std::optional<std::chrono::system_clock::time_point> eta = {};
  // A task that did not start by then is dropped by its worker, and by the broker.
  std::optional<std::chrono::milliseconds> expires = {};

  // Where it goes; each beats the client's routes. queue: that queue, created durable when it is missing. exchange
  // and routing_key: exactly there; nothing is created.
  std::string queue = {};
  std::optional<std::string> exchange = {};
  std::optional<std::string> routing_key = {};

  std::optional<std::uint8_t> priority = {};  // 0..255; for queues declared with x-max-priority.

  // How long the task may run at its worker: soft asks it to stop, hard ends it. Seconds on the wire.
  std::optional<std::chrono::milliseconds> time_limit = {};
  std::optional<std::chrono::milliseconds> soft_time_limit = {};

  std::string task_id = {};  // Default: a new UUID. The same id twice makes two messages.
  // A queue or exchange that looks for duplicates (x-message-deduplication, x-dedup-window) takes one message of a key
  // and confirms the others. 1 to 255 bytes; empty: none.
  std::string deduplication_key = {};
  // Makes the broker look, and fails with Errc::refused where it cannot. Not with exchange, routing_key or
  // deduplication_key; a window not with countdown or eta.
  std::optional<Unique> unique = {};
  std::map<std::string, task::Value> headers = {};  // Merged into the message's headers, after the protocol's own.
  std::optional<Serializer> serializer = {};        // Default: the client's.
  std::optional<Compression> compression = {};      // Likewise.
  bool ignore_result = false;                       // No result is sent: get() on the job throws std::logic_error.
  bool durable = true;                              // false: the message is lost when the broker restarts.

  // The deadline of the enqueue itself: connect, declare, publish and confirm. Default: the client's enqueue_timeout.
  std::optional<std::chrono::milliseconds> timeout = {};
};

// Where the tasks of a name go, or those whose name fits a pattern: an entry of app.yaml's task_routes, in code.
struct TaskRoute {
  std::string task = {};  // "email.send", or a pattern as base/glob.h has them: "email.*".
  // A queue, or an exchange with a routing key. None: the default queue, for an entry that sets the priority alone.
  std::string queue = {};
  std::optional<std::string> exchange = {};
  std::optional<std::string> routing_key = {};
  std::optional<std::uint8_t> priority = {};
};

// Where tasks are kept on disk while the broker is away. See docs/producer.md.
struct SpoolOptions {
  std::string folder = {};                // Of this client alone; made when it is missing, in a folder that is there.
  std::uint64_t max_bytes = 64ull << 20;  // When it is full an enqueue fails with Errc::overloaded.
};

struct ClientOptions {
  std::string name = {};  // What an operator sees as connection name. Default: the program's name and process id.
  std::chrono::milliseconds enqueue_timeout{10'000};
  Serializer serializer = Serializer::msgpack;
  Compression compression = Compression::none;  // Pays for arguments of some kilobytes.
  std::string default_queue = "celery";         // For tasks that no route and no option sends elsewhere.
  // Of the queues that it makes and that say nothing themselves.
  QueueType queue_type = QueueType::classic;
  // For tasks whose options do not say where they go: the entry of exactly their name, else the first pattern that
  // fits. As if they stood at the top of app.yaml's task_routes. An entry that names both a queue and an exchange, or a
  // routing key without an exchange, is refused by the client's constructor (invalid_argument).
  std::vector<TaskRoute> task_routes = {};
  bool results = true;  // false: no results; every enqueue behaves as with ignore_result.
  // Where results are: "rpc" over the client's own reply queue; redis://, sqlite://, postgresql:// where the workers
  // store them (docs/results.md has the forms).
  std::string result_backend = "rpc";
  // The broker deletes an abandoned reply queue, or the backend a result, after this. 0: never, in a backend.
  std::chrono::milliseconds result_expires{86'400'000};
  bool task_sent_event = false;  // Monitors hear of each task that is sent: Celery's task_send_sent_event.
  std::chrono::milliseconds backoff_first{200};  // Reconnecting: see docs/sdk.md.
  std::chrono::milliseconds backoff_max{30'000};
  std::optional<SpoolOptions> spool = {};  // Default: none, and an enqueue waits for the broker.
  // Where coroutines are resumed: default on the client's own thread, which must then not be blocked. Called with what
  // is to be run; typically posts it to an executor: [&](auto run) { boost::asio::post(pool, std::move(run)); }
  std::function<void(std::function<void()>)> resume_on = {};
};

}  // namespace wherry
