// ControlServer: the broker's ear for its operator: a Unix domain socket in the data directory, one line of JSON for
// each request and each answer. docs/control-socket.md has the format.
//
//   auto server = ControlServer::listen(loop, data / "control.sock", [](const amqp::Table& request, Reply reply) {
//     reply(done(result));          // now or later, once, on the loop's thread
//   });
//
// Requests of one connection are handled one after the other. The socket's mode is 0600, and whoever is neither the
// broker's user nor root is not answered. Limits: 16 connections; a request of json.h's most_bytes; a longer one, or
// one that is no JSON object, is answered with an error and the connection closed. Threads: the loop's. Lifetime:
// before the loop; a late reply is dropped.
#pragma once

#include <filesystem>
#include <functional>
#include <memory>
#include <string_view>

#include "base/result.h"
#include "net/event_loop.h"
#include "protocol/amqp/table.h"

namespace wherry::broker::control {

// {"ok": true, "result": ...} and {"ok": false, "error": "..."}.
amqp::Table done(amqp::FieldValue result = {});
amqp::Table failed(std::string_view error);

using Reply = std::function<void(amqp::Table answer)>;
using Handler = std::function<void(const amqp::Table& request, Reply reply)>;

class ControlServer {
 public:
  // A socket that an earlier run left is replaced: nobody else may use the data directory. Errors name the path.
  static Result<std::unique_ptr<ControlServer>> listen(net::EventLoop& loop, const std::filesystem::path& path,
                                                       Handler handler);
  virtual ~ControlServer() = default;  // Removes the socket.
};

}  // namespace wherry::broker::control
