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

#include "protocol/task/value.h"

namespace wherry {

enum class Serializer { msgpack, json };

struct EnqueueOptions {
  // When the task may run: after a while, or from a point in time on. At most one of the two. The broker holds the
  // message (see docs/sdk.md); the worker holds it where the broker cannot.
  std::optional<std::chrono::milliseconds> countdown = {};
  std::optional<std::chrono::system_clock::time_point> eta = {};
  // A task that did not start by then is dropped by its worker, and by the broker.
  std::optional<std::chrono::milliseconds> expires = {};

  // Where it goes; each beats the routes of app.yaml. queue: that queue, created durable when it is missing. exchange
  // and routing_key: exactly there; nothing is created.
  std::string queue = {};
  std::optional<std::string> exchange = {};
  std::optional<std::string> routing_key = {};

  std::optional<std::uint8_t> priority = {};  // 0..255; for queues declared with x-max-priority.

  // How long the task may run at its worker: soft asks it to stop, hard ends it. Seconds on the wire.
  std::optional<std::chrono::milliseconds> time_limit = {};
  std::optional<std::chrono::milliseconds> soft_time_limit = {};

  std::string task_id = {};                         // Default: a new UUID. The same id twice makes two messages.
  std::map<std::string, task::Value> headers = {};  // Merged into the message's headers, after the protocol's own.
  std::optional<Serializer> serializer = {};        // Default: the client's.
  bool ignore_result = false;                       // No result is sent: get() on the job throws std::logic_error.
  bool durable = true;                              // false: the message is lost when the broker restarts.

  // The deadline of the enqueue itself: connect, declare, publish and confirm. Default: the client's enqueue_timeout.
  std::optional<std::chrono::milliseconds> timeout = {};
};

struct ClientOptions {
  std::string name = {};  // What an operator sees as connection name. Default: the program's name and process id.
  std::chrono::milliseconds enqueue_timeout{10'000};
  Serializer serializer = Serializer::msgpack;
  std::string default_queue = "celery";  // For tasks that no route and no option sends elsewhere.
  bool results = true;                   // false: no reply queue; every enqueue behaves as with ignore_result.
  std::chrono::milliseconds result_expires{86'400'000};  // The broker deletes an abandoned reply queue after this.
  std::chrono::milliseconds backoff_first{200};          // Reconnecting: see docs/sdk.md.
  std::chrono::milliseconds backoff_max{30'000};
  // Where coroutines are resumed: default on the client's own thread, which must then not be blocked. Called with what
  // is to be run; typically posts it to an executor: [&](auto run) { boost::asio::post(pool, std::move(run)); }
  std::function<void(std::function<void()>)> resume_on = {};
};

}  // namespace wherry
