// One task as a message: Celery's protocol 2, read and written; protocol 1 read.
//
// Protocol 2: who and when in the headers, [args, kwargs, embed] in the body. Protocol 1 (old producers): all of it in
// a map in the body. decode() tells them apart by the header "task", as Celery does, and makes the same Task of both.
//
//   auto message = encode({.name = "email.send", .id = make_uuid(), .kwargs = {{"to", "ann@example.org"}}}, now);
//   auto task = decode(delivery.properties, delivery.body);
//
// Threads: no state. Format: docs/tasks-on-the-wire.md.
#pragma once

#include <chrono>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "base/clock.h"
#include "base/result.h"
#include "protocol/amqp/properties.h"
#include "protocol/task/compression.h"
#include "protocol/task/serializer.h"
#include "protocol/task/value.h"

namespace wherry::task {

// What happens after the task: signatures (Celery's maps) or arrays of them, kept as they came. Null for nothing.
struct Embed {
  Value callbacks = {};
  Value errbacks = {};
  Value chain = {};  // Stored reversed: the next link is the last.
  Value chord = {};
  friend bool operator==(const Embed&, const Embed&) = default;
};

// Strings: empty means null on the wire, where the header may be null.
struct Task {
  std::string name = {};
  std::string id = {};
  Value::Array args = {};
  Value::Map kwargs = {};
  Embed embed = {};

  std::string root_id = {};  // Empty: its own id.
  std::string parent_id = {};
  std::optional<WallTime> eta = {};      // Not before.
  std::optional<WallTime> expires = {};  // Not started after; the broker drops the message then too.
  std::uint32_t retries = 0;             // How many attempts there were before this one.
  std::optional<std::chrono::milliseconds> time_limit = {};       // Hard: ends it.
  std::optional<std::chrono::milliseconds> soft_time_limit = {};  // Asks it to stop.
  std::string group = {};
  std::optional<std::int64_t> group_index = {};
  bool ignore_result = false;
  std::string shadow = {};  // The name that logs show instead.
  std::uint32_t replaced_task_nesting = 0;
  Value stamped_headers = {};  // The stamps' names, an array; or null.
  Value::Map stamps = {};
  std::string lang = "cpp";
  std::string origin = {};  // Empty: default_origin().
  // What logs and Flower show for the arguments; empty: made of them. A producer may set them to hide a secret.
  std::string argsrepr = {};
  std::string kwargsrepr = {};

  std::string reply_to = {};        // The queue for its result.
  std::string correlation_id = {};  // Empty: its id.
  std::uint8_t priority = 0;
  bool durable = true;  // Delivery mode 2, else 1.
  Serializer serializer = Serializer::json;
  Compression compression = Compression::none;  // Of the body.

  // All headers that the protocol does not know. Those of its names are not written from here.
  amqp::Table headers = {};
  friend bool operator==(const Task&, const Task&) = default;
};

struct EncodedTask {
  amqp::Properties properties;
  std::string body;
};

// now: what the expiration property counts from. name and id must be set.
// Errors: a value that the serializer or a header cannot hold.
Result<EncodedTask> encode(const Task& task, WallTime now);
// The same without copies: args, kwargs and embed are gone afterwards, whatever comes of it; the rest of the task
// stays.
Result<EncodedTask> encode_giving(Task& task, WallTime now);

// Undecodable: see DecodeError. A message without content_type is told apart from a wrong one.
Result<Task, DecodeError> decode(const amqp::Properties& properties, std::string_view body);

// "gen<pid>@<host>", as Celery's producers call themselves.
const std::string& default_origin();

}  // namespace wherry::task
